"""The shapes releases come in (a list, an object of lists, an object of records), read one entry at a time.

Also the reading of single fields, so that what is damaged is told by a short word and a sentence. Knows no set.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.records import JsonText
from chiasm.errors import UserError


def listed(path: Path) -> Iterator[Any]:
    """The entries of a file that is one JSON list."""
    text = _opened(path)
    if text.peek() != "[":
        raise UserError(f"{path}: expected a list; it begins with {text.peek()!r}. Is it the file of another set?")
    yield from text.array()


def members(path: Path) -> Iterator[tuple[str, Any]]:
    """The (name, value) pairs of a file that is one JSON object."""
    text = _opened(path)
    for name in _names(text, path):
        yield name, text.value()


def sections(path: Path, *wanted: str) -> Iterator[tuple[str, Any]]:
    """(section, entry) for every entry of the lists that a JSON object holds under the names `wanted`.

    In the order of the file. Raises `UserError` when one of them is not there.
    """
    text, found = _opened(path), []
    for name in _names(text, path):
        found.append(name)
        if text.peek() == "[":  # also those not wanted: COCO's annotations are too big to be one value
            for entry in text.array():
                if name in wanted:
                    yield name, entry
        else:
            text.value()
    if absent := [name for name in wanted if name not in found]:
        there = ", ".join(repr(name) for name in found[:8]) or "nothing"
        raise UserError(f"{path}: expected a list under {absent[0]!r}, found {there}. Is it the file of another set?")


def entries(path: Path, section: str, called: str) -> Iterator[tuple[str, Any]]:
    """The list under `section` as named entries: ("`called` 0", entry), ..."""
    for number, (_, entry) in enumerate(sections(path, section)):
        yield f"{called} {number}", entry


def _opened(path: Path) -> JsonText:
    try:
        text = JsonText(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    text.skip_space()
    return text


def _names(text: JsonText, path: Path) -> Iterator[str]:
    """The names of an object, the text standing at each value in turn."""
    if text.peek() != "{":
        raise UserError(f"{path}: expected an object; it begins with {text.peek()!r}. Is it the file of another set?")
    text.take("{")
    text.skip_space()
    more = text.peek() != "}"
    while more:
        name = text.value()
        if not isinstance(name, str):
            raise UserError(f"{path}: a name was expected at byte {text.byte_offset}: not a whole JSON object")
        text.skip_space()
        text.take(":")
        text.skip_space()
        yield name
        text.skip_space()
        if more := text.peek() != "}":
            text.take(",")
            text.skip_space()
    text.take("}")


# ---- single fields ---------------------------------------------------------------------------------------------------


def words(entry: Any, key: str) -> str:
    """The text under `key`, stripped; raises `RecordError` ("missing field") where there is none."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise RecordError("missing field", f"expected text under {key!r}, found {_shown(value)}")
    return value.strip()


def number(entry: Any, key: str) -> int:
    """The whole number under `key`, which sets also write as text; raises `RecordError` ("missing field")."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 62:
        raise RecordError("missing field", f"expected a whole number under {key!r}, found {_shown(value)}")
    return value


def texts(entry: Any, key: str) -> list[str]:
    """The list of texts under `key`; raises `RecordError` ("missing field")."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecordError("missing field", f"expected a list of texts under {key!r}, found {_shown(value)}")
    return value


def numbers(value: Any, count: int, called: str) -> list[float]:
    """`count` finite numbers; raises `RecordError` ("bad box")."""
    good = isinstance(value, list) and len(value) == count
    if not good or not all(
        isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item) for item in value
    ):
        raise RecordError("bad box", f"expected {count} numbers under {called!r}, found {_shown(value)}")
    return [float(item) for item in value]


def _shown(value: Any) -> str:
    # reprlib: a value may be nested so that its text would never end.
    return "nothing" if value is None else reprlib.repr(value)[:80]
