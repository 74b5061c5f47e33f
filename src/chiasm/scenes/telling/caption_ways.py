"""Ways to word a caption: a cast of one to three phrases, a place and a time become a sentence. Knows no selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.nouns import listed


@dataclass(frozen=True, slots=True)
class Cast:
    """What a caption has to say, in one language. `phrases` name one to three groups, what stands out first."""

    language: Language
    phrases: tuple[str, ...]
    all: str
    """The phrases in a list; who holds something comes last."""
    bare: str
    """The first phrase without what it does."""
    doing: str
    """What the first does, if it is one thing that does something."""
    plural: bool
    """Whether the list begins with several."""
    side: str
    """"to the left of", 左边: where the second is from the first; empty where it is not clearly on a side."""
    place: str
    where: str
    when: str

    @property
    def rest(self) -> str:
        return listed(self.language, self.phrases[1:])


Way = Callable[[Cast], str | None]
"""None: there is nothing to say in this way."""


def _sentence(*parts: str) -> str:
    return f"{' '.join(part for part in parts if part)}."


def _there(cast: Cast) -> str:
    return "there are" if cast.plural else "there is"


def _with_rest(cast: Cast) -> str:
    return f"with {cast.rest}" if cast.rest else ""


def _in_view(cast: Cast) -> str | None:
    if not cast.doing:
        return None
    told = _sentence(cast.bare, "is", cast.doing, cast.where, cast.when)
    return f"{told[:-1]}, with {cast.rest} in view." if cast.rest else told


def _beside(cast: Cast) -> str | None:
    if not cast.side:
        return None
    return _sentence(cast.phrases[1], cast.side, cast.phrases[0], cast.where, cast.when)


ENGLISH_WAYS: tuple[Way, ...] = (
    lambda cast: _sentence(cast.phrases[0], cast.where, _with_rest(cast), cast.when),
    lambda cast: _sentence(cast.all, cast.where, cast.when),
    lambda cast: _sentence(_there(cast), cast.all, cast.where, cast.when),
    lambda cast: _sentence(f"{cast.when or cast.where},", _there(cast), cast.all, cast.where if cast.when else ""),
    lambda cast: _sentence(cast.place, cast.when, "with", cast.all),
    lambda cast: _sentence("a picture of", cast.all, cast.where, cast.when),
    lambda cast: _sentence(cast.all, "can be seen", cast.where, cast.when),
    _beside,
    _in_view,
)


def chinese_setting(cast: Cast) -> str:
    """晴天的公园里, 厨房里."""
    return f"{cast.when.replace('的', '')}的{cast.where}" if cast.when else cast.where


def now(doing: str) -> str:
    """正躺着, 正在走路."""
    return f"正{doing}" if doing.endswith("着") else f"正在{doing}"


def _chinese_doing(cast: Cast) -> str | None:
    if not cast.doing:
        return None
    rest = f"，旁边还有{cast.rest}" if cast.side else f"，画面中还有{cast.rest}" if cast.rest else ""
    return f"{chinese_setting(cast)}，{cast.bare}{now(cast.doing)}{rest}。"


def _chinese_beside(cast: Cast) -> str | None:
    if not cast.side:
        return None
    return f"{chinese_setting(cast)}，{cast.phrases[0]}的{cast.side}有{cast.phrases[1]}。"


def _chinese_place(cast: Cast) -> str:
    setting = f"{cast.when.replace('的', '')}的{cast.place}" if cast.when else f"一个{cast.place}"
    return f"这是{setting}，画面中有{cast.all}。"


def _also(cast: Cast) -> str:
    return f"，还有{cast.rest}" if cast.rest else ""


CHINESE_WAYS: tuple[Way, ...] = (
    lambda cast: f"{chinese_setting(cast)}有{cast.all}。",
    lambda cast: f"{f'{cast.when}，' if cast.when else '图中的'}{cast.where}有{cast.all}。",
    _chinese_place,
    lambda cast: f"{f'{cast.when}，' if cast.when else ''}{cast.all}在{cast.where}。",
    lambda cast: f"在{chinese_setting(cast)}可以看到{cast.all}。",
    lambda cast: f"{chinese_setting(cast)}，可以看到{cast.phrases[0]}{_also(cast)}。",
    _chinese_beside,
    _chinese_doing,
)

WAYS: Mapping[str, tuple[Way, ...]] = {"en": ENGLISH_WAYS, "zh": CHINESE_WAYS}
