"""What an answer says of a picture, whatever its language: which objects it names, how many, and what stands where.

Values only. `_english` and `_chinese` read them out of text; checks hold them against captions and boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["left", "right", "above", "below"]


@dataclass(frozen=True, slots=True)
class Mention:
    """An object named at characters `begin` to `end` of a text, by its COCO category.

    `asserted`: the text says that it is there: not denied, not supposed, not about such things in general. `plain`: and
    it says so in a sentence about the picture, of the thing itself rather than of a sign or toy of it.
    """

    category: str
    begin: int
    end: int
    asserted: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """`said` claims `number` of a category.

    `total`: these are all of them, and they are called by a word for all of the category: two women are not all people.
    `at_least`: there may be more.
    """

    category: str
    number: int
    said: str
    total: bool = False
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """`said` claims that one of `subjects` is at that place of `other`, or of the picture where `other` is None.

    Which of several objects in a sentence is meant is not always clear; the claim is wrong only if it is for each.
    """

    place: Place
    subjects: tuple[str, ...]
    other: str | None
    said: str


@dataclass(frozen=True, slots=True)
class Statements:
    """All that one answer says."""

    mentions: tuple[Mention, ...] = ()
    counts: tuple[Count, ...] = ()
    positions: tuple[Position, ...] = ()
