"""Trained weights computed in bfloat16 and kept in float32, as FSDP2's mixed precision has it, where none are divided.

Under autocast alone the stream between the blocks stays in float32, is cast again for each layer that reads it, and is
kept twice for the backward pass. With the weights themselves lowered everything in between is bfloat16, and gradients
still add up in float32, at the weights. It knows modules and parameters, no objective.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def lowered(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Inside the block every trained float32 weight of `model` is a copy in `dtype` that leads gradients back to it.

    Forward and backward passes belong inside, the update outside. A weight that two modules share stays shared.
    """
    copies: dict[nn.Parameter, torch.Tensor] = {}
    placed: list[tuple[nn.Module, str, nn.Parameter]] = []
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.requires_grad and parameter.dtype == torch.float32:
                placed.append((module, name, parameter))
    try:
        for module, name, parameter in placed:
            if parameter not in copies:
                copies[parameter] = parameter.to(dtype)
            # Not through `setattr`: modules take nothing but parameters under a parameter's name.
            module._parameters[name] = copies[parameter]  # type: ignore[assignment]
        yield
    finally:
        for module, name, parameter in placed:
            module._parameters[name] = parameter
