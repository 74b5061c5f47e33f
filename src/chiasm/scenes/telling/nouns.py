"""Things as phrases of a sentence: with what they hold or carry, alone or together. For both languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chiasm.scenes.scene import Scene, Thing
from chiasm.scenes.telling.choosing import Group, grouped, held, look_of, name_alone, upon
from chiasm.scenes.telling.language import Language

_CHINESE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_STARTS = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")


def listed(language: Language, phrases: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; in Chinese by 、 or, where the parts themselves hold one, by commas."""
    if len(phrases) < 2:
        return "".join(phrases)
    *front, last = phrases
    if language.code == "en":
        return f"{', '.join(front)} and {last}"
    if any("、" in phrase for phrase in phrases):
        return f"{'，'.join(front)}，还有{last}"
    return f"{'、'.join(front)}和{last}"


def capitals(text: str) -> str:
    """A capital letter at the start of every sentence."""
    return _STARTS.sub(lambda match: match.group().upper(), text)


def length(text: str) -> int:
    """Words; of Chinese text about the words a translation would have, five for eight characters."""
    if text.isascii():
        return len(text.split())
    characters = len(_CHINESE.findall(text))
    return len(_CHINESE.sub(" ", text).split()) + characters * 5 // 8


def group_phrase(scene: Scene, group: Group, detail: int, language: Language) -> str:
    """`a person in a red shirt holding an open umbrella`, `two dogs`, `a table with a cup on it`."""
    thing = group.things[0]
    if group.several:
        return language.several(group.look, len(group.things))
    if (carried := held(scene, thing)) is not None:
        return language.a(group.look, look_of(carried, min(detail, 2)))
    if laden := upon(scene, thing):
        items = listed(language, [group_phrase(scene, part, detail, language) for part in grouped(laden, detail)])
        if language.code == "en":
            return f"{language.a(group.look)} with {items} on it"
        return f"一张放着{items}的{language.the(group.look)}"
    return language.a(group.look)


def phrases_of(scene: Scene, things: Sequence[Thing], detail: int, language: Language) -> list[str]:
    """A phrase for every group of `things`, in their order."""
    return [group_phrase(scene, group, detail, language) for group in grouped(things, detail)]


def called(scene: Scene, thing: Thing, language: Language) -> str:
    """What to call a thing that has been named before: `the dog`, or with what sets it apart."""
    return language.the(name_alone(scene, thing) or look_of(thing, 3))
