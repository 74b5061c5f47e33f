"""Rows of the vocabulary: added for the Hugging Face layout's own tokens, taken off again on the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from chiasm.checkpoints.tensors import Stored

_CHUNK_ROWS = 4096  # bounds the float32 copy made for the mean


def padded(num_ids: int, num_rows: int) -> int:
    """Rows a model of `num_rows` needs for `num_ids` ids: as many as it has, else the next multiple of 64.

    64 is what llava-hf/llava-1.5-7b-hf has (32,064) and what matrix products like.
    """
    return num_rows if num_ids <= num_rows else -(-num_ids // 64) * 64


def resized(tensor: Stored, num_rows: int) -> Stored:
    """The tensor with that many rows; new ones are the mean of the old.

    The mean gives a new token the logit an average one has. (The hub's own conversion draws the rows at random from
    the distribution of the old; no picture's token is ever embedded or should ever be written, so neither matters.)
    """
    old = tensor.shape[0]
    shape = (num_rows, *tensor.shape[1:])
    if num_rows == old:
        return tensor
    read: Callable[[], torch.Tensor] = (
        (lambda: tensor.read()[:num_rows]) if num_rows < old else (lambda: _with_mean_rows(tensor.read(), shape))
    )
    return replace(tensor, shape=shape, read=read)


def _with_mean_rows(rows: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    total = torch.zeros(rows.shape[1:], dtype=torch.float64)
    for start in range(0, len(rows), _CHUNK_ROWS):
        total += rows[start : start + _CHUNK_ROWS].to(torch.float32).sum(0, dtype=torch.float64)
    grown = rows.new_empty(shape)
    grown[: len(rows)] = rows
    grown[len(rows) :] = (total / len(rows)).to(rows.dtype)
    return grown
