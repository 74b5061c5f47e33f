"""A decoder's last block, computed only where a token is trained.

Behind it come logits, and those of few positions. All others give that block their keys and values and nothing else: no
query, no outcome of attention, no MLP. Numbers stay the same; of a decoder with four blocks, asked short questions, a
sixth of a step is saved. It knows packed rows (`chiasm.models.documents`), no losses.

Shapes: T tokens of the row, R rows asked for, D width, H query heads, G key-value heads, K head width, S keys.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, cast

import torch
from torch import nn

from chiasm.models import documents
from chiasm.models.language import decoder, decoder_blocks

ROWS = "chiasm_rows"  # the keyword by which the wanted rows (R,), in ascending order, reach the block
_SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "vocab_size": 8,
    "pad_token_id": None,
    "layer_types": None,
}


@contextmanager
def sparse(language_model: nn.Module) -> Iterator[bool]:
    """Inside the block, and `documents.attending`, the decoder gives (1, R, D) where it is asked for `ROWS`.

    Yields whether it does: models whose blocks compute anything else than Llama's are left alone.
    """
    model: Any = language_model
    if not _is_like_llama(model):
        yield False
        return
    with _patched(decoder_blocks(model)[-1]):
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
    x_RD = _attended(q[0], k[0], v[0], rows, kwargs, attention.scaling)
    x = hidden_states[:, rows] + attention.o_proj(x_RD[None])
    return cast("torch.Tensor", x + block.mlp(block.post_attention_layernorm(x)))


def _attended(
    q_HRK: torch.Tensor,
    k_GTK: torch.Tensor,
    v_GTK: torch.Tensor,
    rows: torch.Tensor,
    row: dict[str, Any],
    scale: float,
) -> torch.Tensor:
    """Attention of the wanted rows to what each may see: (R, H K). `row` says where the documents are."""
    dtype = v_GTK.dtype
    if q_HRK.shape[-1] <= documents.NARROW and q_HRK.device.type == "cpu":
        q_HRK, k_GTK, v_GTK = q_HRK.float(), k_GTK.float(), v_GTK.float()
    bounds: torch.Tensor = row[documents.BOUNDARIES]
    after: torch.Tensor | None = row.get(documents.AFTER)
    after = torch.full_like(bounds[1:], -1) if after is None else after
    document = torch.arange(len(after), device=bounds.device).repeat_interleave(bounds.diff())
    # Documents that go on from one, and that one, stand side by side: they are attended together.
    edges = [*bounds[:-1][after < 0].tolist(), int(bounds[-1])]
    nums = torch.searchsorted(rows, torch.tensor(edges, device=rows.device)).diff().tolist()
    lengths = [end - begin for begin, end in pairwise(edges)]
    groups = len(k_GTK)
    parts = []
    split = (torch.split(q_HRK, nums, 1), torch.split(k_GTK, lengths, 1), torch.split(v_GTK, lengths, 1))
    for (begin, end), of, q, k, v in zip(pairwise(edges), torch.split(rows, nums), *split, strict=True):
        if not len(of):
            continue
        own, keys = document[of][:, None], document[begin:end]
        seen_RS = (keys == own) | (keys == after[own])
        seen_RS &= torch.arange(begin, end, device=of.device) <= of[:, None]
        s_GMS = torch.bmm(q.reshape(groups, -1, q.shape[-1]) * scale, k.transpose(1, 2))
        s_GMS = s_GMS.view(groups, -1, len(of), end - begin).masked_fill(~seen_RS, -torch.inf).flatten(1, 2)
        x_GMK = torch.bmm(s_GMS.softmax(-1, dtype=torch.float32).to(v.dtype), v)
        parts.append(x_GMK.view(len(q_HRK), len(of), -1).transpose(0, 1).flatten(1))
    return torch.cat(parts).to(dtype)


def _is_like_llama(model: Any) -> bool:
    """Whether a small model of the same kind gives the same with and without it: many families are copies."""
    block: Any = decoder_blocks(model)[-1:]
    wanted = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
    if not block or not all(hasattr(block[0], name) for name in wanted):
        return False
    config = {**model.config.to_dict(), **_SMALL}
    lengths, after = torch.tensor([0, 3, 5, 9, 12]), torch.tensor([-1, -1, 1, 1])
    rows = torch.tensor([1, 4, 6, 8, 10, 11])
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            small = type(decoder(model))(type(model.config)(**config)).float().eval()
            x = torch.randn(1, 12, 16)
            row = {documents.BOUNDARIES: lengths, documents.AFTER: after}
            row["position_ids"] = documents.positions(lengths, after)
            with documents.attending(small):
                whole = small(inputs_embeds=x, use_cache=False, **row).last_hidden_state[:, rows]
                with _patched(decoder_blocks(small)[-1]):
                    few = small(inputs_embeds=x, use_cache=False, **row, **{ROWS: rows}).last_hidden_state
        return few.shape == whole.shape and bool(torch.allclose(few, whole, rtol=1e-4, atol=1e-5))
    except (TypeError, ValueError, AttributeError, KeyError, RuntimeError, IndexError):
        return False
