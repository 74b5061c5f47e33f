"""Root-mean-square norms in fewer passes over memory, with little kept for the backward pass.

Llama's norm is nine operations of torch and keeps its input in float32 twice. Here it is one function that keeps the
input as it is: 0.5 to 0.6 of the time, forward and backward, on an EPYC (2,400 tokens, width 576). Same formula, same
types in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, cast

import torch
from torch import nn


@contextmanager
def fused(model: nn.Module) -> Iterator[int]:
    """Inside the block `model` norms by `rms_norm` where its own modules compute the same; how many do."""
    found: list[Any] = [module for module in model.modules() if _as_llama_does(cast("Any", type(module)))]
    for norm in found:
        norm.forward = partial(_forward, norm)
    try:
        yield len(found)
    finally:
        for norm in found:
            del norm.forward


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """x (..., D) over the root of its mean square, computed in float32, in the type of x, times weight (D,)."""
    return cast("torch.Tensor", _RMSNorm.apply(x, weight, eps))  # type: ignore[no-untyped-call]


def _forward(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return rms_norm(x, norm.weight, norm.variance_epsilon)


@cache
def _as_llama_does(kind: Any) -> bool:
    """Whether modules of this class norm as Llama's: many families have copies of it, some add one to the weight."""
    if not kind.__name__.endswith("RMSNorm"):
        return False
    try:
        norm = kind(8, eps=1e-3)
    except TypeError:
        return False
    if not hasattr(norm, "variance_epsilon"):
        return False
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 1.5, 8))
        x = torch.linspace(-1, 2, 64).view(8, 8)
        mine, theirs = _both(norm, x)
        low_mine, low_theirs = _both(norm.to(torch.bfloat16), x.to(torch.bfloat16))
    # In bfloat16 to the bit: what is rounded when differs from family to family.
    return torch.allclose(mine, theirs, rtol=1e-4, atol=1e-5) and torch.equal(low_mine, low_theirs)


def _both(norm: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return _forward(norm, x), norm(x)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        high = x.float()
        scale = torch.linalg.vector_norm(high, dim=-1, keepdim=True)
        scale = scale.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        normed = (high * scale if high is x else high.mul_(scale)).to(x.dtype)
        ctx.save_for_backward(x, weight, scale)
        return normed.mul_(weight) if normed.dtype == weight.dtype else normed * weight

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        high = x.float()
        normed = high * scale if high is x else high.mul_(scale)
        d_weight = None
        if ctx.needs_input_grad[1]:
            d_weight = (grad * normed.to(grad.dtype)).flatten(0, -2).sum(0).to(weight.dtype)
        inner = (grad * weight).float()
        along = torch.linalg.vecdot(inner, normed)[..., None].div_(-x.shape[-1])
        return inner.addcmul_(normed, along).mul_(scale).to(x.dtype), d_weight, None
