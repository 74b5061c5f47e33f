"""What both languages of the rulebook share: names of categories, what is surely absent, drawing and joining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from types import MappingProxyType

from chiasm.backends.rulebook.reading import SEX, Known
from chiasm.backends.rulebook.words import Noun, read_rows, word_set
from chiasm.data.object_names import mentioned

# Objects that captions hardly ever pass over: of COCO val2017's 4,792 pictures at most 14 each (0.3 %) have boxes of
# one that no caption names; giraffe 1, cat 3, dog 14. So, not named, it is not there.
_OUTDOORS = (
    *("giraffe", "elephant", "zebra", "airplane", "train", "kite", "frisbee", "horse", "cow", "sheep", "skateboard"),
)
_INDOORS = ("cat", "dog", "horse", "skateboard", "kite", "bear")
_ANYWHERE = ("cat", "elephant", "airplane", "train", "horse", "cow", "sheep", "kite", "skateboard", "zebra", "giraffe")
_VAGUE = ("animal", "statue", "toy", "painting", "sculpture", "sign", "stuffed", "sticker", "graffiti", "plane", "zoo")


@dataclass(frozen=True, slots=True)
class Name:
    """What a category is called: one of it, several, in Chinese, and the Chinese measure word."""

    singular: str
    plural: str
    chinese: str
    measure: str


@cache
def _names() -> Mapping[str, Name]:
    return MappingProxyType({row[0]: Name(*row[1:]) for row in read_rows("categories.txt")})


def name_of(category: str) -> Name:
    """The name of a category; one that COCO does not have is called as it is."""
    return _names().get(category) or Name(category, f"{category}s", category, "个")


@cache
def category_of(noun: Noun) -> str | None:
    """The COCO category a noun belongs to, None for others."""
    return next(iter(mentioned(noun.singular)), None)


def called(known: Known, category: str, *, several: bool = False) -> Name:
    """What to call things of a category: as captions do when they agree ("duck", "monitors"), else by its own name.

    The only person is "woman" where captions agree on that much.
    """
    names = [noun for noun in known.spoken if category_of(noun) == category]
    own = name_of(category)
    if several:
        chosen = names[0] if len(names) == 1 and category != "person" and names[0].plural != names[0].singular else None
    elif any(True in known.spoken[noun].forms for noun in names):
        chosen = None  # one is marked, several are spoken of
    elif category == "person":
        sexes = {SEX[noun.singular] for noun in names if noun.singular in SEX}
        chosen = names[0] if names and len(sexes) < 2 else None
    else:
        chosen = names[0] if len(names) == 1 else None
    return own if chosen is None else Name(chosen.singular, chosen.plural, chosen.chinese, chosen.measure)


def worth_asking(known: Known, fewest: int = 2) -> list[Noun]:
    """Things that `fewest` captions name, all in one number, and that are not who does something."""
    enough = fewest if len(known.captions) > 2 else 1
    subjects = {category_of(clause.noun) for clause in known.clauses} - {None}
    return [
        noun
        for noun, spoken in known.spoken.items()
        if spoken.num_captions >= enough
        and len(spoken.forms) == 1
        and noun.kind in ("animal", "vehicle", "food", "furniture", "thing", "building")
        and noun.singular not in _BARE
        and category_of(noun) not in subjects
    ]


_BARE = word_set("animal food fruit vegetable meat cheese bread rice soup pasta broccoli floor wall window door")


def surely_absent(known: Known, rng: Random) -> str | None:
    """A category that is not in the picture, None where captions are too vague to say."""
    said = " ".join(known.captions).lower()
    if any(word in said for word in _VAGUE) or len(known.captions) < 4:
        return None
    indoors = known.place.indoors if known.place is not None else None
    pool = _ANYWHERE if indoors is None else _INDOORS if indoors else _OUTDOORS
    absent = [category for category in pool if category not in known.named and category not in known.marked]
    return rng.choice(absent) if absent else None


def drawn(rng: Random, items: Sequence[str], count: int) -> list[str]:
    """`count` of the items, in their order."""
    places = sorted(rng.sample(range(len(items)), min(count, len(items))))
    return [items[place] for place in places]
