"""What every check looks at: a sample, its texts, and what its answers say beside what captions and boxes know.

Worked out once a sample and only when a check asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from chiasm.data.object_names import CATEGORIES, mentioned
from chiasm.synthesis.checks import _chinese, _english
from chiasm.synthesis.checks._statements import Mention, Statements
from chiasm.synthesis.sample import Box, Sample

_HAN = re.compile(r"[\u4e00-\u9fff]")
_QUOTE = 80  # characters of a quotation


def quoted(text: str) -> str:
    """`text` between “ and ”, whole words of it if it is long: the report marks what stands between them."""
    text = text.strip()
    if len(text) > _QUOTE:
        text = text[:_QUOTE].rsplit(" ", 1)[0]
    return f"“{text}”"


@dataclass(frozen=True)
class Reading:
    """A sample as checks see it."""

    sample: Sample

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """The answers, in order."""
        return tuple(turn.answer for turn in self.sample.turns)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Questions and answers, in order."""
        return tuple(text for turn in self.sample.turns for text in (turn.question, turn.answer))

    @cached_property
    def captions(self) -> str:
        """The captions in lower case, one a line."""
        return "\n".join(self.sample.context.captions).lower()

    @cached_property
    def in_captions(self) -> Mapping[str, int]:
        """Category -> how often the captions name it, in English or Chinese."""
        captions = self.captions
        found = mentioned(captions)
        return found | mentioned(captions, "zh") if _HAN.search(captions) else found

    @cached_property
    def boxes(self) -> Mapping[str, tuple[Box, ...]]:
        """Category -> its boxes, COCO categories only."""
        found: dict[str, list[Box]] = {}
        for box in self.sample.context.boxes:
            if (category := box.category.strip().lower()) in _KNOWN:
                found.setdefault(category, []).append(box)
        return {category: tuple(boxes) for category, boxes in found.items()}

    @cached_property
    def statements(self) -> tuple[Statements, ...]:
        """What each answer says."""
        read = _chinese.read if self.sample.language == "zh" else _english.read
        describes = self.sample.kind == "detail"
        return tuple(read(turn.answer, turn.question, describes=describes) for turn in self.sample.turns)

    @cached_property
    def asked(self) -> tuple[tuple[Mention, ...], ...]:
        """What each question takes for granted."""
        asked = _chinese.asked if self.sample.language == "zh" else _english.asked
        return tuple(asked(turn.question) for turn in self.sample.turns)


_KNOWN = frozenset(CATEGORIES)
