"""Tensors read without torch are those torch has written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from chiasm.backends.light.shape import Unsupported
from chiasm.backends.light.weights import Weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_are_the_very_ones(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.tensor([[0.0, -0.0, 1.0, -3.140625], [1e-40, 3e38, float("inf"), float("-inf")]]).to(dtype)
    save_file({"other": torch.ones(3, dtype=dtype), "some": values}, tmp_path / "x.safetensors")
    weights = Weights(tmp_path / "x.safetensors")
    found = weights.take("some", 2, 4)
    assert found.dtype == np.float32
    assert found.tobytes() == values.float().numpy().tobytes()
    assert weights.names == ["other"]


def test_what_is_not_there_or_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"whole": torch.ones(2, 3), "half": torch.ones(2, dtype=torch.float16)}, path)
    weights = Weights(path)
    with pytest.raises(Unsupported, match="no tensor some"):
        weights.take("some", 2)
    with pytest.raises(Unsupported, match=r"whole is \[2, 3\], not \[3, 2\]"):
        weights.take("whole", 3, 2)
    with pytest.raises(Unsupported, match="half cannot be read"):
        weights.take("half", 2)


@pytest.mark.parametrize("data", [b"", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 20, b"\x05\0\0\0\0\0\0\0{]}}}"])
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(Unsupported, match="cannot be read"):
        Weights(tmp_path / "x.safetensors")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"some": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(Unsupported, match="396 bytes"):
        Weights(path).take("some", 100)
