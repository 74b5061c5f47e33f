"""Where a model looked while it wrote an answer, word by word, small enough to be kept as JSON and drawn by a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from chiasm.chat import Glance, Heat, Looker
from chiasm.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Map:
    """`rows` x `columns` bytes over one picture, row by row; 255 is the most that the word gave to any place."""

    rows: int
    columns: int
    cells: bytes


@dataclass(frozen=True, slots=True)
class LookedWord:
    """A word of an answer and where the model looked for it: one map a picture. What stands between words has none.

    `share` is the part of its attention that went to the pictures, from 0 to 1.
    """

    text: str
    share: float = 0.0
    maps: tuple[Map, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        maps = [[each.rows, each.columns, base64.b64encode(each.cells).decode("ascii")] for each in self.maps]
        return {"text": self.text, "share": self.share, "maps": maps}

    @classmethod
    def of(cls, told: Any) -> LookedWord:
        """The inverse of `as_dict`; raises `ValueError`, `TypeError` or `KeyError` for anything else."""
        maps = tuple(Map(int(rows), int(columns), base64.b64decode(cells)) for rows, columns, cells in told["maps"])
        if any(len(each.cells) != each.rows * each.columns for each in maps):
            raise ValueError("a map of another size than it says")
        return cls(str(told["text"]), float(told["share"]), maps)


def look(looker: Looker, conversation: Conversation, answer: str) -> list[LookedWord]:
    """The words of `answer` in order, with what stands between them; nothing for an answer without text."""
    if not answer.strip():
        return []
    looked = looker.looked(conversation, answer)
    pieces, done = [], 0
    for word in looked.words:
        if word.start > done:
            pieces.append(LookedWord(looked.text[done : word.start]))
        pieces.append(_word(looked.text, word))
        done = word.end
    return [*pieces, LookedWord(looked.text[done:])] if done < len(looked.text) else pieces


def _word(text: str, word: Glance) -> LookedWord:
    most = max((share for heat in word.heats for share in heat.shares), default=0.0)
    total = sum(sum(heat.shares) for heat in word.heats)
    return LookedWord(text[word.start : word.end], round(total, 4), tuple(_map(heat, most) for heat in word.heats))


def _map(heat: Heat, most: float) -> Map:
    return Map(heat.rows, heat.columns, bytes(round(255 * share / most) if most else 0 for share in heat.shares))
