"""Ways of saying a thing in both languages, and what a maker of questions hands over. Knows no scene."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chiasm.scenes.telling.language import Language, Look

Ways = Mapping[str, Sequence[str]]
"""By language code: sentences with {slots}, any of which will do."""


class Draft(NamedTuple):  # quicker made than a dataclass, as a `Look`
    """A question, its short answer, the same answer as a whole sentence, and answers that would be wrong.

    `wrong` is empty where there are no such answers to choose from: yes or no, a word that is read.
    """

    question: str
    answer: str
    sentence: str
    wrong: tuple[str, ...] = ()


def say(language: Language, rng: random.Random, ways: Ways, **slots: str) -> str:
    """One of the ways, with a capital letter."""
    text = rng.choice(ways[language.code]).format(**slots)
    return capital(text)


def listed(language: Language, phrases: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; 甲、乙和丙."""
    comma, last = (", ", " and ") if language.code == "en" else ("、", "和")
    return last.join(part for part in (comma.join(phrases[:-1]), phrases[-1]) if part)


def the_one(language: Language, look: Look) -> str:
    """What a question calls a thing: as the language says it, but so that no verb can be mistaken for the question's.

    "Is the cat that is sitting large or small?"; 图中的人 rather than a bare 人.
    """
    if language.code == "zh":
        return "图中的人" if look == Look("person") else language.the(look)
    if look.action is None and look.facing is None:
        return language.the(look)
    who = "who" if look.kind == "person" else "that"
    still = language.the(look._replace(action=None, facing=None))
    return f"{still} {who} is {language.doing(look.action, look.facing)}"


def yes_or_no(language: Language, yes: bool) -> str:
    """The answer to "is ...?"; a question with 有 is answered by `there_is`."""
    if language.code == "en":
        return "yes" if yes else "no"
    return "是" if yes else "不是"


def there_is(language: Language, yes: bool) -> str:
    """The answer to "is there ...?": yes or no, 有 or 没有."""
    if language.code == "en":
        return "yes" if yes else "no"
    return "有" if yes else "没有"


def confirmed(language: Language, yes: bool, told: str) -> str:
    """Yes or no, and how it really is."""
    if language.code == "zh":
        return f"{'是的' if yes else '不是'}，{told}"
    return f"{'Yes' if yes else 'No'}, {told}"


def capital(text: str) -> str:
    """The text with a capital letter."""
    return text[0].upper() + text[1:]


def other_colours(language: Language, names: Iterable[str], right: str) -> tuple[str, ...]:
    """The colours of these names but the right one, each once."""
    return tuple(language.colour(name) for name in dict.fromkeys(names) if name != right)
