"""The state of every random generator a step draws from, as one tensor: torch's on the CPU, and on this process's GPU.

Nothing here draws from Python's or numpy's: the order of samples is a function of seed and epoch (`chiasm.data.order`).
"""

from __future__ import annotations

import base64

import torch


def state() -> torch.Tensor:
    """This process's generators, the CPU's first and the current GPU's behind it: bytes (uint8)."""
    parts = [torch.get_rng_state()]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_rng_state())
    return torch.cat(parts)


def put_back(kept: torch.Tensor) -> None:
    """Let them go on from what `state` gave. Where there is no GPU now, or was none then, the CPU's alone."""
    length = torch.get_rng_state().numel()
    torch.set_rng_state(kept[:length].clone())
    if torch.cuda.is_available() and kept.numel() > length:
        torch.cuda.set_rng_state(kept[length:].clone())


def as_text() -> str:
    """`state`, to be told to another process."""
    return base64.b64encode(state().numpy().tobytes()).decode()


def from_text(text: str) -> torch.Tensor:
    """What `as_text` said."""
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
