"""Which device a model lives on here. Knows torch's names of devices and nothing of models."""

from __future__ import annotations

import torch

from chiasm.errors import UserError


def usable_device(name: str | None) -> str:
    """`name` where it can be used here; without a name an accelerator where there is one. Raises `UserError`."""
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name is None:
        return best
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"device '{name}' cannot be used here ({reason}). Try --device {best}") from None
    return name
