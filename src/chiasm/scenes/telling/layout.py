"""A scene cut up for telling: from side to side, from far to near, or around what stands out. Knows no words.

A plan is a list of `Part`s; each becomes a sentence of whichever language.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.scenes.scene import Relation, Scene, Thing
from chiasm.scenes.telling.choosing import column, depth, prominent, roots, zone

Spot = Literal["left", "middle", "right", "sky", "wall", "water", "far", "near", "here"]
"""A place in the picture that has words of its own; "here" needs none."""

_LAYERS: tuple[Spot, ...] = ("sky", "wall", "far", "water", "here", "near")
# Within a side of the picture what needs no words comes first.
_WITHIN: tuple[Spot, ...] = ("here", "far", "near", "water", "wall", "sky")
_SIDEWAYS: tuple[Relation, ...] = ("left of", "right of")


@dataclass(frozen=True, slots=True)
class Part:
    """Things at one spot, each with the spot within it; or things on one side of `beside`."""

    spot: Spot
    members: tuple[tuple[Spot, tuple[Thing, ...]], ...]
    beside: Thing | None = None
    relation: Relation | None = None


def layer(scene: Scene, thing: Thing) -> Spot:
    """Where it is from far to near, or in the air, on the wall, on the water."""
    place = zone(scene, thing)
    if place in ("sky", "wall", "water"):
        return place
    how_far = depth(scene, thing)
    return "here" if how_far == "between" else how_far


def plan(scene: Scene, rng: random.Random) -> list[Part]:
    """One of the three ways to go through a scene; every root is in exactly one part."""
    things = sorted(roots(scene), key=lambda thing: thing.box.centre)
    if len(things) == 1 or rng.random() < 1 / 3:
        return _around(scene, things)
    if rng.random() < 0.5:
        order: tuple[Spot, ...] = ("left", "middle", "right")
        outer: Callable[[Thing], Spot] = column
        inner, inner_order = lambda thing: layer(scene, thing), _WITHIN
    else:
        order, outer = _LAYERS, lambda thing: layer(scene, thing)
        inner, inner_order = column, ("left", "middle", "right")
    order = order[::-1] if rng.random() < 0.4 else order
    return [Part(spot, tuple(_split(members, inner, inner_order))) for spot, members in _split(things, outer, order)]


def _split(
    things: Iterable[Thing], key: Callable[[Thing], Spot], order: Sequence[Spot]
) -> list[tuple[Spot, tuple[Thing, ...]]]:
    found: dict[Spot, list[Thing]] = {}
    for thing in things:
        found.setdefault(key(thing), []).append(thing)
    return [(spot, tuple(found[spot])) for spot in order if spot in found]


def _around(scene: Scene, things: Sequence[Thing]) -> list[Part]:
    """What stands out first, then the others by the side of it they are on."""
    first, *rest = prominent(scene, things)
    parts = [Part(column(first), ((layer(scene, first), (first,)),))]
    sides: dict[tuple[Relation | None, Spot], list[Thing]] = {}
    for thing in sorted(rest, key=lambda thing: thing.box.centre):
        relation = next((relation for relation in _SIDEWAYS if scene.stands(thing, relation, first)), None)
        sides.setdefault((relation, "here" if relation else column(thing)), []).append(thing)
    for (relation, spot), members in sides.items():
        inner = _split(members, lambda thing: layer(scene, thing), _WITHIN)
        parts.append(Part(spot, tuple(inner), first if relation else None, relation))
    return parts
