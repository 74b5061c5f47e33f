"""Families of a packed row: a document that goes on from none, and behind it at once all that go on from it.

What `chiasm.models.documents` attends without a mask is attended here under one, family by family: on CUDA, and where
few queries are asked.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.nn import functional as F


def families(bounds: torch.Tensor, after: torch.Tensor) -> list[tuple[int, int]]:
    """Where each begins and ends, from the documents' boundaries (D + 1,) and which one each goes on from (D,).

    Raises `ValueError` where a document does not stand with the one that it goes on from.
    """
    number = (after < 0).cumsum(0) - 1
    if not bool((number[after.clamp(min=0)] == number)[after >= 0].all()):
        raise ValueError(f"documents that go on from one must stand right behind it, not as in {after.tolist()}")
    return list(pairwise([*bounds[:-1][after < 0].tolist(), int(bounds[-1])]))


def document_of(bounds: torch.Tensor) -> torch.Tensor:
    """The document of each token (T,)."""
    return torch.arange(len(bounds) - 1, device=bounds.device).repeat_interleave(bounds.diff())


def seen(rows: torch.Tensor, family: tuple[int, int], document: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Which tokens of their family queries in the places `rows` (R,) see: (R, S) of truth."""
    places = torch.arange(*family, device=rows.device)
    own, keys = document[rows][:, None], document[places]
    return ((keys == own) | (keys == after[own])) & (places <= rows[:, None])


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    after: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """query (1, H, T, K), key and value (1, G, T, K) -> (1, T, H, K) by torch's own function. Never run on a GPU."""
    repeats, document = query.shape[1] // key.shape[1], document_of(bounds)
    key, value = (x.repeat_interleave(repeats, 1) for x in (key, value))
    parts = []
    for family in families(bounds, after):
        mask = seen(torch.arange(*family, device=bounds.device), family, document, after)
        q, k, v = (x[:, :, slice(*family)] for x in (query, key, value))
        parts.append(F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale))
    return torch.cat(parts, 2).transpose(1, 2)
