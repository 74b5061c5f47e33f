"""What an answer is generated from, and how much of it two of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a prompt: the digest of its content, its places in the ids, and its tiles in `pixels`."""

    key: str
    start: int
    end: int
    first_tile: int
    num_tiles: int


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
        contents: list[int | str] = list(self.ids)
        for picture in self.pictures:
            # A placeholder says nothing about which picture it holds; the digest does.
            contents[picture.start : picture.end] = [picture.key] * (picture.end - picture.start)
        object.__setattr__(self, "contents", contents)

    def num_shared(self, seen: list[int | str]) -> int:
        """How many tokens at the front equal those of `seen`, never ending inside a picture.

        At least the last token is left to compute: the answer continues from its logits.
        """
        most = min(len(seen), len(self.contents) - 1)
        shared = next((i for i in range(most) if seen[i] != self.contents[i]), most)
        for picture in self.pictures:
            if picture.start < shared < picture.end:
                return picture.start
        return shared


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
