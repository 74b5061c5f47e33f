"""How a judge's reply is read: its scores stand alone on the first line that is not empty; what follows explains them.

    reply   = line, anything
    pair    = score, apart, score            two scores from 1 to 10
    apart   = spaces | "," | ";" | "|" | "and" | "vs"
    score   = [name], number, ["/", "10"]    "8", "8.5", "8/10", "Answer 1: 8"; names only as a pair, 1 before 2
    single  = [name], number, ["/", "1"]     one score from 0 to 1

Case, emphasis (`**8 7**`), a full stop at the end and full-width digits make no difference. Anything else, a number out
of its range or a line with more on it, is no score: the judge is asked again, and nothing is ever guessed from prose.
LLaVA's script is laxer (any two words that are numbers) and averages -1 in where it fails.
"""

from __future__ import annotations

import re
import unicodedata

Scores = tuple[float, ...]

_NUMBER = r"(\d{1,2}(?:\.\d{1,4})?|\.\d{1,4})"
_OF_TEN = r"(?:\s*/\s*10(?:\.0)?)?"
_OF_ONE = r"(?:\s*/\s*1(?:\.0)?)?"
_APART = r"(?:\s*[,;|]\s*(?:and\s+)?|\s+(?:and|vs\.?)\s+|\s+)"
_NAME = r"(?:answer|assistant|response)\s*{}\s*[:=]\s*"
_PAIR = re.compile(rf"{_NUMBER}{_OF_TEN}{_APART}{_NUMBER}{_OF_TEN}", re.IGNORECASE)
_NAMED_PAIR = re.compile(
    rf"{_NAME.format('[1a]')}{_NUMBER}{_OF_TEN}{_APART}{_NAME.format('[2b]')}{_NUMBER}{_OF_TEN}", re.IGNORECASE
)
_SINGLE = re.compile(rf"(?:(?:score|correctness)\s*[:=]\s*)?{_NUMBER}{_OF_ONE}", re.IGNORECASE)
_LONGEST_LINE = 200  # characters; a line of scores is far shorter. Ours, so that reading stays linear


def read_pair(reply: str) -> Scores | None:
    """The two scores from 1 to 10 on the first line, in the order written; None where there are none."""
    line = _first_line(reply)
    found = _PAIR.fullmatch(line) or _NAMED_PAIR.fullmatch(line)
    scores = tuple(map(float, found.groups())) if found else ()
    return scores if scores and all(1 <= score <= 10 for score in scores) else None


def read_single(reply: str) -> Scores | None:
    """The one score from 0 to 1 on the first line; None where there is none."""
    found = _SINGLE.fullmatch(_first_line(reply))
    return (float(found[1]),) if found and 0 <= float(found[1]) <= 1 else None


def _first_line(reply: str) -> str:
    """The first line that is not empty, plain; empty where it is too long to be one of scores."""
    line = next((line for line in reply.splitlines() if line.strip()), "")
    if len(line) > _LONGEST_LINE:
        return ""
    return unicodedata.normalize("NFKC", line).replace("*", "").replace("`", "").strip().removesuffix(".").strip()
