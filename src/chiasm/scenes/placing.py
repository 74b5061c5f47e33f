"""Scenes by chance: which things come together in a place, in what state, and where each has room.

A scene is a pure function of (seed, index). What it guarantees: every thing lies within the picture and at most a
third of it is hidden; what is held is in a hand, what stands on a table is on it; a boat floats. Knows no words and no
pixels.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from chiasm.scenes.kinds import BY_NAME, HATS, INSIDE, KINDS, PLACES, TROUSERS, WORDS, Kind, Zone
from chiasm.scenes.scene import Box, Clothes, Scene, Side, Style, Thing
from chiasm.scenes.streams import random_stream

Size = Literal["small", "large"]
_SIZES: tuple[Size, ...] = ("small", "large")
SMALLEST_PICTURE = 64  # pixels: below, a cup is no longer a cup

# All proportions and chances below are our own choice.
_MOST_HIDDEN = 0.33
_MOST_HIDDEN_WRITTEN = 0.06
"""Of a thing with a word on it: the word must stay readable."""
_CLOSE_UP = 0.12
"""How often a picture shows a single thing, large."""
_GROUP = 0.35
"""How often there are several of a kind to count."""
_SHARED_COLOUR = 0.3
"""How often a thing takes a colour that is there already, so that colours alone tell nothing."""
_NO_GROUPS = ("dining table", "couch", "house", "sign", "tv", "stop sign", "traffic light", "bus", "truck")
_LARGE, _SMALL = 1.28, 0.8
_HANDS = {"low": (0.95, 0.56), "high": (0.95, 0.30)}
"""Where the hands of who faces right are, in parts of the person's box."""


@dataclass(slots=True)
class _Draft:
    """A thing still to be numbered. `parent` holds it or carries it on its top."""

    thing: Thing
    zone: Zone
    parent: _Draft | None = None

    @property
    def depth(self) -> tuple[int, float]:
        """What is drawn first: walls and sky, then from far to near."""
        root = self.parent or self
        return (0 if root.zone in ("wall", "sky") else 1, root.thing.box.y1)


def sample_scene(seed: int, index: int, size: int = 224) -> Scene:
    """The scene number `index` of the world `seed`; its longer side has `size` pixels.

    Raises `ValueError` where `size` is too small for its things to be told apart.
    """
    if size < SMALLEST_PICTURE:
        raise ValueError(f"a picture of {size} pixels is too small, {SMALLEST_PICTURE} is the least")
    return _Sampler(random_stream(seed, index, "scene"), index, size).scene()


class _Sampler:
    def __init__(self, rng: random.Random, index: int, size: int) -> None:
        self._rng, self._index = rng, index
        shorter = round(size * 3 / 4)
        self._width, self._height = rng.choices(((size, size), (size, shorter), (shorter, size)), weights=(70, 18, 12))[
            0
        ]
        self._place = rng.choice(PLACES)
        self._inside = self._place in INSIDE
        self._time: Literal["day", "night"] = "night" if rng.random() < 0.25 else "day"
        self._weather = None if self._inside else self._sample_weather()
        self._horizon = round(rng.uniform(0.5, 0.62) if self._inside else rng.uniform(0.4, 0.55), 3)
        self._drafts: list[_Draft] = []

    def scene(self) -> Scene:
        rng = self._rng
        if rng.random() < _CLOSE_UP:
            self._close_up()
        else:
            self._furnish(rng.choices((1, 2, 3, 4, 5, 6), weights=(6, 14, 24, 26, 20, 10))[0])
        while not self._drafts:  # nothing had room: rare, but a picture is never empty
            self._furnish(2)
        ordered = sorted(self._drafts, key=lambda draft: (draft.depth, draft.parent is not None))
        # What is held or carried comes right after its holder.
        drafts = [d for root in ordered if root.parent is None for d in (root, *self._children(root))]
        number = {id(draft): i for i, draft in enumerate(drafts)}
        things = []
        for draft in drafts:
            held = [number[id(child)] for child in self._children(draft) if child.zone == "held"]
            parent = number[id(draft.parent)] if draft.parent is not None else None
            things.append(
                replace(
                    draft.thing,
                    number=number[id(draft)],
                    holds=held[0] if held else None,
                    held_by=parent if draft.zone == "held" else None,
                    on=parent if draft.zone == "table" else None,
                )
            )
        style = _sample_style(rng)
        return Scene(
            id=self._index,
            width=self._width,
            height=self._height,
            place=self._place,
            time=self._time,
            weather=self._weather,
            horizon=self._horizon,
            things=tuple(things),
            style=style,
        )

    def _children(self, root: _Draft) -> list[_Draft]:
        return [draft for draft in self._drafts if draft.parent is root]

    def _sample_weather(self) -> str:
        weather = self._rng.choices(("sunny", "cloudy", "rainy", "snowy"), weights=(40, 22, 22, 16))[0]
        if weather == "snowy" and self._place == "beach":
            return "sunny"
        return "cloudy" if weather == "sunny" and self._time == "night" else weather

    def _close_up(self) -> None:
        kind = self._rng.choice(KINDS)
        self._place = self._rng.choice(kind.places)
        self._inside = self._place in INSIDE
        self._weather = None if self._inside else self._sample_weather()
        if "water" in kind.zones:
            zone: Zone = "water"
        elif "ground" in kind.zones or kind.zones[0] in ("held", "table"):
            zone = "ground"
        else:
            zone = kind.zones[0]
        largest = min(0.62 * self._side(1) / max(kind.aspect, 1.0), 0.62)
        self._try(kind, zone, scale=self._rng.uniform(0.7, 1.0) * largest / kind.height)

    def _side(self, parts: float) -> float:
        """Parts of the shorter side as parts of the width."""
        return parts * min(self._width, self._height) / self._width

    def _furnish(self, number: int) -> None:
        rng = self._rng
        here = [kind for kind in KINDS if self._place in kind.places and kind.name not in ("person", "dining table")]
        # What is at home in one place only would otherwise be rare.
        weights = [1 / len(kind.places) for kind in here]
        if rng.random() < {"room": 0.4, "kitchen": 0.8}.get(self._place, 0.0):
            self._try(BY_NAME["dining table"], "ground")
            for kind in rng.sample([kind for kind in here if "table" in kind.zones], rng.choice((1, 2, 2, 3))):
                self._try(kind, "table")
        if rng.random() < 0.3:  # something to read
            self._try(BY_NAME["tv"], "wall") if self._inside else self._try(BY_NAME["sign"], "ground")
        if rng.random() < 0.5:
            self._try(BY_NAME["person"], "ground")
            if rng.random() < 0.5:
                held = [kind for kind in here if "held" in kind.zones]
                self._try(rng.choice(held), "held")
        if rng.random() < _GROUP:
            kind = rng.choices(here, weights)[0]
            kind = rng.choice([k for k in here if k.name not in _NO_GROUPS]) if kind.name in _NO_GROUPS else kind
            count = rng.choices((2, 3, 4, 5), weights=(30, 30, 24, 16))[0]
            colour = rng.choice(kind.colours) if rng.random() < 0.5 else None
            size: Size | None = None
            if kind.sized:
                size = rng.choice(_SIZES) if count < 4 else "small"
            for _ in range(count):
                self._add(kind, colour, size, 0.9 if count < 4 else 0.78)
        for _ in range(4 * number):
            if len(self._drafts) >= number:
                break
            seen = Counter(draft.thing.kind for draft in self._drafts)
            kind = rng.choices(here, weights)[0]
            if seen[kind.name] and (rng.random() < 0.7 or seen[kind.name] >= 5):
                continue
            self._add(kind, None, None, 1.0)

    def _add(self, kind: Kind, colour: str | None, size: Size | None, scale: float) -> None:
        zones = list(kind.zones)
        self._rng.shuffle(zones)
        for zone in zones:
            if self._try(kind, zone, colour, size, scale):
                return

    def _try(
        self, kind: Kind, zone: Zone, colour: str | None = None, size: Size | None = None, scale: float = 1.0
    ) -> bool:
        """Put one more thing into the scene if there is room for it."""
        parents: Sequence[_Draft | None] = [None]
        if zone == "held":
            parents = [draft for draft in self._drafts if self._could_hold(draft, kind)]
        elif zone == "table":
            parents = [draft for draft in self._drafts if draft.thing.kind == "dining table"]
        elif (zone == "wall") != self._inside and zone in ("wall", "sky") and kind.name != "balloon":
            return False
        if not parents:
            return False
        parent = self._rng.choice(parents)
        thing = self._sample_thing(kind, zone, colour, size)
        for _ in range(12):
            box = self._sample_box(thing, zone, parent, scale)
            draft = _Draft(replace(thing, box=box), zone, parent)
            if self._has_room(draft):
                if zone == "held" and parent is not None:
                    action = parent.thing.action
                    if action in ("running", "waving") or (action == "sitting" and kind.hand == "high"):
                        return False
                    parent.thing = replace(parent.thing, hand=kind.hand)
                self._drafts.append(draft)
                return True
        return False

    def _could_hold(self, draft: _Draft, kind: Kind) -> bool:
        action = draft.thing.action
        calm = action in ("standing", "walking") or (action == "sitting" and kind.hand == "low")
        return draft.thing.kind == "person" and calm and not self._children(draft)

    def _sample_thing(self, kind: Kind, zone: Zone, colour: str | None, size: Size | None) -> Thing:
        rng = self._rng
        if colour is None:
            used = {draft.thing.colour for draft in self._drafts if draft.thing.kind == kind.name}
            free = [c for c in kind.colours if c not in used] or list(kind.colours)
            shared = [c for c in free if any(draft.thing.colour == c for draft in self._drafts)]
            colour = rng.choice(shared if shared and rng.random() < _SHARED_COLOUR else free)
        if kind.sized and size is None:
            size = rng.choice(_SIZES)
        state = self._sample_state(kind, zone)
        action = rng.choice(kind.actions) if kind.actions else None
        if kind.name == "bird":
            action = "flying" if zone == "sky" else "standing"
        facing: Side | None = rng.choice(("left", "right")) if kind.faces else None
        clothes = None
        if kind.name == "person":
            hat = rng.choice(HATS) if rng.random() < 0.4 else None
            clothes = Clothes(rng.choice([c for c in TROUSERS if c != colour]), hat)
        text = None
        if kind.written and state != "off":
            text = rng.choice(WORDS) if rng.random() < 0.75 else str(rng.randint(1, 99))
        nowhere = Box(0, 0, 1, 1)
        return Thing(0, kind.name, colour, nowhere, size, facing, state, action, clothes, text=text)

    def _sample_state(self, kind: Kind, zone: Zone) -> str | None:
        if not kind.states:
            return None
        likely: str | None = None
        if kind.name == "lamp":
            likely = "lit" if self._time == "night" else "unlit"
        elif kind.name == "umbrella" and zone == "held":
            likely = "open" if self._weather in ("rainy", "snowy") else None
        elif kind.name == "tv":
            likely = "on"
        if likely is not None and self._rng.random() < 0.8:
            return likely
        return self._rng.choice(kind.states)

    def _sample_box(self, thing: Thing, zone: Zone, parent: _Draft | None, scale: float) -> Box:
        rng, kind = self._rng, thing.about
        shorter = min(self._width, self._height)
        aspect = kind.aspect_of(thing.state, thing.action)
        height = kind.height * scale * rng.uniform(0.93, 1.07)
        # Who sits or lies is lower, and about as long as who stands is high.
        if aspect > kind.aspect * 1.2 and thing.action in ("lying", "sitting"):
            height *= (kind.aspect / aspect) ** 0.6
        height *= {"small": _SMALL, "large": _LARGE, None: 1.0}[thing.size]
        near = 0.0
        if zone == "ground":
            near = rng.random()
            height *= 0.92 + 0.2 * near
        high, wide = height * shorter / self._height, height * aspect * shorter / self._width
        if (too_wide := wide / 0.92) > 1:
            high, wide = high / too_wide, wide / too_wide
        if parent is not None and zone == "held":
            return self._in_hand(parent.thing, kind, wide, high)
        x0 = rng.uniform(0.01, max(0.99 - wide, 0.011))
        top = self._ground_top()
        if zone == "ground":
            bottom = top + 0.04 + (0.98 - top - 0.04) * near
            return _within(Box(x0, bottom - high, x0 + wide, bottom))
        if zone == "water":
            bottom = rng.uniform(self._horizon + 0.04, top - 0.02)
            return _within(Box(x0, bottom - high, x0 + wide, bottom))
        if zone == "table" and parent is not None:
            table = parent.thing.box
            bottom = table.y0 + rng.uniform(0.03, 0.16) * table.height
            x0 = rng.uniform(table.x0, max(table.x1 - wide, table.x0))
            return _within(Box(x0, bottom - high, x0 + wide, bottom))
        lowest = self._horizon - high - (0.06 if zone == "wall" else -0.04)
        y0 = rng.uniform(0.02, max(lowest, 0.021))
        return _within(Box(x0, y0, x0 + wide, y0 + high))

    def _ground_top(self) -> float:
        """Where one can stand: behind it lies the sea, or the far side of a street."""
        return self._horizon + (0.16 if self._place in ("harbour", "beach") else 0.05)

    @staticmethod
    def _in_hand(person: Thing, kind: Kind, wide: float, high: float) -> Box:
        x, y = _HANDS[kind.hand]
        grip_x, grip_y = kind.grip or (0.5, 0.5)
        if person.facing == "left":
            x, grip_x = 1 - x, 1 - grip_x
        x, y = person.box.x0 + x * person.box.width, person.box.y0 + y * person.box.height
        return Box(x - grip_x * wide, y - grip_y * high, x + (1 - grip_x) * wide, y + (1 - grip_y) * high)

    def _has_room(self, draft: _Draft) -> bool:
        box = draft.thing.box
        if box.x0 < 0 or box.y0 < 0 or box.x1 > 1 or box.y1 > 1:
            return False
        everything = [*self._drafts, draft]
        for one in everything:
            # Who holds it sees past it; a table is known by its legs.
            mine = [d for d in everything if d is not one and d.parent is not one and _in_front(d, one)]
            hidden = sum(d.thing.box.shared(one.thing.box) for d in mine)
            most = _MOST_HIDDEN if one.thing.text is None else _MOST_HIDDEN_WRITTEN
            if hidden > most * one.thing.box.area:
                return False
            if one is not draft and one.parent is not draft and draft.parent is not one:
                # Two of a kind one behind the other would look like one.
                alike = one.thing.kind == draft.thing.kind
                shared = one.thing.box.shared(box) / min(one.thing.box.area, box.area)
                if shared > (0.1 if alike else 0.5):
                    return False
        return True


def _in_front(first: _Draft, second: _Draft) -> bool:
    """Whether `first` is drawn after `second`."""
    if (first.parent or first) is (second.parent or second):
        return first.parent is not None
    return first.depth > second.depth


def _within(box: Box) -> Box:
    """Moved into the picture, where it fits."""
    right, down = min(0.99 - box.x1, 0.0), min(0.99 - box.y1, 0.0)
    right, down = right + max(0.01 - box.x0 - right, 0.0), down + max(0.01 - box.y0 - down, 0.0)
    return Box(box.x0 + right, box.y0 + down, box.x1 + right, box.y1 + down)


def _sample_style(rng: random.Random) -> Style:
    outline = rng.choices(("none", "dark", "tone"), weights=(25, 35, 40))[0]
    texture = rng.choices(("flat", "speckle", "hatch", "shade"), weights=(30, 15, 15, 40))[0]
    width, light, grain = rng.uniform(0.6, 1.8), rng.uniform(-1, 1), rng.choice((0.0, 0.0, rng.uniform(1, 6)))
    return Style(outline, round(width, 2), texture, round(light, 2), round(grain, 2), rng.randrange(1 << 16))  # type: ignore[arg-type]
