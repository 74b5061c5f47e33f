"""Reading a reply that is one description. Bent rules are named, as in `_blocks`."""

from __future__ import annotations

import re

from chiasm.synthesis.kinds._blocks import has_markers, pairs, plain, unfenced
from chiasm.synthesis.kinds._kind import Parsed, WrongFormat
from chiasm.synthesis.sample import Turn

_LABEL = re.compile(r"[#*\s]*(?:(?:detailed )?description|详细描述|描述)\s*\**\s*[:：]\s*\**\s*", re.IGNORECASE)


def description(reply: str) -> Parsed:
    """The reply as one answer whose question is still to be drawn; raises `WrongFormat`."""
    text, repairs = unfenced(plain(reply))
    if label := _LABEL.match(text):
        text, repairs = text[label.end() :].strip(), (*repairs, "label left out")
    if has_markers(text):
        (turn,) = pairs(text, 1, 1).turns
        return Parsed((Turn("", turn.answer),), (*repairs, "question left out"))
    if text.startswith(("{", "[")) and text.endswith(("}", "]")):
        raise WrongFormat("JSON where a description was expected")
    return Parsed((Turn("", text),), repairs)
