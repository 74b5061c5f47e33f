"""What a teacher is told about a picture and what it wrote: the values that kinds, checks and reports share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Box:
    """Something in the picture: its category name and its corners, 0 to 1 of width and height, origin at top left."""

    category: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Context:
    """All a teacher knows of one picture. `image` is the file name written into records; it need not be on disk.

    `width` and `height` are in pixels, 0 where nobody said.
    """

    id: str
    image: str
    captions: tuple[str, ...]
    boxes: tuple[Box, ...] = ()
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer, without picture markers."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply of a teacher, parsed. `key` names request and record alike; `finish_reason` is the reply's."""

    key: str
    kind: str
    language: Language
    context: Context
    turns: tuple[Turn, ...]
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a sample is not accepted: the short word it is counted under, and what exactly was found."""

    reason: str
    message: str
