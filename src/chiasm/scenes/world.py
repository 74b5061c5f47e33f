"""Scene graphs of the drawn world: which things there are, which colour and size, and where they lie.

A scene is a pure function of (seed, index). This module knows nothing about pixels' colours (`draw`) nor about how a
scene is spoken of (`words`, `questions`); it only guarantees what those rely on: no two things alike in kind and
colour, hardly any overlap, and a clear order from left to right.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

# The order of kinds and colours fixes category ids: append, never insert.
KINDS = ("ball", "box", "star", "heart", "tree", "cup")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black")
SIZES = ("small", "large")
BACKGROUNDS = ("plain", "gradient", "floor", "stripes")

SMALLEST_PICTURE = 32  # pixels: below, a small thing is 7 pixels wide and a cup is no longer a cup

# All proportions below are our own choice, in parts of the picture's side.
_LONG_SIDE = {"small": (0.22, 0.28), "large": (0.38, 0.46)}  # the gap between them keeps "small" and "large" honest
_WIDTH_TO_HEIGHT = {"ball": 1.0, "box": 1.0, "star": 1.05, "heart": 1.08, "tree": 0.8, "cup": 1.1}
_LEFT_RIGHT_MARGIN = 1 / 8  # centres at least this far apart sideways, or neither is "left of" the other
_MAX_OVERLAP = 0.10  # of the smaller box; a star fills half its box, so at least 75 % of any thing stays visible
_SHARED_KIND, _SHARED_COLOUR = 0.3, 0.3  # how often a new thing repeats an earlier one's kind, or else its colour


@dataclass(frozen=True)
class Box:
    """A rectangle in whole pixels: left edge, top edge, width, height."""

    x: int
    y: int
    w: int
    h: int

    @property
    def centre_x(self) -> float:
        return self.x + self.w / 2

    @property
    def bottom(self) -> int:
        return self.y + self.h

    @property
    def area(self) -> int:
        return self.w * self.h

    def overlap(self, other: Box) -> int:
        """Area shared with `other`, in square pixels."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.bottom, other.bottom) - max(self.y, other.y)
        return max(wide, 0) * max(high, 0)


@dataclass(frozen=True)
class Thing:
    """One drawn thing; `kind`, `colour` and `size` are names from `KINDS`, `COLOURS`, `SIZES`."""

    kind: str
    colour: str
    size: str
    box: Box


@dataclass(frozen=True)
class Background:
    """What lies behind the things: a name from `BACKGROUNDS`, two pale RGB colours, and where the second begins.

    `horizon` is a height in parts of the picture (only "floor" has one to show).
    """

    kind: str
    first: tuple[int, int, int]
    second: tuple[int, int, int]
    horizon: float


@dataclass(frozen=True)
class Scene:
    """One picture's content; `things` are in drawing order, the last one in front. Width and height in pixels."""

    id: int
    width: int
    height: int
    things: tuple[Thing, ...]
    background: Background

    def left_to_right(self) -> tuple[Thing, ...]:
        return tuple(sorted(self.things, key=lambda thing: (thing.box.centre_x, thing.box.y)))

    def left_of(self, first: Thing, second: Thing) -> bool:
        """Whether `first` is clearly to the left of `second`: centres apart by an eighth of the picture or more."""
        return second.box.centre_x - first.box.centre_x >= _LEFT_RIGHT_MARGIN * self.width


def random_stream(seed: int, index: int, purpose: str) -> random.Random:
    """A random generator of its own for every (seed, index, purpose): rewording a question never moves a picture.

    Python's generator rather than numpy's: its stream for a string seed is the same on every platform and version.
    """
    return random.Random(f"chiasm drawn world/{purpose}/{seed}/{index}")


def sample_scene(seed: int, index: int, size: int = 64) -> Scene:
    """The scene number `index` of the world `seed`, `size` pixels wide and high.

    Raises `ValueError` where `size` is too small for its things to be told apart.
    """
    if size < SMALLEST_PICTURE:
        raise ValueError(f"a picture of {size} pixels is too small, {SMALLEST_PICTURE} is the least")
    rng = random_stream(seed, index, "scene")
    looks = _sample_looks(rng, rng.choice((1, 2, 3)))
    boxes: list[Box] | None = None
    while boxes is None:
        sizes = [rng.choice(SIZES) for _ in looks]
        boxes = _arrange(rng, [_extent(rng, kind, s, size) for (kind, _), s in zip(looks, sizes, strict=True)], size)
    things = [Thing(kind, colour, s, box) for (kind, colour), s, box in zip(looks, sizes, boxes, strict=True)]
    things.sort(key=lambda thing: (thing.box.bottom, thing.box.x))  # lower in the picture is nearer to the eye
    return Scene(index, size, size, tuple(things), _sample_background(rng))


def _sample_looks(rng: random.Random, num: int) -> list[tuple[str, str]]:
    """`num` different (kind, colour) pairs that often share one of the two.

    Sharing is what makes questions need more than a list of what is there: two stars to count, a red ball and a blue
    star when asked about a blue ball.
    """
    looks: list[tuple[str, str]] = []
    while len(looks) < num:
        kind, colour = rng.choice(KINDS), rng.choice(COLOURS)
        if looks:
            chance = rng.random()
            if chance < _SHARED_KIND:
                kind = rng.choice(looks)[0]
            elif chance < _SHARED_KIND + _SHARED_COLOUR:
                colour = rng.choice(looks)[1]
        if (kind, colour) not in looks:
            looks.append((kind, colour))
    return looks


def _extent(rng: random.Random, kind: str, size: str, picture: int) -> tuple[int, int]:
    long_side = rng.uniform(*_LONG_SIDE[size]) * picture
    ratio = _WIDTH_TO_HEIGHT[kind]
    return round(long_side * min(ratio, 1.0)), round(long_side / max(ratio, 1.0))


def _arrange(rng: random.Random, extents: list[tuple[int, int]], picture: int) -> list[Box] | None:
    """A place for each (width, height), or None where these did not fit within a fair number of tries."""
    for _ in range(20):
        boxes: list[Box] = []
        for width, height in extents:
            free = (box for box in _places(rng, width, height, picture) if _fits(box, boxes, picture))
            box = next(free, None)
            if box is None:
                break
            boxes.append(box)
        if len(boxes) == len(extents):
            return boxes
    return None


def _places(rng: random.Random, width: int, height: int, picture: int) -> Iterator[Box]:
    for _ in range(30):
        # One pixel stays free all around: outlines never touch the frame.
        yield Box(rng.randint(1, picture - 1 - width), rng.randint(1, picture - 1 - height), width, height)


def _fits(box: Box, others: list[Box], picture: int) -> bool:
    return all(
        abs(box.centre_x - other.centre_x) >= _LEFT_RIGHT_MARGIN * picture
        and box.overlap(other) <= _MAX_OVERLAP * min(box.area, other.area)
        for other in others
    )


def _sample_background(rng: random.Random) -> Background:
    kind = rng.choice(BACKGROUNDS)
    first = _pale(rng, darkest=228)
    second = _pale(rng, darkest=205 if kind == "floor" else 222)
    return Background(kind, first, second, horizon=round(rng.uniform(0.55, 0.8), 3))


def _pale(rng: random.Random, darkest: int) -> tuple[int, int, int]:
    return rng.randint(darkest, 252), rng.randint(darkest, 252), rng.randint(darkest, 252)
