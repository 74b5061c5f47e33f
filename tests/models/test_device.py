"""One answer to which device is used, for chat and training alike."""

from __future__ import annotations

import pytest
import torch

from chiasm.errors import UserError
from chiasm.models.device import usable_device


@pytest.mark.parametrize(("cuda", "mps", "best"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_best_here_without_a_name(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, best: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert usable_device(None) == best
    with pytest.raises(UserError, match=f"'nonsense' cannot be used here.*--device {best}"):
        usable_device("nonsense")


def test_a_device_that_is_here_is_taken_by_its_name() -> None:
    assert usable_device("cpu") == "cpu"
