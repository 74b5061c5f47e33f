"""Pictures in a line someone typed, pasted or dropped into the terminal: paths and addresses. Fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

# What a path has to end in to be taken out of a sentence; `/image PATH` takes any file.
_SUFFIX = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?)(?![\w/\\])", re.IGNORECASE)
_QUOTES = "'\""
# An address, up to what cannot be in one or ends the sentence it stands in.
_ADDRESS = re.compile(r"https?://[^\s'\"<>]*[^\s'\"<>.,;:!?)]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TypedLine:
    """`text` without the `pictures`, paths and addresses in order; `missing` look like pictures but are no files.

    Those stay in the text.
    """

    text: str
    pictures: tuple[str, ...]
    missing: tuple[str, ...]


def is_address(picture: str) -> bool:
    """Whether a picture is named by its address."""
    return picture[:8].lower() == "https://"


def read_line(line: str, wanted: Callable[[str], bool] = lambda _: False) -> TypedLine:
    """Take the pictures out of a line.

    A path may be bare (also with spaces, as far as a file of that name exists), quoted, with escaped spaces as
    terminals write dropped files, begin with `~` or `file://`. The longest existing one wins. An https address whose
    path ends as pictures do is one if it is `wanted`, else text like any other address.
    """
    kept, pictures, missing, position = [], [], [], 0
    passed = 0  # no path begins before this; what lies between `position` and it stays text
    addresses = {address.start(): address for address in _ADDRESS.finditer(line)}
    for suffix in _SUFFIX.finditer(line):
        if suffix.end() <= max(position, passed):
            continue
        inside = [each for each in addresses.values() if each.start() < suffix.end() <= each.end()]
        if inside:
            start, end = inside[0].span()
            passed = end
            if not (_shows_picture(inside[0][0]) and wanted(inside[0][0])):
                continue
            found: str | None = inside[0][0]
        else:
            end = suffix.end()
            start, found = _path_before(line, max(position, passed), end)
        if found is None:
            missing.append(line[max(position, passed) : end].rsplit(maxsplit=1)[-1].strip(_QUOTES))
            continue
        if start > position and line[start - 1] in _QUOTES and line[end : end + 1] == line[start - 1]:
            start, end = start - 1, end + 1
        kept.append(line[position:start])
        pictures.append(found)
        position = end
    kept.append(line[position:])
    text = " ".join(piece.strip() for piece in kept if piece.strip())
    return TypedLine(re.sub(r" (?=[?.!,;:](?:\s|$))", "", text) if pictures else text, tuple(pictures), tuple(missing))


def _shows_picture(address: str) -> bool:
    """Whether the path of an address, without its query, ends as pictures do; and whether it is https."""
    path = re.split(r"[?#]", address, maxsplit=1)[0]
    return is_address(address) and any(suffix.end() == len(path) for suffix in _SUFFIX.finditer(path))


def _path_before(line: str, begin: int, end: int) -> tuple[int, str | None]:
    """Where the longest path that ends at `end` and is a file begins, and the file; None when there is none."""
    for match in re.finditer(r"^|[\s'\"(]", line[begin:end]):
        path = _existing(line[begin + match.end() : end])
        if path is not None:
            return begin + match.end(), path
    return begin, None


def path_of(written: str) -> Path:
    """The path someone wrote: quotes, escapes, `~` and `file://` undone."""
    text = written.strip()
    if len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0]:
        text = text[1:-1]
    if text.startswith("file://"):
        return Path(unquote(text.removeprefix("file://").removeprefix("localhost")))
    return Path(text).expanduser()


def _existing(written: str) -> str | None:
    """The file that is meant: as written, else with the shell's backslashes or its `'\\''` undone."""
    for text in (written, re.sub(r"\\(.)", r"\1", written), written.replace("'\\''", "'")):
        try:
            path = path_of(text)
            if path.is_file():
                return str(path)
        except (OSError, RuntimeError, ValueError):  # a name too long, an unknown ~user, a zero byte
            return None
    return None
