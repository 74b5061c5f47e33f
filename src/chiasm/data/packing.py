"""Which samples share a row: a pure function of their lengths, so that a resumed step makes the same rows again.

It knows neither texts nor models. Packing is done among the samples of one optimiser step, never across steps: what a
step learns from stays what it is without packing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """What a sample takes up: `tokens` with those of its pictures, and `pictures`."""

    tokens: int
    pictures: int = 0


def rows(sizes: Sequence[Size], max_tokens: int, max_pictures: int | None = None) -> list[list[int]]:
    """Samples by index, row by row: at most `max_tokens` and `max_pictures` a row, unless one sample alone has more.

    The longest first, each into the first row it fits ("first-fit decreasing": never more than 11/9 of the fewest rows
    possible, and two thirds of one; Dosa 2007). Inside a row, and row by row, samples keep their order.
    """
    if max_tokens < 1 or (max_pictures is not None and max_pictures < 1):
        raise ValueError(f"a row holds at least one token and one picture, not {max_tokens} and {max_pictures}")
    found: list[list[int]] = []
    left: list[Size] = []
    unlimited = sum(size.pictures for size in sizes) if max_pictures is None else max_pictures
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i].tokens):
        size = sizes[index]
        fits = (r for r, free in enumerate(left) if size.tokens <= free.tokens and size.pictures <= free.pictures)
        row = next(fits, len(found))
        if row == len(found):
            found.append([])
            left.append(Size(max_tokens, unlimited))
        found[row].append(index)
        left[row] = Size(left[row].tokens - size.tokens, left[row].pictures - size.pictures)
    return sorted(sorted(row) for row in found)
