"""The teacher wrote in another language than it was asked to.

Known are English and Chinese, told apart by script and, for English against other languages in Latin letters, by the
share of its most frequent words. A name or a sign quoted in another script is no mismatch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chiasm.synthesis.checks._reading import Reading, quoted

ORDER = 40

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# Scripts that neither English nor Chinese is written in: Greek, Cyrillic, Hebrew, Arabic, Indic, Thai, kana, Hangul.
_OTHER = re.compile(r"[\u0370-\u052f\u0590-\u06ff\u0900-\u0e7f\u3041-\u30fa\u30fc-\u30ff\uac00-\ud7af]+")
_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’][a-z]+)?")
_FREQUENT_WORDS = (
    "the of and to a in is it that for on are with as be this there not at by from or an can they which one was have "
    "has its their his her he she yes no you your image picture while two could might may these who more such also"
)
_FREQUENT = frozenset(_FREQUENT_WORDS.split())
_SENTENCE = 12  # words; fewer say too little about their language
_ENGLISH = 0.15  # share of frequent words: 0.3 to 0.6 in English answers, below 0.1 in French, German and Spanish ones
_PHRASE = 3  # Latin words without any Chinese: "NBA", "Coca Cola" may stand alone
_QUOTED = 0.3  # share of a text that may be in another script, as signs and names are


def check(reading: Reading) -> Iterator[str]:
    """Each text in another language, with how it begins."""
    find = _not_chinese if reading.sample.language == "zh" else _not_english
    for text in reading.texts:
        if (what := find(text)) is not None:
            yield f"{what}: {quoted(text[:40])}"


def _not_english(text: str) -> str | None:
    if not text.isascii():
        foreign = len(_HAN.findall(text)) + sum(map(len, _OTHER.findall(text)))
        if foreign > _QUOTED * sum(map(str.isalpha, text)):
            return "not in English"
    words = _WORD.findall(text.lower())
    if len(words) >= _SENTENCE and sum(map(_FREQUENT.__contains__, words)) < _ENGLISH * len(words):
        return "not in English"
    return None


def _not_chinese(text: str) -> str | None:
    num_han = len(_HAN.findall(text))
    words = _WORD.findall(text)
    if sum(map(len, _OTHER.findall(text))) > _QUOTED * max(1, num_han):
        return "not in Chinese"
    if not num_han:
        common = any(word.lower() in _FREQUENT for word in words if not word.isupper())
        return "not in Chinese" if common or len(words) >= _PHRASE else None
    # A Chinese word has about two characters, so words are compared with half as many.
    return "not in Chinese" if len(words) > max(_PHRASE, num_han / 2) else None
