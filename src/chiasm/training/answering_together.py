"""Answers of a model whose weights are divided among processes: all compute every token together, from the beginning.

Divided weights are gathered by the whole model's forward pass alone, so nothing is kept between tokens: each takes the
tower and the whole prompt once more. That is for a few short answers. The first process chooses, so that no rounding
sets them apart.

Shapes: B answers on their way, V vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import torch

from chiasm.backends.local_prompts import Attempts
from chiasm.conversation import Conversation
from chiasm.generation.prompt import room
from chiasm.models.llava import Llava
from chiasm.processing.batch import pad
from chiasm.processing.processor import NOT_TRAINED, Example, Processor
from chiasm.training.parallel import World


def answer_all(
    model: Llava,
    processor: Processor,
    questions: Sequence[Conversation],
    world: World,
    batch_size: int,
    max_tokens: int,
) -> Iterator[tuple[int, str]]:
    """The likeliest answer to each question, by its position: of at most `max_tokens`, and as the context allows.

    All processes call it with the same questions, and all get all answers. Questions that cannot be encoded or do not
    fit are left out; when all others are answered, `UnansweredError` says which.
    """
    bound: int | None = getattr(cast("Any", model.language_model).config, "max_position_embeddings", None)

    def encoded(index: int) -> tuple[Example, int]:
        example = processor.encode(questions[index])
        longest = max_tokens
        if bound is not None:
            num_of_pictures = sum(layout.num_tokens for layout in example.layouts)
            longest = min(max_tokens, room(len(example.input_ids), num_of_pictures, bound))
        return example, longest

    attempts = Attempts(questions, encoded)
    there = iter(attempts)
    while batch := list(itertools.islice(there, batch_size)):
        written = _written(model, processor, [asked for _, asked in batch], world)
        yield from ((index, _text(processor, ids)) for (index, _), ids in zip(batch, written, strict=True))
    attempts.check()


@torch.no_grad()
def _written(
    model: Llava, processor: Processor, asked: Sequence[tuple[Example, int]], world: World
) -> Sequence[list[int]]:
    """The ids that follow each example, at most so many."""
    written: list[list[int]] = [[] for _ in asked]
    on_the_way = list(range(len(asked)))
    while on_the_way:
        batch = pad([_with(asked[i][0], written[i]) for i in on_the_way], "left")
        del batch["labels"]
        given = {name: tensor.to(model.device) for name, tensor in batch.items()}
        logits_BV = cast("torch.Tensor", model(**given, logits_to_keep=1).logits)[:, -1]
        chosen: list[int] = world.from_first(lambda logits=logits_BV: logits.argmax(-1).tolist())  # type: ignore[misc]
        for i, token in zip(on_the_way, chosen, strict=True):
            written[i].append(token)
        on_the_way = [i for i in on_the_way if len(written[i]) < asked[i][1] and not _has_ended(processor, written[i])]
    return written


def _with(example: Example, ids: list[int]) -> Example:
    whole = torch.cat([example.input_ids, torch.tensor(ids, dtype=torch.int64)])
    return replace(example, input_ids=whole, labels=torch.full_like(whole, NOT_TRAINED))


def _has_ended(processor: Processor, ids: list[int]) -> bool:
    return ids[-1] in processor.end_ids or any(stop in processor.decode(ids) for stop in processor.stop)


def _text(processor: Processor, ids: list[int]) -> str:
    text = processor.decode(each for each in ids if each not in processor.end_ids)
    for stop in processor.stop:
        text = text.partition(stop)[0]
    return text.strip()
