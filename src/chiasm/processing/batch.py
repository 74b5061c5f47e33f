"""Examples to one padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from chiasm.processing.processor import NOT_TRAINED, Example


def pad(examples: Sequence[Example], side: Literal["left", "right"]) -> dict[str, torch.Tensor]:
    """Examples of different lengths as a batch for `Llava.forward`: B rows, T tokens of the longest.

    `input_ids` (B, T), padded with 0 where `attention_mask` (B, T) is 0; `labels` (B, T), -100 on padding; `pixels`
    (N, 3, height, width) of all pictures, row by row. Training pads on the right, generation on the left.
    """
    length = max(len(example.input_ids) for example in examples)
    shape = (len(examples), length)
    ids_BT = torch.zeros(shape, dtype=torch.int64)
    mask_BT = torch.zeros(shape, dtype=torch.int64)
    labels_BT = torch.full(shape, NOT_TRAINED)
    for row, example in enumerate(examples):
        num_tokens = len(example.input_ids)
        place = slice(length - num_tokens, length) if side == "left" else slice(0, num_tokens)
        ids_BT[row, place] = example.input_ids
        labels_BT[row, place] = example.labels
        mask_BT[row, place] = 1
    pixels = torch.cat([example.pixels for example in examples])
    return {"input_ids": ids_BT, "attention_mask": mask_BT, "labels": labels_BT, "pixels": pixels}
