"""How long a text is, and in which script, without a tokenizer. Knows no record."""

from __future__ import annotations

import re

# One character of Chinese, Japanese or Korean is about one word; elsewhere white space parts words.
WORD = re.compile(r"[一-鿿㐀-䶿぀-ヿ가-힯]|[^\s一-鿿㐀-䶿぀-ヿ가-힯]+")
_SCRIPTS = {
    "Chinese": re.compile(r"[一-鿿㐀-䶿]"),
    "Japanese": re.compile(r"[぀-ヿ]"),
    "Korean": re.compile(r"[가-힯ᄀ-ᇿ]"),
    "Cyrillic": re.compile(r"[Ѐ-ӿ]"),
    "Arabic": re.compile(r"[؀-ۿ]"),
    "Devanagari": re.compile(r"[ऀ-ॿ]"),
    "Greek": re.compile(r"[Ͱ-Ͽ]"),
    "Hebrew": re.compile(r"[֐-׿]"),
    "Thai": re.compile(r"[฀-๿]"),
    "Latin": re.compile(r"[A-Za-zÀ-ɏ]"),
}
_PLAIN_LATIN = re.compile(r"[A-Za-z]")


def num_words(text: str) -> int:
    """Words of a text: runs between white space, and each character of Chinese, Japanese or Korean."""
    return len(text.split()) if text.isascii() else sum(1 for _ in WORD.finditer(text))


def script(text: str) -> str:
    """The script most of a text is written in: "Latin", "Chinese", ...; "no letters" where there are none.

    Which language that is would need a dictionary: Latin letters are English here as well as French. Kana tell Japanese
    from Chinese. A character of Chinese, Japanese or Korean counts as three letters, about what it stands for.
    """
    if text.isascii():
        return "Latin" if _PLAIN_LATIN.search(text) else "no letters"
    found = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    for name in ("Chinese", "Japanese", "Korean"):
        found[name] *= 3
    if found["Japanese"]:
        found["Japanese"] += found.pop("Chinese")
    best = max(found, key=lambda name: found[name])
    return best if found[best] else "no letters"
