"""The drawn world in English: names, noun phrases, relations. Knows grammar, no scene and no sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from chiasm.scenes.kinds import COLOURS, HOURS, KINDS, PLACES, TIMES, WEATHERS
from chiasm.scenes.scene import Relation
from chiasm.scenes.telling.language import Look

_PLURALS = {"person": "people", "sheep": "sheep", "bus": "buses", "bench": "benches", "couch": "couches"}
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_RELATIONS: Mapping[Relation, str] = {
    "left of": "to the left of",
    "right of": "to the right of",
    "above": "above",
    "below": "below",
}
_PLACES = {
    "park": "in a park",
    "street": "on a street",
    "beach": "on a beach",
    "harbour": "at a harbour",
    "room": "in a room",
    "kitchen": "in a kitchen",
}
_ACTIONS = {"lying": "lying down", "eating": "eating grass"}
_MOVING = ("walking", "running", "flying")
_SWITCHED = ("tv", "laptop")

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for kind in KINDS for name in (*kind.states, *kind.actions)},
        **{name: name for name in (*PLACES, *TIMES, *WEATHERS, *COLOURS, "small", "large", "left", "right")},
        **{hour: f"{hour} o'clock" for hour in HOURS},
        **_ACTIONS,
    }
)


def listed(phrases: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def with_article(phrase: str) -> str:
    """`red ball` -> `a red ball`, `orange ball` -> `an orange ball`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


class _English:
    """See `Language`."""

    code = "en"

    def name(self, kind: str) -> str:
        return kind

    def names(self, kind: str) -> str:
        return _PLURALS.get(kind, f"{kind}s")

    def colour(self, colour: str) -> str:
        return colour

    def number(self, number: int) -> str:
        return _NUMBERS[number]

    def a(self, look: Look, holding: Look | None = None) -> str:
        return with_article(self._phrase(look, holding, plural=False))

    def the(self, look: Look, holding: Look | None = None) -> str:
        return f"the {self._phrase(look, holding, plural=False)}"

    def several(self, look: Look, number: int | None) -> str:
        phrase = self._phrase(look, None, plural=number != 1)
        if number is None:
            return phrase
        return f"{'no' if number == 0 else self.number(number)} {phrase}"

    def doing(self, action: str | None, facing: str | None) -> str:
        if action in _MOVING and facing is not None:
            return f"{action} to the {facing}"
        said = [_WORDS[action]] if action is not None else []
        return listed([*said, f"facing {facing}"] if facing is not None else said)

    def holding(self, held: Look) -> str:
        return f"holding {self.a(held)}"

    def relation(self, relation: Relation) -> str:
        return _RELATIONS[relation]

    def stands(self, first: str, relation: Relation, second: str) -> str:
        return f"{first} is {_RELATIONS[relation]} {second}"

    def place(self, place: str) -> str:
        return _PLACES[place]

    def words(self) -> Mapping[str, str]:
        return _WORDS

    def _phrase(self, look: Look, holding: Look | None, plural: bool) -> str:
        """Without its article: what stands before the noun, the noun, what stands behind it."""
        kind = look.kind or "thing"
        noun = self.names(kind) if plural else self.name(kind)
        doing = [text for text in (self.doing(look.action, look.facing),) if text]
        if holding is not None:
            doing.append(self.holding(holding))
        behind = [_worn(look, plural), _pot(look, plural), _showing(look, plural), listed(doing)]
        return " ".join(word for word in (*_before(look), noun, *behind) if word)


def _before(look: Look) -> list[str]:
    """State, size and colour where they are said before the noun."""
    said = [look.state] if look.kind in ("umbrella", "book", "lamp") and look.state is not None else []
    said += [look.size] if look.size is not None else []
    # "An orange orange" says nothing; a person's colour is worn and a plant's is the pot's.
    if look.colour is not None and look.kind not in ("person", "potted plant") and look.colour != look.kind:
        said.append(look.colour)
    return said


def _worn(look: Look, plural: bool) -> str:
    shirt = look.colour if look.kind == "person" else None
    said = [_one_each(f"{shirt} shirt", plural)] if shirt is not None else []
    said += [f"{look.trousers} trousers"] if look.trousers is not None else []
    said += [_one_each(f"{look.hat} hat", plural)] if look.hat is not None else []
    return f"in {listed(said)}" if said else ""


def _pot(look: Look, plural: bool) -> str:
    if look.kind != "potted plant" or look.colour is None:
        return ""
    return f"in {_one_each(f'{look.colour} pot', plural)}"


def _showing(look: Look, plural: bool) -> str:
    """State and writing where they are said behind the noun."""
    if look.text is not None:
        said = "showing" if look.kind in _SWITCHED else "that say" if plural else "that says"
        return f'{said} "{look.text}"'
    if look.state is None or look.kind in ("umbrella", "book", "lamp"):
        return ""
    if look.kind == "cake":
        return f"with {_one_each(f'{look.state} candle', plural)}"
    if look.kind in ("traffic light", "clock"):
        return f"showing {_WORDS[look.state]}"
    return f"that {'are' if plural else 'is'} {_WORDS[look.state]}"


def _one_each(phrase: str, plural: bool) -> str:
    return f"{phrase}s" if plural else with_article(phrase)


ENGLISH = _English()
