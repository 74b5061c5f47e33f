"""Paths of pictures in a line someone typed, pasted or dropped into the terminal. Text and file names only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

# What a path has to end in to be taken out of a sentence; `/image PATH` takes any file.
_SUFFIX = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?)(?![\w/\\])", re.IGNORECASE)
_QUOTES = "'\""


@dataclass(frozen=True, slots=True)
class TypedLine:
    """`text` without the paths of `pictures`; `missing` look like pictures but are no files, and stay in the text."""

    text: str
    pictures: tuple[str, ...]
    missing: tuple[str, ...]


def read_line(line: str) -> TypedLine:
    """Take the pictures out of a line.

    A path may be bare (also with spaces, as far as a file of that name exists), quoted, with escaped spaces as
    terminals write dropped files, begin with `~` or `file://`. The longest existing one wins.
    """
    kept, pictures, missing, position = [], [], [], 0
    for suffix in _SUFFIX.finditer(line):
        if suffix.end() <= position:
            continue
        starts = [m.end() for m in re.finditer(r"^|[\s'\"(]", line[position : suffix.end()])]
        for start in sorted({position + start for start in starts}):
            path = _existing(line[start : suffix.end()])
            if path is not None:
                end = suffix.end()
                if start > position and line[start - 1] in _QUOTES and line[end : end + 1] == line[start - 1]:
                    start, end = start - 1, end + 1
                kept.append(line[position:start])
                pictures.append(path)
                position = end
                break
        else:
            missing.append(line[position : suffix.end()].rsplit(maxsplit=1)[-1].strip(_QUOTES))
    kept.append(line[position:])
    text = " ".join(piece.strip() for piece in kept if piece.strip())
    return TypedLine(re.sub(r" (?=[?.!,;:](?:\s|$))", "", text) if pictures else text, tuple(pictures), tuple(missing))


def path_of(written: str) -> Path:
    """The path someone wrote: quotes, escapes, `~` and `file://` undone."""
    text = written.strip()
    if len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0]:
        text = text[1:-1]
    if text.startswith("file://"):
        return Path(unquote(text.removeprefix("file://")))
    return Path(text).expanduser()


def _existing(written: str) -> str | None:
    """The file that is meant: as written, else with the shell's backslashes taken away."""
    for text in (written, re.sub(r"\\(.)", r"\1", written)):
        try:
            path = path_of(text)
            if path.is_file():
                return str(path)
        except (OSError, RuntimeError, ValueError):  # a name too long, an unknown ~user, a zero byte
            return None
    return None
