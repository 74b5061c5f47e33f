"""Short answers brought to one form before they are compared: lower case, digits, no articles, no punctuation.

The published form is that of the `EvalAIAnswerProcessor` of MMF (facebookresearch/mmf), which LLaVA's scripts run over
answers to VQAv2, TextVQA and VizWiz; `vqa_eval_form` is what the official VQAEval (GT-Vision-Lab/VQA) does to them, the
same without its first step. Their quirks are kept, because published numbers have them:

- A period goes unless a digit follows, not "unless between digits": the pattern's `(?!<=\\d)` was meant as `(?<!\\d)`.
- Of one answer only the first 32 periods go: `re.UNICODE`, which is 32, stands where `sub` takes a count.
- "'s" becomes a word of its own, "what's" "what 's", which only matters against answers that went another way.
- The table's `somebody'd` loses its apostrophe, and its entries with a capital I meet lower case and never apply.

The strict form has none of them, and reads typographic apostrophes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType

from chiasm.evals.task import Rule

_PERIODS_AT_MOST = 32
_PERIOD = re.compile(r"\.(?!\d)")
_NUMBER_WITH_COMMA = re.compile(r"\d,\d")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        **{"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4"},
        **{"five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"},
    }
)
_ARTICLES = frozenset(("a", "an", "the"))
# Values of the published table of contractions. Its keys are these without their apostrophe; of several, without one.
_CONTRACTIONS = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've "
    "weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll "
    "why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've"
)
_CACHED = 65_536  # answers; human ones repeat: a few thousand make up most of VQAv2. Ours


def normalise(answer: str, rule: Rule = "published") -> str:
    """The form in which answers are compared."""
    return _normalised(answer, rule)


def vqa_eval_form(answer: str) -> str:
    """What the official VQAEval makes of an answer before it compares: `normalise` without its first step."""
    return _vqa_eval_form(answer)


@lru_cache(maxsize=_CACHED)
def _normalised(answer: str, rule: Rule) -> str:
    text = answer.lower()
    if rule == "strict":
        text = text.replace("\u2019", "'")
    text = text.replace(",", "").replace("?", "")
    if rule == "published":
        text = text.replace("'s", " 's")
    return _words(_without_punctuation(_one_line(text.strip()), rule), rule)


@lru_cache(maxsize=_CACHED)
def _vqa_eval_form(answer: str) -> str:
    return _words(_without_punctuation(_one_line(answer), "published"), "published")


def without_punctuation(answer: str) -> str:
    """The one step of the published form that other scripts share: on one line, punctuation and periods off."""
    return _without_punctuation(_one_line(answer), "published")


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _without_punctuation(text: str, rule: Rule) -> str:
    """Each mark is deleted where any of its kind touches a space, or a comma stands in a number; else it is a space."""
    in_number = _NUMBER_WITH_COMMA.search(text) is not None
    out = text
    for mark in _PUNCTUATION:
        if mark in text:
            touches = f"{mark} " in text or f" {mark}" in text
            out = out.replace(mark, "" if touches or in_number else " ")
    return _PERIOD.sub("", out, count=_PERIODS_AT_MOST if rule == "published" else 0)


def _words(text: str, rule: Rule) -> str:
    contractions = _contractions()
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    kept = (contractions.get(word, word) for word in words if word not in _ARTICLES)
    return " ".join("somebodyd" if rule == "published" and word == "somebody'd" else word for word in kept)


@cache
def _contractions() -> Mapping[str, str]:
    table = {}
    for right in _CONTRACTIONS.split():
        for place, character in enumerate(right):
            if character == "'":
                table[right[:place] + right[place + 1 :]] = right
    return MappingProxyType(table)
