"""Where a model looked: how much attention each token of an answer paid to each patch of each picture.

One pass of its own over prompt and answer, only when somebody asks: generating does not know of it. It knows no text.

A token is chosen at the position before it, so its attention is that of the position before it. Heads are averaged, and
so are the layers but for the first third, which hardly look: of a small assistant asked for a colour, layer 1 of 3 gave
16 % of its attention to the picture and a third of that to the thing, layers 2 and 3 gave 49 and 41 % and nearly half.
(Rollout, the product over layers, tells little of decoders: most of it ends at the first token, which all can see.)

Shapes: A tokens of the answer, T of prompt and answer, P of pictures, H query heads, G key-value heads, K head width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from chiasm.errors import UserError
from chiasm.generation import attention
from chiasm.generation.features import Features
from chiasm.generation.prompt import Prompt
from chiasm.models import language
from chiasm.models.llava import Llava
from chiasm.processing.images import Frame

_ROWS_AT_ONCE = 64  # tokens of the answer whose weights are held at once: 26 MB for 32 heads over 3,200 tokens
_MOST_CELLS = 64  # along an edge of a map: a strip of which the tower saw the middle would have thousands; ours


def looking_layers(num_layers: int) -> range:
    """The layers that are averaged: all but the first third."""
    return range(num_layers // 3, num_layers)


@torch.inference_mode()
def attention_to_pictures(
    model: Llava, features: Features, prompt: Prompt, answer_ids: Sequence[int], layers: range | None = None
) -> torch.Tensor:
    """Shares of attention (A, P), float32 on the CPU: of all that a token attended to, what went to each picture token.

    P counts the tokens of all pictures of the prompt in order. `layers` are averaged, else `looking_layers`. Raises
    `UserError` for a language model that attends in a way of its own, `ValueError` for an answer of no tokens.
    """
    if not answer_ids:
        raise ValueError("an answer of no tokens looked nowhere")
    if not attention.take_over(model.language_model):
        raise UserError("this language model attends in a way of its own: where it looked cannot be told")
    columns = torch.tensor([i for picture in prompt.pictures for i in range(picture.start, picture.end)])
    first = len(prompt.ids) - 1
    blocks = len(language.decoder_blocks(model.language_model))
    weights = _Weights(range(first, first + len(answer_ids)), columns, layers or looking_layers(blocks))
    ids_BT = torch.tensor([[*prompt.ids, *answer_ids]], device=model.device)
    found = features.of((prompt, picture) for picture in prompt.pictures)
    x_BTD = model.embed(ids_BT, torch.cat([found[p.key] for p in prompt.pictures]) if prompt.pictures else None)
    decoder: Any = language.decoder(model.language_model)
    decoder(inputs_embeds=x_BTD, use_cache=False, **{attention.LOOK: weights})
    if not weights.num_seen:
        raise UserError("this language model's attention is not told by queries and keys: where it looked is unknown")
    return weights.shares / weights.num_seen


@dataclass(slots=True)
class _Weights:
    """Adds up attention weights: of the queries `rows`, what went to `columns`, in `layers`, as a mean over heads."""

    rows: range
    columns: torch.Tensor
    layers: range
    num_seen: int = 0
    shares: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.shares = torch.zeros(len(self.rows), len(self.columns))

    def see(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float | None
    ) -> None:
        """`attention.Onlooker`."""
        if layer not in self.layers:
            return
        num_keys, width = key.shape[2:]
        keys_GTK = key[0].float()
        columns = self.columns.to(key.device)
        for start in range(self.rows.start, self.rows.stop, _ROWS_AT_ONCE):
            rows = torch.arange(start, min(start + _ROWS_AT_ONCE, self.rows.stop), device=key.device)
            grouped = query[0, :, rows].float().reshape(len(keys_GTK), -1, width)  # heads that share keys, as queries
            logits = grouped @ keys_GTK.transpose(1, 2) * (scaling or 1 / math.sqrt(width))
            logits_HAT = logits.reshape(-1, len(rows), num_keys)
            if mask is None:
                seen_AT = torch.arange(num_keys, device=key.device)[None] <= rows[:, None]
            else:
                seen_AT = mask[0, 0, rows]
            attended = logits_HAT.masked_fill(~seen_AT, -torch.inf).softmax(-1).mean(0)
            place = start - self.rows.start
            self.shares[place : place + len(rows)] += attended[:, columns].cpu()
        self.num_seen += 1


def onto_picture(shares: torch.Tensor, frame: Frame) -> torch.Tensor:
    """Shares of patches (..., rows, columns) that lie in `frame` -> of cells that cover the picture.

    Cells (..., rows, columns) are about as large as patches, not larger. What lies in the padding is left out, what
    reaches over the picture's edge counts whole, and where the tower saw nothing there is nothing.
    """
    down = _parts(shares.shape[-2], frame.top, frame.bottom)
    along = _parts(shares.shape[-1], frame.left, frame.right)
    return down @ shares @ along.T


def _parts(num_patches: int, start: float, end: float) -> torch.Tensor:
    """(cells, patches): which part of a patch's share falls to a cell, along one edge of the picture."""
    length = (end - start) / num_patches
    num_cells = min(max(1, math.ceil(1 / length - 0.01)), _MOST_CELLS)
    edges = start + length * torch.arange(num_patches + 1, dtype=torch.float64)
    low, high = edges[:-1].clamp(0, 1), edges[1:].clamp(0, 1)
    borders = torch.arange(num_cells + 1, dtype=torch.float64) / num_cells
    overlap = torch.minimum(high, borders[1:, None]) - torch.maximum(low, borders[:-1, None])
    inside = (high - low).clamp(min=1e-12)
    return (overlap.clamp(min=0) / inside).where(high > low, 0.0).float()
