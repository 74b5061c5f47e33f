"""Answers of a model whose weights are divided among processes: all compute every token together, from the beginning.

Nothing is kept between tokens, since divided weights are gathered by the whole model's forward pass alone; what that
costs is the gathering. The first process chooses, so that no rounding sets them apart.

Shapes: B answers on their way, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch

from chiasm.conversation import Conversation
from chiasm.models.llava import Llava
from chiasm.processing.batch import pad
from chiasm.processing.processor import NOT_TRAINED, Example, Processor
from chiasm.training.parallel import World


@torch.no_grad()
def answers(
    model: Llava, processor: Processor, questions: Sequence[Conversation], world: World, max_tokens: int
) -> list[str]:
    """The likeliest answer to each question, of at most `max_tokens` and as the context allows.

    All processes call it with the same questions, and all get all answers.
    """
    asked = [processor.encode(question) for question in questions]
    written: list[list[int]] = [[] for _ in asked]
    bound = getattr(cast("Any", model.language_model).config, "max_position_embeddings", None)
    on_the_way = list(range(len(asked)))
    for _ in range(max_tokens):
        on_the_way = [i for i in on_the_way if bound is None or len(asked[i].input_ids) + len(written[i]) < bound]
        if not on_the_way:
            break
        batch = pad([_with(asked[i], written[i]) for i in on_the_way], "left")
        del batch["labels"]
        given = {name: tensor.to(model.device) for name, tensor in batch.items()}
        logits_BV = cast("torch.Tensor", model(**given, logits_to_keep=1).logits)[:, -1]
        chosen: list[int] = world.from_first(lambda logits=logits_BV: logits.argmax(-1).tolist())  # type: ignore[misc]
        for i, token in zip(on_the_way, chosen, strict=True):
            written[i].append(token)
        on_the_way = [i for i in on_the_way if not _has_ended(processor, written[i])]
    return [_text(processor, ids) for ids in written]


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
