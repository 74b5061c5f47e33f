"""Text written by models and strangers, made harmless to a terminal. It knows neither terminals nor who wrote the text.

A terminal obeys control characters (C0, DEL, C1: an escape sequence may rename the window, fill the clipboard, answer
questions), and Unicode's embeddings, overrides and isolates make text read otherwise than it is (CVE-2021-42574).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

# C0 without tab and newline, DEL, C1, the line and paragraph separators, and what sets the direction of writing. The
# lone marks (U+200E, U+200F, U+061C) and joiners stay: Arabic, Hebrew and Hindi need them.
_COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400  # Unicode's block of visible stand-ins for C0: U+241B is an "ESC" in one letter


def harmless(text: str) -> str:
    """`text` with what could command a terminal shown instead of obeyed: ESC as "␛", an override as "<U+202E>".

    Tabs and newlines stay; a carriage return, which lets a line be written over, is left out.
    """
    return _COMMANDING.sub(_shown, text)


def json_line(record: Mapping[str, object]) -> str:
    """`record` as one line of JSON without its newline, readable in any script, safe to print and to encode as UTF-8.

    What could command a terminal, and half surrogate pairs, stand there as JSON's own escapes: nothing is lost.
    """
    # These characters can only stand inside JSON's strings, where an escape means the same.
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(record, ensure_ascii=False))


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x0D:
        return ""
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<U+{code:04X}>"
