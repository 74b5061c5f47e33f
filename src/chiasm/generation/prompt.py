"""What an answer is generated from, and how much of it two of them share. It needs no torch."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chiasm.errors import UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a prompt: the digest of its content, its places in the ids, and its tiles in `pixels`."""

    key: str
    start: int
    end: int
    first_tile: int
    num_tiles: int


def picture_tokens(pictures: Iterable[Picture]) -> int:
    """How many tokens are placeholders of `pictures`."""
    return sum(picture.end - picture.start for picture in pictures)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Ids with every picture's placeholders, and the pictures. `pixels` (tiles, 3, height, width) of all, in order."""

    ids: list[int]
    pixels: torch.Tensor
    pictures: tuple[Picture, ...] = ()
    contents: list[int | str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.ids:
            raise ValueError("a prompt needs at least one token: the answer is continued from it")
        object.__setattr__(self, "contents", contents_of(self.ids, self.pictures))

    def num_shared(self, seen: list[int | str]) -> int:
        """How many tokens at the front equal those of `seen`, never ending inside a picture.

        At least the last token is left to compute: the answer continues from its logits.
        """
        return num_shared(self.contents, self.pictures, seen)


def contents_of(ids: Sequence[int], pictures: Iterable[Picture]) -> list[int | str]:
    """The ids, with the digest of its picture for each placeholder, which says nothing about which picture it holds."""
    contents: list[int | str] = list(ids)
    for picture in pictures:
        contents[picture.start : picture.end] = [picture.key] * (picture.end - picture.start)
    return contents


def num_shared(contents: Sequence[int | str], pictures: Iterable[Picture], seen: Sequence[int | str]) -> int:
    """How many of the `contents` of a prompt equal those of `seen` from the front: see `Prompt.num_shared`."""
    most = min(len(seen), len(contents) - 1)
    # Nothing of Python between two ids: a prompt is compared with every beginning that is held.
    shared = min(most, next(itertools.compress(itertools.count(), map(operator.ne, seen, contents)), most))
    for picture in pictures:
        if picture.start < shared < picture.end:
            return picture.start
    return shared


def room(num_ids: int, num_picture_tokens: int, num_positions: int) -> int:
    """How many tokens an answer may have; raises `UserError` when the prompt alone fills the context.

    Of the prompt's `num_ids` tokens `num_picture_tokens` are those of pictures.
    """
    if num_ids >= num_positions:
        raise UserError(
            f"the conversation takes {num_ids} tokens ({num_picture_tokens} of them pictures) and this model's "
            f"context holds {num_positions}, the answer included. Leave out turns or pictures"
        )
    return num_positions - num_ids


def runs(prompts: Iterable[Prompt], longest: int) -> Iterator[tuple[int, list[Prompt], int]]:
    """Neighbouring prompts that begin alike: the index of the first, up to `longest` prompts, what all of them share.

    A prompt joins a run when it shares a picture with it, or half of what the run shares: the system text, which
    strangers share, is not worth being attended to apart. Alone, a prompt shares all but its last token.
    """
    start, run, shared = 0, list[Prompt](), 0
    for prompt in prompts:
        common = run[0].num_shared(prompt.contents[:shared]) if run else 0
        worth = 2 * common >= shared or any(picture.end <= common for picture in run[0].pictures) if run else False
        if run and worth and len(run) < longest:
            run.append(prompt)
            # `num_shared` leaves one token of the first to compute, and of every other just as well.
            shared = min(common, prompt.num_shared(prompt.contents))
            continue
        if run:
            yield start, run, shared
        start, run, shared = start + len(run), [prompt], prompt.num_shared(prompt.contents)
    if run:
        yield start, run, shared
