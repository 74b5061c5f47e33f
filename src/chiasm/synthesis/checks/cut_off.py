"""The reply stops before it is finished: the provider says so, or its last answer ends in the middle of a sentence.

It does not know what would have followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chiasm.synthesis.checks._reading import Reading, quoted

ORDER = 30

_ENDED = re.compile(r"""[.!?…。！？][)\]}"'”’»」』）】*_`]*$|[)\]”」』】]$""")
_ITEM = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、]|（\d{1,2}）)\s*")
# "6." and nothing behind it: a list that breaks off, though it ends with a full stop.
_EMPTY_ITEM = re.compile(r"\n\s*(?:[-*•·]|\d{1,2}[.)、]|（\d{1,2}）)\s*(?:\*\*)?$")
_DANGLING = re.compile(
    r"(?:[,:;，：；、\-–—(（\[“「]|\b(?:and|or|but|the|an|of|with|to|in|on|at|is|are|which|that))$", re.I
)
_PHRASE = 5  # words; "Red and white" is a whole answer
_PHRASE_CHARACTERS = 12  # the same in Chinese


def check(reading: Reading) -> Iterator[str]:
    """Whether the last answer was cut off, and a finish_reason that says that it was, or does not say."""
    reason = reading.sample.finish_reason
    if reason == "length":
        yield "the reply reached its token limit (finish_reason length)"
    elif reason not in ("stop", "refusal", "content_filter", "tool_calls"):
        yield f"nobody said that the reply is finished (finish_reason {reason or 'missing'})"
    last = reading.answers[-1].rstrip() if reading.answers else ""
    if last and _is_cut(last, chinese=reading.sample.language == "zh"):
        yield f"the last answer ends in the middle: {quoted(last[-30:])}"


def _is_cut(text: str, *, chinese: bool) -> bool:
    if _DANGLING.search(text[-24:]) or _EMPTY_ITEM.search(text[-24:]):
        return True
    if _ENDED.search(text[-8:]):
        return False
    *before, line = text.splitlines()
    if _ITEM.match(line):
        # Items of a list may all go without full stops; one that alone has none was cut.
        others = [other for other in before if _ITEM.match(other)]
        return not others or any(_ENDED.search(other.rstrip()) for other in others)
    if before:
        return True
    return len(text) > _PHRASE_CHARACTERS if chinese else len(text.split()) > _PHRASE
