"""A decoder's last block, computed only where a token is trained.

Behind it come logits, and those of few positions. All others give that block their keys and values and nothing else: no
query, no outcome of attention, no MLP. The same numbers but for rounding; of a decoder with four blocks, asked short
questions, a seventh of a step is saved. It knows packed rows (`chiasm.models.documents`), no losses.

Shapes: T tokens of the row, R rows asked for, D width, H query heads, G key-value heads, K head width, S keys.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.models import documents
from chiasm.models.families import document_of, families, seen
from chiasm.models.language import decoder, decoder_blocks

ROWS = "chiasm_rows"  # the keyword by which the wanted rows (R,), in ascending order, reach the block
MOST_ROWS = 0.25  # of a row's tokens: every score is kept for the backward pass, and with more little is saved; ours


@contextmanager
def sparse(language_model: nn.Module) -> Iterator[bool]:
    """Inside the block, and `documents.attending`, the decoder gives (1, R, D) where it is asked for `ROWS`.

    Yields whether it does: models whose last block computes anything else than Llama's are left alone.
    """
    if not _is_like_llama(language_model):
        yield False
        return
    with _patched(decoder_blocks(language_model)[-1]):
        yield True


@contextmanager
def _patched(block: Any) -> Iterator[None]:
    block.forward = partial(_forward, block, block.forward)
    try:
        yield
    finally:
        del block.forward


def _forward(block: Any, whole: Any, hidden_states: torch.Tensor, *given: Any, **kwargs: Any) -> torch.Tensor:
    """What transformers' block computes of hidden states (1, T, D), for the wanted rows alone: (1, R, D)."""
    rows: torch.Tensor | None = kwargs.get(ROWS)
    if rows is None:
        return cast("torch.Tensor", whole(hidden_states, *given, **kwargs))
    attention = block.self_attn
    normed = block.input_layernorm(hidden_states)
    q, k, v = (
        projected.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
        for projected in (attention.q_proj(normed[:, rows]), attention.k_proj(normed), attention.v_proj(normed))
    )
    cos, sin = kwargs["position_embeddings"]
    turn = sys.modules[type(attention).__module__].apply_rotary_pos_emb
    q, _ = turn(q, q, cos[:, rows], sin[:, rows])
    k, _ = turn(k, k, cos, sin)
    q, k, v, dtype = documents.computed_in(q, k, v)
    where = kwargs[documents.BOUNDARIES], kwargs.get(documents.AFTER)
    with torch.autocast(q.device.type, enabled=False):  # in the type it is given
        x_RD = _attended(q[0] * attention.scaling, k[0], v[0], rows, *where)
    x = hidden_states[:, rows] + attention.o_proj(x_RD[None].to(dtype))
    return cast("torch.Tensor", x + block.mlp(block.post_attention_layernorm(x)))


def _attended(
    q_HRK: torch.Tensor,
    k_GTK: torch.Tensor,
    v_GTK: torch.Tensor,
    rows: torch.Tensor,
    bounds: torch.Tensor,
    after: torch.Tensor | None,
) -> torch.Tensor:
    """Attention of (scaled) queries in the wanted rows to what each may see: (R, H K)."""
    after = torch.full_like(bounds[1:], -1) if after is None else after
    document, every = document_of(bounds), families(bounds, after)
    ends = torch.tensor([end for _, end in every], device=rows.device)
    nums = torch.searchsorted(rows, ends).diff(prepend=ends.new_zeros(1)).tolist()
    lengths = [end - begin for begin, end in every]
    split = (torch.split(q_HRK, nums, 1), torch.split(k_GTK, lengths, 1), torch.split(v_GTK, lengths, 1))
    parts = []
    for family, wanted, q, k, v in zip(every, torch.split(rows, nums), *split, strict=True):
        if not len(wanted):
            continue
        hidden_RS = ~seen(wanted, family, document, after)
        s_GMS = torch.bmm(q.reshape(len(k), -1, q.shape[-1]), k.transpose(1, 2))
        s_GMS = s_GMS.view(len(k), -1, *hidden_RS.shape).masked_fill(hidden_RS, -torch.inf).flatten(1, 2)
        x_GMK = torch.bmm(s_GMS.softmax(-1), v)
        parts.append(x_GMK.view(len(q), len(wanted), -1).transpose(0, 1).flatten(1))
    return torch.cat(parts)


def _is_like_llama(language_model: nn.Module) -> bool:
    """Whether a copy of the last block, with larger weights, gives the same with and without it, in any mode it is in.

    Larger, since what hardly attends hides how it does. What clips its projections does so only when they have grown.
    """
    blocks, rotary = decoder_blocks(language_model), getattr(decoder(language_model), "rotary_emb", None)
    config = cast("Any", language_model).config
    wanted = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
    if not blocks or rotary is None or getattr(config, "clip_qkv", None) is not None:
        return False
    if not all(hasattr(blocks[-1], name) for name in wanted):
        return False
    device = next(blocks[-1].parameters()).device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
            torch.manual_seed(0)
            with documents.attending(language_model):  # the copy remembers how it attends
                whole, few = _both(copy.deepcopy(blocks[-1]).float(), rotary, config.hidden_size, device)
    except (UserError, TypeError, ValueError, AttributeError, KeyError, RuntimeError, IndexError):
        return False
    return few.shape == whole.shape and bool(torch.allclose(few, whole, rtol=1e-3, atol=1e-4))


def _both(block: Any, rotary: Any, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Some rows of what a block gives, by its own way and by ours."""
    for parameter in block.parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, parameter.shape[-1] ** -0.5)
        else:
            parameter.uniform_(0.5, 1.5)
    bounds, after = torch.tensor([0, 3, 5, 9, 12], device=device), torch.tensor([-1, -1, 1, 1], device=device)
    rows = torch.tensor([1, 4, 6, 8, 10, 11], device=device)
    x, places = torch.randn(1, 12, width, device=device), documents.positions(bounds, after)
    given = {
        "attention_mask": None,
        "position_ids": places,
        "position_embeddings": rotary(x, position_ids=places),
        documents.BOUNDARIES: bounds,
        documents.AFTER: after,
    }
    whole = block(x, **given)[:, rows]
    with _patched(block):
        return whole, block(x, **given, **{ROWS: rows})
