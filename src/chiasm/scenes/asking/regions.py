"""Questions from words to a box and from a box to words. Boxes are those of the picture padded to a square."""

from __future__ import annotations

import random

from chiasm.scenes.asking.question import Question
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import the_one
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.boxes import square_box
from chiasm.scenes.telling.language import Language, Look

# What a short description says besides the kind, where there is any; the colour always, the rest mostly.
_DETAILS = ("action", "state", "text")


def ask_box(sight: Sight, language: Language, rng: random.Random) -> Question | None:
    """Words that fit one thing; the answer is its box."""
    for thing in sight.shuffled(rng):
        look = sight.only(thing, rng)
        if look is not None:
            return Question("text_to_box", the_one(language, look), square_box(sight.scene, thing), "box")
    return None


def ask_region(sight: Sight, language: Language, rng: random.Random) -> Question | None:
    """A box; the answer says what is in it."""
    if not sight.seen:
        return None
    thing = rng.choice(sight.seen)
    return Question("region_to_text", square_box(sight.scene, thing), _described(thing, language, rng), "region")


def _described(thing: Thing, language: Language, rng: random.Random) -> str:
    fields = [] if thing.kind in ("traffic light", "stop sign") else ["colour"]
    fields += [field for field in _DETAILS if getattr(thing, field) is not None and rng.random() < 0.7]
    if thing.clothes is not None and thing.clothes.hat is not None and rng.random() < 0.5:
        fields.append("hat")
    if "text" in fields and "state" in fields:
        fields.remove("state")  # a screen that shows something is on
    return language.a(Look.at(thing, *fields))
