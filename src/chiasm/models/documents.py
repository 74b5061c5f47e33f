"""Attention of a packed row: several documents one behind the other, each attending only to itself.

Registered with transformers as an attention function, so that every family that goes through its interface works; the
documents' boundaries are handed in at every forward. No mask is ever made. On a CPU a document is attended in blocks of
queries by matrix products, which in bfloat16 take about a third of the time of SDPA's own kernel there; on CUDA the
whole row goes through torch's variable-length flash attention. It knows nothing of text, pictures or losses.

Shapes: T tokens of the row, D documents, H query heads, G key-value heads, R = H / G, K head width, N queries of a
block, S keys they may see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, cast

import torch
from transformers import AttentionInterface

from chiasm.errors import UserError

NAME = "chiasm_documents"  # under which transformers knows the function
BOUNDARIES = "chiasm_documents"  # the keyword by which the boundaries reach it through the decoder
_QUERIES = 128  # of a block; ours, measured: larger ones compute more of what no query may see
# Arguments of other attention functions that change the result.
_FOREIGN = ("softcap", "s_aux", "position_bias")


def boundaries(lengths: list[int]) -> torch.Tensor:
    """Where documents of these lengths begin in their row, and where the last ends: (D + 1,)."""
    return torch.tensor([0, *lengths]).cumsum(0)


def positions(bounds: torch.Tensor) -> torch.Tensor:
    """Each token's place in its own document: (1, T)."""
    starts, lengths = bounds[:-1], bounds.diff()
    return (torch.arange(int(bounds[-1]), device=bounds.device) - starts.repeat_interleave(lengths))[None]


@contextmanager
def attending(language_model: Any) -> Iterator[None]:
    """Let `language_model` attend document by document inside the block, backward passes included.

    Raises `UserError` for a model that attends past transformers' interface, or by more than all earlier tokens.
    """
    config = language_model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    plain = kinds == {"full_attention"} and not getattr(config, "attention_dropout", 0)
    if not getattr(language_model, "_supports_attention_backend", False) or not plain:
        raise UserError(
            f"rows of a {config.model_type} cannot be packed: its layers ({', '.join(sorted(kinds))}) do not attend "
            "through transformers' interface to all earlier tokens, without dropout. Leave 'pack' out of the stage"
        )
    # Not registered with `AttentionMaskInterface`: transformers then makes no mask.
    AttentionInterface.register(NAME, attend)
    before = config._attn_implementation
    language_model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        language_model.set_attn_implementation(before)


def is_attending(language_model: Any) -> bool:
    """Whether this is inside `attending`: elsewhere boundaries would be ignored, and documents see each other."""
    return bool(language_model.config._attn_implementation == NAME)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention: query (1, H, T, K), key and value (1, G, T, K) -> (1, T, H, K), no weights."""
    bounds: torch.Tensor | None = kwargs.get(BOUNDARIES)
    if bounds is None:
        raise ValueError("packed rows need the documents' boundaries")
    foreign = [name for name in _FOREIGN if kwargs.get(name) is not None]
    window = kwargs.get("sliding_window")
    if window is not None and window < (longest := int(bounds.diff().max())):
        foreign.append(f"a window of {window} over {longest} tokens")
    if attention_mask is not None or foreign or kwargs.get("dropout"):
        what = ", ".join(foreign) or "a mask or dropout"
        raise ValueError(f"packed rows are attended causally and no other way, got {what}")
    if key.shape[2] != query.shape[2]:
        raise ValueError(f"a packed row of {query.shape[2]} tokens cannot extend a cache to {key.shape[2]}")
    scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
    device = query.device.type
    # Autocast knows nothing of our operator; torch's own attention is computed in autocast's type.
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if query.is_cuda:
        return _on_cuda(query, key, value, bounds, scale)[None], None
    x: torch.Tensor = torch.ops.chiasm.documents(query[0], key[0], value[0], bounds, scale)
    return x[None], None


def _on_cuda(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, scale: float
) -> torch.Tensor:
    """The same through flash attention (T, H, K). Never run by us so far: no GPU was at hand."""
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    where, longest = bounds.to(torch.int32), int(bounds.diff().max())
    # window_size (-1, 0): any number of earlier tokens, no later one. A pair comes back only where `return_aux` asks.
    x: Any = varlen_attn(
        query,
        key,
        value,
        where,
        where,
        longest,
        longest,
        scale=scale,
        window_size=(-1, 0),
        enable_gqa=query.shape[1] > key.shape[1],
    )
    return cast("torch.Tensor", x)


# One operator for torch: its inside is no concern of autograd or of a compiler.
@torch.library.custom_op("chiasm::documents", mutates_args=())
def _documents(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, scale: float
) -> torch.Tensor:
    """query (H, T, K), key and value (G, T, K), bounds (D + 1,) -> (T, H, K)."""
    num_heads, length, width = query.shape
    groups = key.shape[0]
    out = query.new_empty(length, num_heads, width)
    by_group = out.view(length, groups, -1, width)
    later = _later(query)
    for first, begin, end in _blocks(bounds):
        seen = slice(first, end)
        p_GMS = _weights(_rows(query, groups, begin, end), key[:, seen], later[: end - begin, : end - begin], scale)
        x_GMK = torch.bmm(p_GMS, value[:, seen])
        by_group[begin:end] = x_GMK.view(groups, -1, end - begin, width).permute(2, 0, 1, 3)
    return out


@_documents.register_fake
def _(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, scale: float) -> torch.Tensor:
    return query.new_empty(query.shape[1], query.shape[0], query.shape[2])


@torch.library.custom_op("chiasm::documents_backward", mutates_args=())
def _documents_backward(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of query, key and value from that of the output (T, H, K). Weights are computed again, not kept."""
    groups, _, width = key.shape
    grad = grad.transpose(0, 1)
    d_query = torch.empty_like(query, memory_format=torch.contiguous_format)
    # Each key is seen by several blocks: their sums are kept in float32.
    d_key, d_value = (torch.zeros(x.shape, dtype=torch.float32) for x in (key, value))
    by_group = d_query.view(groups, -1, query.shape[1], width)
    later = _later(query)
    for first, begin, end in _blocks(bounds):
        seen = slice(first, end)
        q_GMK, g_GMK = _rows(query, groups, begin, end), _rows(grad, groups, begin, end)
        p_GMS = _weights(q_GMK, key[:, seen], later[: end - begin, : end - begin], scale)
        d_value[:, seen] += torch.bmm(p_GMS.transpose(1, 2), g_GMK)
        d_p_GMS = torch.bmm(g_GMK, value[:, seen].transpose(1, 2))
        d_s_GMS = torch._softmax_backward_data(d_p_GMS, p_GMS, -1, p_GMS.dtype)
        d_key[:, seen] += torch.bmm(d_s_GMS.transpose(1, 2), q_GMK)
        by_group[:, :, begin:end] = torch.bmm(d_s_GMS, key[:, seen]).view(groups, -1, end - begin, width)
    return d_query.mul_(scale), d_key.mul_(scale).to(key.dtype), d_value.to(value.dtype)


@_documents_backward.register_fake
def _(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.scale = inputs[4]


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    d_query, d_key, d_value = torch.ops.chiasm.documents_backward(grad, *ctx.saved_tensors, ctx.scale)
    return d_query, d_key, d_value, None, None


_documents.register_autograd(_backward, setup_context=_keep)


def _blocks(bounds: torch.Tensor) -> Iterator[tuple[int, int, int]]:
    """Blocks of queries: where their document begins, where they begin, where they end."""
    edges = bounds.tolist()
    for first, last in pairwise(edges):
        for begin in range(first, last, _QUERIES):
            yield first, begin, min(begin + _QUERIES, last)


def _rows(x: torch.Tensor, groups: int, begin: int, end: int) -> torch.Tensor:
    """(H, T, K) -> the block's (G, R * N, K): heads that share keys become more queries of one head."""
    return x[:, begin:end].reshape(groups, -1, x.shape[2])


def _later(like: torch.Tensor) -> torch.Tensor:
    """Which keys of a block come after a query of it: (N, N)."""
    return torch.ones(_QUERIES, _QUERIES, dtype=torch.bool, device=like.device).triu_(1)


def _weights(q_GMK: torch.Tensor, k_GSK: torch.Tensor, later_NN: torch.Tensor, scale: float) -> torch.Tensor:
    """How much each query of a block takes of each key (G, R * N, S); the last N keys are the block's own."""
    s_GMS = torch.bmm(q_GMK * scale, k_GSK.transpose(1, 2))
    num_queries = len(later_NN)
    s_GRNS = s_GMS.view(len(s_GMS), -1, num_queries, s_GMS.shape[2])
    s_GRNS[..., s_GMS.shape[2] - num_queries :].masked_fill_(later_NN, -torch.inf)
    return torch.softmax(s_GMS, -1)
