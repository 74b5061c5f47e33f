"""One sample as the model sees it: runs of tokens by what they are, and the tiles the tower gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from PIL import Image

from chiasm.conversation import Conversation
from chiasm.processing.pictures import open_picture
from chiasm.processing.processor import NOT_TRAINED, Example, Processor

Kind = Literal["picture", "trained", "not trained"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Neighbouring tokens of one kind. `tokens` as the vocabulary writes them; empty for a picture."""

    kind: Kind
    num_tokens: int
    tokens: tuple[str, ...]


def seen(example: Example, processor: Processor) -> Iterator[Seen]:
    """The sample's tokens in order, gathered by kind; neighbouring pictures stay apart."""

    def kind(place: int) -> Kind:
        if int(example.input_ids[place]) == processor.image_token_id:
            return "picture"
        return "trained" if int(example.labels[place]) != NOT_TRAINED else "not trained"

    layouts = iter(example.layouts)
    tokenizer = processor.tokenizer.tokenizer
    for group, places in groupby(range(len(example.input_ids)), kind):
        members = list(places)
        if group != "picture":
            yield Seen(group, len(members), tuple(_written(tokenizer, int(example.input_ids[i])) for i in members))
            continue
        left = len(members)
        while left:
            count = next(layouts).num_tokens
            yield Seen(group, count, ())
            left -= count


def tiles(conversation: Conversation, processor: Processor) -> list[list[Image.Image]]:
    """The tiles of each picture, as the tower gets them but for the scaling to floats."""
    return [processor.images.tiles(open_picture(image.source, processor.limits)) for image in conversation.images]


def _written(tokenizer: object, token_id: int) -> str:
    token = tokenizer.id_to_token(token_id)  # type: ignore[attr-defined]
    return str(token) if token is not None else f"<{token_id}>"
