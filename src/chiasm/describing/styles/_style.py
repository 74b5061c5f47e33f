"""What a style is, and ways of reading an answer that several share. The numbers are ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as it is kept: its text, and its list where the style asks for one (tags, hashtags)."""

    text: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """`prompts`: the question by language ("en", "zh"); `max_tokens` of the longest answer; `read`: what is kept of it.

    `has_tags`: `read` fills `Written.tags`, which is then kept even when it is empty.
    """

    prompts: Mapping[str, str]
    max_tokens: int
    read: Callable[[str], Written]
    has_tags: bool = False


def paragraphs(answer: str) -> Written:
    """The answer as it is, without white space around it and at the ends of lines."""
    return Written("\n".join(line.rstrip() for line in answer.strip().splitlines()))


def one_line(answer: str) -> Written:
    """The answer on one line, without quotation marks around the whole of it."""
    line = " ".join(answer.split())
    for opening, closing in ('""', "''", "“”", "「」", "‘’"):
        inside = line[1:-1]
        if len(line) > 1 and line[0] == opening and line[-1] == closing and not {opening, closing} & set(inside):
            return Written(inside.strip())
    return Written(line)


def distinct(names: list[str]) -> tuple[str, ...]:
    """`names` without empty ones and without repeats in other capitals, in order."""
    kept: dict[str, str] = {}
    for name in names:
        if name:
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())


BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,3}[.)、])\s*")
