"""Which device a model lives on here. Knows torch's names of devices and nothing of models."""

from __future__ import annotations

import torch

from chiasm.errors import UserError


def computes_bfloat16() -> bool:
    """Whether this machine multiplies bfloat16 in hardware: on a CPU without that, float32 is faster."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


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
