"""Control characters and overrides: shown to people, escaped in JSON."""

from __future__ import annotations

import json

import pytest

from chiasm.harmless import harmless, json_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x1b[2J\x1b[31m", "␛[2J␛[31m"),
        ("\x9b31m\x9d8;;https://evil\x9c", "<U+009B>31m<U+009D>8;;https://evil<U+009C>"),
        ("\x00\x08\x7f", "␀␈␡"),
        ("safe\rEVIL", "safeEVIL"),
        ("a\u202etxt.exe\u202c", "a<U+202E>txt.exe<U+202C>"),
        ("\u2066x\u2069\u2028", "<U+2066>x<U+2069><U+2028>"),
        ("हैं\u200d 中文 שלום\u200f é", "हैं\u200d 中文 שלום\u200f é"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_json_keeps_every_character_and_holds_no_command() -> None:
    text = "".join(map(chr, range(0x100))) + "\u202e\u2066\u2028\ud800中"
    line = json_line({"text": text, text: 1})
    assert json.loads(line) == {"text": text, text: 1}
    assert not [letter for letter in line if harmless(letter) != letter or letter == "\r"]
    assert "\n" not in line
    assert "中" in line
    line.encode("utf-8")
