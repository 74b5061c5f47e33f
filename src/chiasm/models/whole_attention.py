"""Attention of a vision tower that learns in bfloat16 on a CPU, by plain matrix products.

torch's own kernel takes up to three times as long there: for a picture of 144 patches and three heads of 64, forward
and backward, 1.8 ms where these take 0.6, on a core of an EPYC. Everywhere else torch's is used. It knows no text and
no losses.

Shapes: B pictures, H heads, N = B H, T tokens, K head width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "chiasm_whole"  # under which transformers knows the function
_SCORES = 1 << 18  # computed at once, half a megabyte; ours, measured


@contextmanager
def attending(tower: nn.Module) -> Iterator[None]:
    """Let `tower` attend so inside the block, backward passes included, where it attends through torch's function."""
    module: Any = tower
    before = getattr(module.config, "_attn_implementation", None)
    if before != "sdpa":
        yield
        return
    AttentionInterface.register(NAME, attend)
    module.set_attn_implementation(NAME)
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention: query, key and value (B, H, T, K) -> (B, T, H, K), no weights."""
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
    low = all(x.device.type == "cpu" and x.dtype == torch.bfloat16 for x in (query, key, value))
    plain = attention_mask is None and not kwargs.get("dropout") and not kwargs.get("is_causal")
    if not (learns and low and plain):
        theirs: Any = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return cast("tuple[torch.Tensor, None]", theirs(module, query, key, value, attention_mask, **kwargs))
    scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
    with torch.autocast("cpu", enabled=False):  # in the type it is given
        x = _Attention.apply(query, key, value, scale)  # type: ignore[no-untyped-call]
    return cast("torch.Tensor", x).transpose(1, 2).contiguous(), None


class _Attention(torch.autograd.Function):
    """Weights are computed again in the backward pass, a few heads at a time, while they are in the cache."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        q_NTK, k_NTK, v_NTK = (x.flatten(0, 1) for x in (query * scale, key, value))
        ctx.save_for_backward(q_NTK, k_NTK, v_NTK)
        ctx.scale = scale
        x_NTK = torch.empty_like(q_NTK)
        for q, k, v, x in _few_at_once(q_NTK, k_NTK, v_NTK, x_NTK):
            torch.bmm(_weights(q, k), v, out=x)
        return x_NTK.view(query.shape)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q_NTK, k_NTK, v_NTK = ctx.saved_tensors
        d_query, d_key, d_value = (torch.empty_like(x) for x in (q_NTK, k_NTK, v_NTK))
        whole = (q_NTK, k_NTK, v_NTK, grad.flatten(0, 1), d_query, d_key, d_value)
        for q, k, v, g, d_q, d_k, d_v in _few_at_once(*whole):
            p_NTT = _weights(q, k)
            torch.bmm(p_NTT.transpose(1, 2), g, out=d_v)
            d_p_NTT = torch.bmm(g, v.transpose(1, 2))
            d_s_NTT = torch._softmax_backward_data(d_p_NTT, p_NTT, -1, p_NTT.dtype)
            torch.bmm(d_s_NTT, k, out=d_q)
            torch.bmm(d_s_NTT.transpose(1, 2), q, out=d_k)
        d_query.mul_(ctx.scale)
        return d_query.view(grad.shape), d_key.view(grad.shape), d_value.view(grad.shape), None


def _weights(q_NTK: torch.Tensor, k_NTK: torch.Tensor) -> torch.Tensor:
    return torch.bmm(q_NTK, k_NTK.transpose(1, 2)).softmax(-1)


def _few_at_once(*whole: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Parts (n, T, K) of all, n heads of some pictures."""
    num = max(1, _SCORES // whole[0].shape[1] ** 2)
    return zip(*(torch.split(x, num) for x in whole), strict=True)
