"""Random streams of the drawn world: the numbers of Python's own, drawn in fewer calls.

A picture's texts choose and shuffle ten thousand times, nearly always among a handful.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

_Item = TypeVar("_Item")
_Item_co = TypeVar("_Item_co", covariant=True)

# `random.sample` takes items out of a list where there are at most so many, and three more for each that is wanted if
# those are more than five; else it draws until it has others.
_FEW, _MORE = 21, 5


class _Indexed(Protocol[_Item_co]):
    def __len__(self) -> int: ...

    def __getitem__(self, key: int, /) -> _Item_co: ...


def random_stream(seed: int, index: int, purpose: str) -> Stream:
    """A random generator of its own for every (seed, index, purpose): rewording a question never moves a picture.

    Python's generator rather than numpy's: its stream for a string seed is the same on every platform and version.
    """
    return Stream(f"chiasm drawn world/{purpose}/{seed}/{index}")


class Stream(random.Random):
    """`random.Random`, of which it gives the very choices and leaves the very state."""

    def choice(self, seq: _Indexed[_Item]) -> _Item:
        """One of `seq`."""
        number = len(seq)
        if not number:
            raise IndexError("there is nothing to choose from")
        width, bits = number.bit_length(), self.getrandbits
        drawn = bits(width)
        while drawn >= number:
            drawn = bits(width)
        return seq[drawn]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Put `x` into another order."""
        bits = self.getrandbits
        for last in range(len(x) - 1, 0, -1):
            width = (last + 1).bit_length()
            drawn = bits(width)
            while drawn > last:
                drawn = bits(width)
            x[last], x[drawn] = x[drawn], x[last]

    def sample(self, population: Sequence[_Item], k: int, *, counts: Iterable[int] | None = None) -> list[_Item]:
        """`k` of `population`, in any order."""
        left = len(population)
        if counts is not None or not 0 <= k <= left <= _FEW + (3 * k if k > _MORE else 0):
            return super().sample(population, k, counts=counts)
        pool, found, bits = list(population), [], self.getrandbits
        for _ in range(k):
            width = left.bit_length()
            drawn = bits(width)
            while drawn >= left:
                drawn = bits(width)
            left -= 1
            found.append(pool[drawn])
            pool[drawn] = pool[left]
        return found
