"""What of a scene one may ask about, and by which words. Knows what is unambiguous, no sentence."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations

from chiasm.scenes.kinds import KINDS
from chiasm.scenes.scene import Relation, Scene, Thing
from chiasm.scenes.telling.language import Look

# Of a thing more hidden than this one does not ask. Ours, as all shares and chances in this folder.
_MOST_HIDDEN = 0.35
_MORE_WORDS = 0.12
"""How often one more word is said than would be needed."""
_TOLD_STATES = ("umbrella", "book", "lamp", "traffic light", "tv", "laptop")
_LIKE: Mapping[str, tuple[str, ...]] = {
    "sign": ("stop sign",),
    "stop sign": ("sign",),
    "flower": ("potted plant", "vase"),
    "potted plant": ("flower", "vase"),
    "tree": ("potted plant",),
    "vase": ("potted plant", "bottle"),
}
"""Kinds that somebody could also call so: where one is, it is not said that the other is not."""
_SEATS = ("chair", "bench")
_NOT_ALWAYS_DENIED = frozenset({"house", *_SEATS, *_LIKE})
"""Kinds that may not be said to be absent in every scene without one."""
_VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
_GREEN = ("tree", "flower", "potted plant", "apple", "orange")
_MANY_COLOURED = ("tv", "traffic light", "house")


@dataclass(frozen=True, slots=True)
class Sight:
    """A scene and those of its things that can be seen well enough to be asked about, the nearest last."""

    scene: Scene
    seen: tuple[Thing, ...]

    @classmethod
    def of(cls, scene: Scene) -> Sight:
        return cls(scene, tuple(thing for thing in scene.things if scene.hidden[thing.number] <= _MOST_HIDDEN))

    def shuffled(self, rng: random.Random) -> list[Thing]:
        return rng.sample(self.seen, len(self.seen))

    def all_seen(self, kind: str) -> bool:
        """Whether everything of this kind can be seen, so that it can be counted."""
        return sum(thing.kind == kind for thing in self.seen) == len(self.scene.of_kind(kind))

    def only(self, thing: Thing, rng: random.Random, hide: Collection[str] = ()) -> Look | None:
        """Words that fit `thing` alone, mostly the fewest, without the fields in `hide`; None where there are none."""
        called_so = (thing.kind, *_LIKE.get(thing.kind, ()))
        rivals = [other for other in self.scene.things if other.kind in called_so and other is not thing]
        sayable = [field for field in _sayable(thing) if field not in hide]
        apart = [{f for f in sayable if getattr(rival, f) != getattr(thing, f)} for rival in rivals]
        for number in range(len(sayable) + 1):
            found = [
                fields
                for fields in combinations(sayable, number)
                if all(not different.isdisjoint(fields) for different in apart)
            ]
            if found:
                # "The red dog" rather than "the dog that is lying down", where both would do.
                plain = [fields for fields in found if not {"action", "facing"} & set(fields)]
                fields = rng.choice(plain if plain and rng.random() < 0.7 else found)
                spare = [field for field in sayable if field not in fields]
                if spare and rng.random() < _MORE_WORDS:
                    fields = (*fields, rng.choice(spare))
                return Look.at(thing, *fields)
        return None

    def by_colour(self, thing: Thing) -> Look | None:
        """ "The red thing", where nothing else shows any red; None where that could be doubted."""
        colour = thing.colour
        if colour not in _VIVID or thing.kind in ("person", "orange", *_MANY_COLOURED):
            return None
        alone = all(other is thing or not _shows(other, colour) for other in self.scene.things)
        return Look(colour=colour) if alone else None

    def clearly(self, first: Thing, relation: Relation, second: Thing) -> bool:
        """Whether that is so beyond doubt and worth saying: of what is held or stands on the other it is not said.

        Above and below are said only where one of the two is in the air or on the wall: of two things on the ground
        the farther one is higher in the picture, but nobody would call it above.
        """
        if first.number in (second.held_by, second.on) or second.number in (first.held_by, first.on):
            return False
        if relation in ("above", "below") and not (is_aloft(first) or is_aloft(second)):
            return False
        return self.scene.stands(first, relation, second)

    def absent(self) -> list[str]:
        """Kinds of which one can say that there are none."""
        there = {thing.kind for thing in self.scene.things}
        return [
            kind.name
            for kind in KINDS
            # The set is asked here, too: a call for every kind of every picture would take a while.
            if kind.name not in there and (kind.name not in _NOT_ALWAYS_DENIED or self.could_deny(kind.name))
        ]

    def could_deny(self, kind: str) -> bool:
        """Whether nothing in the scene could be taken for one of this kind, given that there is none."""
        if kind not in _NOT_ALWAYS_DENIED:
            return True
        if kind == "house" and self.scene.place == "street":
            return False  # far houses are part of every street
        like = _LIKE.get(kind, ())
        if any(thing.kind in like for thing in self.scene.things):
            return False
        # Who sits may sit on something.
        return kind not in _SEATS or all(thing.action != "sitting" for thing in self.scene.of_kind("person"))


def is_aloft(thing: Thing) -> bool:
    """Whether it is in the air or on the wall."""
    if thing.held_by is not None or thing.on is not None:
        return False
    if thing.kind == "bird":
        return thing.action == "flying"
    return thing.kind in ("airplane", "kite", "balloon", "frisbee", "clock", "tv")


def _sayable(thing: Thing) -> list[str]:
    """The fields by which one would tell it from others of its kind, the commonest first."""
    fields = [] if thing.kind in ("traffic light", "stop sign", "orange") else ["colour"]
    fields += [field for field in ("size", "action", "facing") if getattr(thing, field) is not None]
    if thing.kind in _TOLD_STATES:
        fields.append("state")
    return fields


def _shows(thing: Thing, colour: str) -> bool:
    """Whether any of this colour could be found on it."""
    if thing.kind in _MANY_COLOURED or (thing.state == "lit" and colour in ("yellow", "orange", "red")):
        return True
    if colour == "green" and thing.kind in _GREEN:
        return True
    if thing.kind == "flower" and colour == "yellow":
        return True
    worn = (thing.clothes.trousers, thing.clothes.hat) if thing.clothes else ()
    return colour in (thing.colour, *worn)
