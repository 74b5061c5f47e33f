"""Examples to one batch: padded to equal rows, or one behind the other in one row."""

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
    if any(example.branches for example in examples):
        raise ValueError("questions asked apart go into packed rows only")
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
    return {"input_ids": ids_BT, "attention_mask": mask_BT, "labels": labels_BT, **_pictures(examples)}


def pack(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """Examples one behind the other as a packed row for `Llava.forward`: T tokens of all, D examples.

    `input_ids` (1, T); `labels` (1, T), -100 at each example's first token, which nothing before it foretells; `bounds`
    (D + 1,), where each begins and the last one ends; `pixels` (N, 3, height, width) in reading order. Where questions
    are asked apart each of them is a document, and so is what they share; then `after` (D,) says of each which one it
    goes on from, -1 for none.
    """
    labels_T = torch.cat([example.labels for example in examples])
    lengths, after = _documents(examples)
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    labels_T[bounds[:-1]] = NOT_TRAINED
    ids_T = torch.cat([example.input_ids for example in examples])
    row = {"input_ids": ids_T[None], "labels": labels_T[None], "bounds": bounds, **_pictures(examples)}
    return {**row, "after": torch.tensor(after)} if any(each >= 0 for each in after) else row


def _documents(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """How long each document is, and after which one it goes on, -1 for none: what questions apart share is one."""
    lengths: list[int] = []
    after: list[int] = []
    for example in examples:
        shared = len(example.input_ids) - sum(example.branches)
        place = len(lengths) if shared and example.branches else -1
        if shared:
            lengths.append(shared)
            after.append(-1)
        lengths += example.branches
        after += [place] * len(example.branches)
    return lengths, after


def _pictures(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """The pictures of all examples, as the tower's features where these are known: of all, or of none."""
    features = [example.features for example in examples if example.features is not None]
    if not features:
        return {"pixels": torch.cat([example.pixels for example in examples])}
    if len(features) < len(examples):
        raise ValueError(f"{len(features)} of {len(examples)} examples come with features: expected all or none")
    return {"features": torch.cat(features)}
