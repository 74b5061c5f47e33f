"""What there is in the drawn world: kinds of things, colours, states, actions, places. Names only, no words, no pixels.

Names are COCO's categories wherever COCO has one. The order of `KINDS` and `COLOURS` fixes category ids and random
draws: append, never insert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")
VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black", "white")
COAT = ("brown", "black", "white", "gray", "orange")
SHIRTS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
TROUSERS = ("blue", "black", "brown", "gray", "green")
HATS = ("red", "yellow", "green", "blue", "black")

Zone = Literal["ground", "sky", "water", "wall", "table", "held"]
"""Where a thing can be: on the floor or the grass, in the air, on the water, on the wall, on a table, in a hand."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing. `height` is in parts of the picture's shorter side, `aspect` is width over height."""

    name: str
    supercategory: str
    zones: tuple[Zone, ...]
    places: tuple[str, ...]
    height: float
    aspect: float
    colours: tuple[str, ...]
    states: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    faces: bool = False
    """Whether one can tell whether it faces left or right."""
    sized: bool = False
    """Whether it comes in "small" and "large"."""
    written: bool = False
    """Whether a word or a number can be read on it."""
    aspects: Mapping[str, float] = field(default_factory=dict)
    """Other aspects by state or action."""
    grip: tuple[float, float] | None = None
    """Where a hand holds it, in parts of its box; None: nobody can carry it."""
    hand: Literal["low", "high"] = "low"

    def aspect_of(self, state: str | None, action: str | None) -> float:
        return self.aspects.get(state or "", self.aspects.get(action or "", self.aspect))


OUTSIDE = ("park", "street", "beach", "harbour")
INSIDE = ("room", "kitchen")
PLACES = OUTSIDE + INSIDE
TIMES = ("day", "night")
WEATHERS = ("sunny", "cloudy", "rainy", "snowy")
TRAFFIC_LIGHTS = ("red", "yellow", "green")
HOURS = tuple(str(hour) for hour in range(1, 13))

_GREEN = ("park", "street")
_ANYWHERE = PLACES

KINDS: tuple[Kind, ...] = (
    Kind("person", "person", ("ground",), _ANYWHERE, 0.42, 0.42, SHIRTS, (),
         ("standing", "walking", "running", "sitting", "waving"), True, False, False,
         {"running": 0.62, "walking": 0.5, "sitting": 0.72}),
    Kind("dog", "animal", ("ground",), ("park", "street", "beach", "room", "harbour"), 0.21, 1.25, COAT, (),
         ("standing", "sitting", "running", "lying"), True, True, False,
         {"sitting": 0.85, "running": 1.5, "lying": 1.9}),
    Kind("cat", "animal", ("ground",), ("park", "street", "room", "kitchen"), 0.19, 1.2, COAT, (),
         ("standing", "sitting", "lying"), True, True, False, {"sitting": 0.75, "lying": 1.9}),
    Kind("bird", "animal", ("sky", "ground"), OUTSIDE, 0.16, 1.3,
         ("red", "yellow", "green", "blue", "brown", "black", "white"), (), ("flying", "standing"), True, False, False,
         {"flying": 1.45, "standing": 1.15}),
    Kind("horse", "animal", ("ground",), ("park", "beach"), 0.31, 1.15, COAT, (), ("standing", "running"), True, False,
         False, {"running": 1.4}),
    Kind("sheep", "animal", ("ground",), ("park",), 0.2, 1.3, ("white", "black", "gray", "brown"), (),
         ("standing", "eating"), True, False, False),
    Kind("cow", "animal", ("ground",), ("park",), 0.26, 1.4, ("brown", "black", "white"), (), ("standing", "eating"),
         True, False, False),
    Kind("car", "vehicle", ("ground",), ("street", "harbour"), 0.2, 1.85, VIVID, (), (), True),
    Kind("bus", "vehicle", ("ground",), ("street",), 0.29, 1.9, VIVID, (), (), True),
    Kind("truck", "vehicle", ("ground",), ("street", "harbour"), 0.26, 1.75, VIVID, (), (), True),
    Kind("bicycle", "vehicle", ("ground",), ("street", "park"), 0.22, 1.45, VIVID, (), (), True),
    Kind("boat", "vehicle", ("water",), ("beach", "harbour"), 0.27, 1.15, VIVID, (), (), True),
    Kind("airplane", "vehicle", ("sky",), OUTSIDE, 0.15, 2.0, ("white", "red", "blue", "gray", "yellow"), (), (), True),
    Kind("traffic light", "outdoor", ("ground",), ("street",), 0.38, 0.3, ("black",), TRAFFIC_LIGHTS),
    Kind("stop sign", "outdoor", ("ground",), ("street",), 0.34, 0.5, ("red",)),
    Kind("fire hydrant", "outdoor", ("ground",), ("street",), 0.18, 0.75, ("red", "yellow", "blue")),
    Kind("bench", "outdoor", ("ground",), ("park", "street", "beach", "harbour"), 0.18, 1.75,
         ("brown", "green", "red", "blue", "gray")),
    Kind("sign", "outdoor", ("ground",), OUTSIDE, 0.34, 1.3, ("white", "yellow", "green", "blue"), written=True),
    Kind("lamp", "furniture", ("ground",), ("street", "park", "room", "harbour"), 0.4, 0.36,
         ("black", "green", "red", "yellow", "blue"), ("lit", "unlit")),
    Kind("tree", "plant", ("ground",), OUTSIDE, 0.44, 0.8, ("green", "orange", "yellow")),
    Kind("flower", "plant", ("ground",), ("park",), 0.17, 0.65, ("red", "yellow", "pink", "purple", "blue", "white")),
    Kind("house", "building", ("ground",), ("park", "street", "beach"), 0.42, 1.1,
         ("red", "yellow", "blue", "white", "brown", "green")),
    Kind("umbrella", "accessory", ("held", "ground"), ("street", "beach", "park", "room"), 0.24, 1.25, VIVID,
         ("open", "closed"), (), False, False, False, {"closed": 0.3}, (0.5, 0.96), "high"),
    Kind("backpack", "accessory", ("ground",), ("room", "park", "street"), 0.18, 0.85, VIVID),
    Kind("suitcase", "accessory", ("ground", "held"), ("street", "room", "harbour"), 0.19, 0.8, VIVID,
         grip=(0.5, 0.04)),
    Kind("kite", "sports", ("sky", "held"), ("park", "beach"), 0.24, 0.75, VIVID, grip=(0.5, 0.98), hand="high"),
    Kind("balloon", "sports", ("held", "sky"), ("park", "street", "room", "beach"), 0.24, 0.5, VIVID,
         grip=(0.5, 0.98), hand="high"),
    Kind("sports ball", "sports", ("ground", "held"), ("park", "beach", "room"), 0.15, 1.0, VIVID, (), (), False, True,
         grip=(0.08, 0.5)),
    Kind("frisbee", "sports", ("sky", "held"), ("park", "beach"), 0.1, 1.9, VIVID, grip=(0.08, 0.5)),
    Kind("cup", "kitchen", ("table", "held"), ("kitchen", "room"), 0.16, 1.1, VIVID, (), (), False, True,
         grip=(0.08, 0.5)),
    Kind("bottle", "kitchen", ("table",), ("kitchen", "room"), 0.22, 0.42, ("green", "blue", "brown", "red", "white")),
    Kind("bowl", "kitchen", ("table",), ("kitchen",), 0.13, 1.7, VIVID),
    Kind("vase", "indoor", ("table",), ("room", "kitchen"), 0.22, 0.6, VIVID),
    Kind("apple", "food", ("table", "held"), ("kitchen", "room"), 0.14, 0.95, ("red", "green", "yellow"),
         grip=(0.08, 0.5)),
    Kind("banana", "food", ("table", "held"), ("kitchen", "room"), 0.13, 1.5, ("yellow", "green"), grip=(0.08, 0.6)),
    Kind("orange", "food", ("table", "held"), ("kitchen", "room"), 0.13, 1.0, ("orange",), grip=(0.08, 0.5)),
    Kind("cake", "food", ("table",), ("kitchen", "room"), 0.2, 1.05, ("pink", "white", "brown", "yellow", "blue"),
         ("lit", "unlit")),
    Kind("chair", "furniture", ("ground",), INSIDE, 0.28, 0.68, VIVID, (), (), True),
    Kind("couch", "furniture", ("ground",), ("room",), 0.25, 1.95, VIVID),
    Kind("dining table", "furniture", ("ground",), INSIDE, 0.27, 1.95, ("brown", "white", "gray", "black")),
    Kind("potted plant", "plant", ("ground",), INSIDE, 0.27, 0.7, ("red", "brown", "white", "blue")),
    Kind("clock", "indoor", ("wall",), INSIDE, 0.2, 1.0, VIVID, HOURS),
    Kind("book", "indoor", ("table", "held"), INSIDE, 0.15, 1.1, VIVID, ("open", "closed"), (), False, False, False,
         {"open": 1.7}, (0.08, 0.5)),
    Kind("tv", "electronic", ("wall",), INSIDE, 0.3, 1.45, ("black", "gray", "white"), ("on", "off"), written=True),
    Kind("laptop", "electronic", ("table",), INSIDE, 0.19, 1.35, ("gray", "black", "white", "blue"), ("on", "off")),
    Kind("teddy bear", "indoor", ("ground",), ("room",), 0.2, 0.85, ("brown", "white", "pink", "yellow")),
)  # fmt: skip

NAMES = tuple(kind.name for kind in KINDS)
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}

# What a sign or a screen can say: words of at most six letters, or a number up to 99.
WORDS = (
    "OPEN", "BOOK", "CAFE", "PARK", "TAXI", "EXIT", "HELLO", "SHOP", "BANK", "ZOO", "FISH", "MILK", "BREAD", "MUSIC",
    "HOTEL", "BEACH", "BOAT", "BUS", "GOLD", "GREEN", "HAPPY", "HOME", "JUICE", "KIWI", "LEMON", "LION", "LOVE",
    "MAP", "MEDIA", "MOON", "NEWS", "NORTH", "OCEAN", "PAPER", "PIZZA", "QUEEN", "RADIO", "RIVER", "ROBOT", "SALE",
    "SCHOOL", "SLOW", "SNOW", "SOUTH", "SPORT", "STAR", "STOP", "SUGAR", "SUN", "TEA", "TIGER", "TOYS", "TRAIN",
    "VIDEO", "WAIT", "WATER", "WEST", "WIND", "WORLD", "YES", "NO", "ART", "BAKERY", "BRIDGE", "CANDY", "CINEMA",
    "CLOUD", "COFFEE", "DANCE", "DOCTOR", "EAST", "EGG", "FARM", "FIRE", "FLOWER", "FOREST", "FRUIT", "GAME",
    "GARDEN", "GIFT", "HONEY", "ICE", "ISLAND", "JAZZ", "KEY", "LAKE", "LIGHT", "LUNCH", "MARKET", "METRO", "MUSEUM",
    "NIGHT", "OFFICE", "PIANO", "POLICE", "POST", "RAIN", "ROSE", "SALT", "SOUP", "SPRING", "STREET", "SUMMER",
    "TENNIS", "TICKET", "VILLA", "WINTER", "YOGA", "ZERO", "FOX", "OWL", "RED", "BLUE", "BEAR", "DUCK", "QUIZ", "JUMP",
)  # fmt: skip
