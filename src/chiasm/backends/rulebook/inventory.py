"""What the boxes say, in no language yet: how many of each, where, how large, and what is beside what.

Only what the boxes bear out is stated: a side for what lies on it wholly enough, "left of" for what does not overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from chiasm.backends.rulebook.reading import Known, Thing
from chiasm.backends.rulebook.words import word_set

Across = Literal["left", "middle", "right", ""]
Down = Literal["top", "middle", "bottom", ""]

MOST_COUNTED = 6  # ours: beyond, annotators and readers miscount
_SIDE = 0.38  # centres nearer to an edge than this are on its side
_LARGE, _HUGE, _TINY = 0.22, 0.5, 0.006  # shares of the picture; ours
# Boxed by piece or by chance rather than one by one; numbers of these mean little.
_UNCOUNTED = word_set(
    "book banana apple orange broccoli carrot donut pizza cake sandwich skis scissors chair bottle cup bowl"
)
_UNCOUNTED |= {"dining table", "hot dog"}


@dataclass(frozen=True, slots=True)
class Group:
    """All boxes of a category. `number` 0: more than are counted.

    `across` and `down` say where all of them are, "" where they are apart.
    """

    category: str
    number: int
    across: Across
    down: Down
    size: Literal["huge", "large", "", "tiny"]

    @property
    def several(self) -> bool:
        """Whether there are more than one."""
        return self.number != 1


@dataclass(frozen=True, slots=True)
class Beside:
    """The only `left` thing is left of the only `right` one, without overlap and about level with it."""

    left: str
    right: str


def groups(known: Known) -> tuple[Group, ...]:
    """Each category that is marked, the one that takes up most first; what is too small to be noticed comes last."""
    found = [_group(category, things) for category, things in known.marked.items()]
    large = [place for place, group in enumerate(found) if group.size in ("huge", "large")]
    for place in large[1:]:  # two things that each take up most of the picture would sound odd
        found[place] = replace(found[place], size="")
    return tuple(sorted(found, key=lambda group: group.size == "tiny"))


def beside(known: Known) -> Iterator[Beside]:
    """Pairs of single things that stand side by side, the larger ones first."""
    single = [things[0] for things in known.marked.values() if len(things) == 1 and things[0].area >= _TINY]
    for i, one in enumerate(single):
        for other in single[i + 1 :]:
            level = min(one.y2, other.y2) - max(one.y1, other.y1)
            if level <= 0.3 * min(one.y2 - one.y1, other.y2 - other.y1):
                continue
            if one.x2 <= other.x1 + 0.01:
                yield Beside(one.category, other.category)
            elif other.x2 <= one.x1 + 0.01:
                yield Beside(other.category, one.category)


def _group(category: str, things: Sequence[Thing]) -> Group:
    counted = len(things) <= MOST_COUNTED and (len(things) <= 2 or category not in _UNCOUNTED)
    across = {_across(thing) for thing in things}
    down = {_down(thing) for thing in things}
    total = sum(thing.area for thing in things)
    largest = max(thing.area for thing in things)
    size: Literal["huge", "large", "", "tiny"] = ""
    if len(things) == 1:
        size = "huge" if largest >= _HUGE else "large" if largest >= _LARGE else ""
    if largest < _TINY and total < 2 * _TINY:
        size = "tiny"
    return Group(
        category,
        len(things) if counted else 0,
        across.pop() if len(across) == 1 else "",
        down.pop() if len(down) == 1 else "",
        size,
    )


def _across(thing: Thing) -> Across:
    if thing.x2 - thing.x1 > 0.7:
        return ""
    middle = thing.middle[0]
    return "left" if middle < _SIDE else "right" if middle > 1 - _SIDE else "middle"


def _down(thing: Thing) -> Down:
    if thing.y2 - thing.y1 > 0.6:
        return ""
    middle = thing.middle[1]
    return "top" if middle < 0.33 else "bottom" if middle > 0.67 else "middle"
