"""What of a scene is told, and in which order: where a thing is, what stands out, what is said of it. No words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.scenes.kinds import Zone
from chiasm.scenes.scene import Scene, Thing
from chiasm.scenes.telling.language import Look

Column = Literal["left", "middle", "right"]
Depth = Literal["near", "between", "far"]

# Ours: the middle of the picture is as wide as a person would call it so; sides are clear.
_MIDDLE = (0.37, 0.63)
_NEAR, _FAR = 0.55, 0.25
_LOW = 0.12
# Whom one looks at first, at equal size: the living, then what moves; what belongs to the place comes last.
_ATTENTION = {"person": 3.0, "animal": 2.5, "vehicle": 1.5, "food": 1.5, "plant": 0.4, "building": 0.3}
# Colours that go without saying: the lamp of a traffic light is what one sees, a stop sign is always red.
COLOUR_UNSAID = ("traffic light", "stop sign", "orange")
# What is worth a word first, in order; the first `detail` steps are said.
_STEPS = (("colour", "text"), ("state", "action", "size"), ("hat", "facing"), ("trousers",))
FULL = len(_STEPS)


@dataclass(frozen=True, slots=True)
class Group:
    """Things that one phrase names together: all of one look."""

    look: Look
    things: tuple[Thing, ...]

    @property
    def several(self) -> bool:
        return len(self.things) > 1


def look_of(thing: Thing, detail: int, unsaid: Sequence[str] = ()) -> Look:
    """What is said of `thing`: 0 its kind, 1 its colour, 2 what it does, 3 where it faces, 4 everything but `unsaid`.

    A traffic light's state and what is written are said as soon as a colour is.
    """
    said = [name for step in _STEPS[:detail] for name in step if name not in unsaid]
    if detail and thing.kind in COLOUR_UNSAID:
        said.remove("colour")
    if thing.kind == "traffic light" and detail:
        said.append("state")
    return Look.at(thing, *said)


def zone(scene: Scene, thing: Thing) -> Zone:
    """Where `thing` is; what flies or hangs below the horizon is on the ground after all."""
    if thing.held_by is not None:
        return "held"
    if thing.on is not None:
        return "table"
    if thing.kind == "bird":
        return "sky" if thing.action == "flying" else "ground"
    place: Zone = next((place for place in thing.about.zones if place not in ("held", "table")), "ground")
    return "ground" if place == "sky" and thing.box.y1 > scene.horizon + _LOW else place


def column(thing: Thing) -> Column:
    """The part of the picture its centre is in."""
    x = thing.box.centre[0]
    return "left" if x < _MIDDLE[0] else "right" if x > _MIDDLE[1] else "middle"


def depth(scene: Scene, thing: Thing) -> Depth:
    """How near what stands on the ground is, by where it touches it; everything else is between."""
    if zone(scene, thing) != "ground":
        return "between"
    nearness = (thing.box.y1 - scene.horizon) / max(1 - scene.horizon, 0.01)
    return "near" if nearness > _NEAR else "far" if nearness < _FAR else "between"


def roots(scene: Scene) -> tuple[Thing, ...]:
    """Everything that is neither held nor on a table."""
    return tuple(thing for thing in scene.things if thing.held_by is None and thing.on is None)


def upon(scene: Scene, table: Thing) -> tuple[Thing, ...]:
    """What stands on `table`, from left to right."""
    return tuple(thing for thing in scene.from_left() if thing.on == table.number)


def held(scene: Scene, person: Thing) -> Thing | None:
    """What `person` holds."""
    return scene.things[person.holds] if person.holds is not None else None


def prominent(scene: Scene, things: Sequence[Thing]) -> list[Thing]:
    """What stands out first: large, living, not hidden."""

    def weight(thing: Thing) -> float:
        attention = _ATTENTION.get(thing.about.supercategory, 1.0)
        burden = sum(other.box.area for other in scene.things if thing.number in (other.held_by, other.on))
        return (thing.box.area + burden) * attention * (1 - scene.hidden[thing.number])

    return sorted(things, key=lambda thing: (-weight(thing), thing.number))


def grouped(things: Sequence[Thing], detail: int) -> list[Group]:
    """`things` in their order, those that look alike at this `detail` together; who holds or carries stays alone."""
    groups: dict[object, list[Thing]] = {}
    for thing in things:
        look = look_of(thing, detail)
        alone = thing.holds is not None or thing.kind == "dining table"
        groups.setdefault((look, thing.number if alone else None), []).append(thing)
    return [Group(look_of(members[0], detail), tuple(members)) for members in groups.values()]


def name_alone(scene: Scene, thing: Thing) -> Look | None:
    """The shortest look that fits `thing` alone; None where nothing sets it apart."""
    tries: tuple[tuple[str, ...], ...] = (
        (), ("colour",), ("text",), ("size",), ("state",), ("hat",), ("action",), ("colour", "size"), ("colour", "hat"),
        ("colour", "action"), ("colour", "state"), ("facing",), ("colour", "facing"), ("action", "facing"),
        ("colour", "action", "facing"), ("colour", "trousers"), ("colour", "trousers", "hat"),
    )  # fmt: skip
    tried = set()
    for said in tries:
        look = Look.at(thing, *said)
        if look not in tried and look.num_in(scene) == 1:
            return look
        tried.add(look)
    return None
