"""The rulebook's words: nouns with their plurals and Chinese names, places, colours, numbers, verbs. Data, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


def word_set(words: str) -> frozenset[str]:
    """Words between spaces, as a set."""
    return frozenset(words.split())


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun of captions; `kind` is one of person, animal, vehicle, food, drink, wear, furniture, thing, nature..."""

    singular: str
    plural: str
    kind: str
    chinese: str
    measure: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scene is: `english` with its preposition; `chinese` the bare name."""

    english: str
    chinese: str
    indoors: bool | None


COLOURS: Mapping[str, str] = {
    "white": "白色", "black": "黑色", "red": "红色", "green": "绿色", "blue": "蓝色", "brown": "棕色",
    "yellow": "黄色", "orange": "橙色", "pink": "粉色", "purple": "紫色", "gray": "灰色", "grey": "灰色",
    "silver": "银色", "gold": "金色", "tan": "棕黄色",
}  # fmt: skip
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
NUMBER_WORDS = ("no", "one", *NUMBERS)
ACTIONS = word_set(
    "sitting standing holding riding playing walking looking flying wearing laying lying eating taking skiing "
    "grazing driving posing watching hanging jumping running smiling swinging talking cutting using waiting "
    "surfing showing carrying pulling preparing leaning sleeping making drinking crossing reaching cooking "
    "throwing enjoying serving working resting hitting floating brushing passing performing swimming catching "
    "staring reading feeding skateboarding smoking petting attempting sliding snowboarding racing kneeling "
    "touching shopping bending pouring putting selling relaxing kicking landing sailing climbing laughing "
    "peeking approaching pointing helping practicing leaving pushing biting sniffing picking blowing balancing "
    "following pitching hiding herding leaping chasing grinding licking cleaning milking chewing grabbing "
    "placing speaking scratching hugging paddling squatting typing spraying flipping rolling washing wiping "
    "fishing tossing lifting rowing bathing slicing soaring wading hiking cuddling perching crouching "
    "stretching traveling dancing singing yawning skating batting napping nuzzling trotting galloping mixing "
    "stirring baking grilling parking towing docking inspecting fixing repairing writing drawing painting "
    "celebrating snuggling strolling trying getting parked seated perched docked"
)
# Words that may follow a noun without making it part of a longer name ("kitchen" in "kitchen table").
CLOSED = word_set(
    "a an the and or but on in at of with by near next to for from into onto over under behind beside between "
    "inside outside through along across around above below against during while as is are was were has have "
    "that which who his her their its it some two three four five many several one each filled covered "
    "surrounded up down off out there where sits stands lies rides walks plays holds looks after before him "
    "them together very being"
)


@cache
def nouns() -> Mapping[str, tuple[Noun, bool]]:
    """Singular or plural form -> the noun and whether the form is a plural. Words that are both count as singular."""
    found: dict[str, tuple[Noun, bool]] = {}
    for row in read_rows("nouns.txt"):
        noun = Noun(*row)
        found[noun.plural] = (noun, True)
        found[noun.singular] = (noun, noun.singular == noun.plural == "sheep")
    return MappingProxyType(found)


@cache
def places() -> Mapping[str, Place]:
    """Words of captions -> the place they speak of, the more telling first."""
    found: dict[str, Place] = {}
    for words, english, chinese, side in read_rows("places.txt"):
        place = Place(english, chinese, {"in": True, "out": False}.get(side))
        found.update(dict.fromkeys(words.split(", "), place))
    return MappingProxyType(found)


def read_rows(name: str) -> list[list[str]]:
    """The rows of a table of this folder: cells between bars, lines that begin with # left out."""
    lines = files(__package__).joinpath(name).read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith("#")]
