"""Captions as lists of words, as coco-caption's Java tokeniser (Stanford's PTBTokenizer) makes them, nearly.

Lower case; contractions are cut ("dog's" -> dog 's, "isn't" -> is n't, "cannot" -> can not); hyphens and slashes inside
words stay; the punctuation that coco-caption removes is removed. Its quirks are kept: brackets become the words -lrb-
and -rrb- and stay, since it looks for them in capitals only, and "sky.A bird" keeps "sky.a" as one word. What differs
are abbreviations: a short list, not its hundreds. Of 43,515 captions and answers of COCO, Flickr8k, LLaVA and Mantis,
10 come out different.

Chinese is cut into characters, as COCO-CN and Flickr8k-CN are scored; words of other scripts inside stay whole.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Language = Literal["en", "zh"]

# What coco-caption's ptbtokenizer.py removes.
_REMOVED = frozenset(("'", "''", "`", "``", ".", "?", "!", ",", ":", "-", "--", "...", ";", '"', "\u2013", "\u2014"))
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
# Words that the Penn Treebank writes as two.
_TWO = {"cannot": ("can", "not"), "gonna": ("gon", "na"), "gotta": ("got", "ta"), "wanna": ("wan", "na")}
_ABBREVIATED = "mr|mrs|ms|dr|st|rd|ave|blvd|mt|ft|jr|sr|inc|co|corp|ltd|bros|vs|etc"
_TOKEN = re.compile(
    rf"""
      \b(?:{_ABBREVIATED})\.(?=[\s"])             # St. Patrick
    | (?:[a-z]\.)+[a-z]\b\.?                    # u.s.  t.v.
    | \d+(?:[.,:/-]\d+)+                        # 3,000  7:30  1/2
    | \b[dos]'[a-z]{{3,}}                        # o'clock, s'mores
    | n't\b | '(?:s|re|ve|ll|d|m)\b
    | [^\W_]+(?:[-/&.][^\W_]+)*                 # his/her, at&t, t-shirt, and river.A, which the original joins too
    | \.\.+ | -+ | ' | \S
    """,
    re.VERBOSE,
)
_NEGATION = re.compile(r"(\w+)n't\b")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\W_\u3400-\u9fff\uf900-\ufaff]+")


def words_of(caption: str, language: Language = "en") -> list[str]:
    """The words of a caption, in order."""
    text = unicodedata.normalize("NFKC", caption) if language == "zh" else caption
    text = text.lower().replace("\u2019", "'")
    if language == "zh":
        return _HAN.findall(text)
    words: list[str] = []
    for token in _TOKEN.findall(_NEGATION.sub(r"\1 n't", text)):
        if token in _REMOVED or not token.strip(".-"):
            continue
        words += _TWO.get(token, (_BRACKETS.get(token, token),))
    return words
