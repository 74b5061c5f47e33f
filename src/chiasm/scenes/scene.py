"""The scene graph: what a picture of the drawn world holds. Plain values; `placing` makes them, others draw and tell.

Lengths are in parts: x and widths of the picture's width, y and heights of its height, 0 at the top left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from chiasm.scenes.kinds import BY_NAME, INSIDE, Kind

Side = Literal["left", "right"]
Relation = Literal["left of", "right of", "above", "below"]

# Centres nearer than this are neither left of nor above each other, or it would be a matter of taste.
CLEARLY_APART = 0.12


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in parts of the picture: left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def shared(self, other: Box) -> float:
        """The area both cover."""
        wide = min(self.x1, other.x1) - max(self.x0, other.x0)
        high = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(wide, 0.0) * max(high, 0.0)


@dataclass(frozen=True, slots=True)
class Clothes:
    """What a person wears below and above the shirt, whose colour is the person's own. `hat` None: bareheaded."""

    trousers: str
    hat: str | None


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing in a scene. `number` is its place in `Scene.things`, far to near.

    `colour` is a person's shirt, and a traffic light's housing (its lamp is the state). `box` holds the whole thing,
    also what is hidden behind others; it lies within the picture.
    """

    number: int
    kind: str
    colour: str
    box: Box
    size: Literal["small", "large"] | None = None
    facing: Side | None = None
    state: str | None = None
    action: str | None = None
    clothes: Clothes | None = None
    holds: int | None = None
    """The number of the thing this person holds."""
    hand: Literal["low", "high"] | None = None
    """Where that hand is."""
    held_by: int | None = None
    on: int | None = None
    """The number of the table it stands on."""
    text: str | None = None
    """What is written on it."""

    @property
    def about(self) -> Kind:
        """What is true of its kind."""
        return BY_NAME[self.kind]


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture is drawn; nothing of it is ever spoken of, so that no model can live on one pattern.

    `outline` is "none", "dark" or "tone"; `texture` "flat", "speckle", "hatch" or "shade"; `light` where the light
    comes from, -1 left to 1 right; `grain` the deviation of noise, in levels of 255; `hue` a seed for shades.
    """

    outline: Literal["none", "dark", "tone"]
    outline_width: float
    texture: Literal["flat", "speckle", "hatch", "shade"]
    light: float
    grain: float
    hue: int


@dataclass(frozen=True)  # without slots, so that what was found out about it once can be kept
class Scene:
    """One picture's content. `width` and `height` are pixels; `weather` is None indoors; `horizon` is a height.

    Things are in drawing order, the last in front. What is held or stands on a table comes right after its holder.
    """

    id: int
    width: int
    height: int
    place: str
    time: Literal["day", "night"]
    weather: str | None
    horizon: float
    things: tuple[Thing, ...]
    style: Style

    @property
    def inside(self) -> bool:
        return self.place in INSIDE

    @cached_property
    def hidden(self) -> tuple[float, ...]:
        """How much of each thing is behind others, about, by boxes: 0 to 1. What it holds or carries hides nothing."""
        return tuple(min(self._behind(thing) / thing.box.area, 1.0) for thing in self.things)

    def _behind(self, thing: Thing) -> float:
        in_front = [other for other in self.things[thing.number + 1 :] if thing.number not in (other.held_by, other.on)]
        return sum(thing.box.shared(other.box) for other in in_front)

    def of_kind(self, kind: str) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.things if thing.kind == kind)

    def from_left(self) -> tuple[Thing, ...]:
        return tuple(sorted(self.things, key=lambda thing: thing.box.centre))

    def stands(self, first: Thing, relation: Relation, second: Thing) -> bool:
        """Whether `first` is clearly `relation` `second`, judged by the centres of their boxes."""
        (x, y), (other_x, other_y) = first.box.centre, second.box.centre
        gap = {"left of": other_x - x, "right of": x - other_x, "above": other_y - y, "below": y - other_y}[relation]
        return gap >= CLEARLY_APART
