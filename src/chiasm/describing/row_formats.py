"""How a description is one row of a file, and how the rows of such a file are read back: JSON lines and CSV.

Reading yields whole rows with the place where each ends, so that what a kill tore off can be cut away.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import IO, Protocol

from chiasm.harmless import harmless, json_line

_KEYS = {"image", "text", "style", "language", "model", "prompt"}


class ForeignFileError(Exception):
    """The file holds something else; the message says in a few words what."""


class RowFormat(Protocol):
    """A way to write rows. `begin` is what every file begins with."""

    begin: bytes

    def row(self, record: Mapping[str, object]) -> bytes:
        """`record` as one row, with its end."""
        ...

    def rows(self, file: IO[bytes]) -> Iterator[tuple[dict[str, object], int]]:
        """Every whole row from the start of `file`, and the position behind it. Raises `ForeignFileError`."""
        ...

    def key(self, image: str) -> str:
        """The picture's name as `rows` gives it back."""
        ...


class JsonLines:
    """A JSON object a line."""

    begin = b""
    _start = b'{"image": '

    def row(self, record: Mapping[str, object]) -> bytes:
        """One line; what could command a terminal is escaped, as JSON allows."""
        return json_line(record).encode() + b"\n"

    def rows(self, file: IO[bytes]) -> Iterator[tuple[dict[str, object], int]]:
        """As `RowFormat` says. A last line that is whole but for its newline does not count as whole."""
        end = 0
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                # Half of our own row begins as one; anything else is somebody's text.
                if not line.endswith(b"\n") and (line.startswith(self._start) or self._start.startswith(line)):
                    return
                raise ForeignFileError(f"line {number} is not JSON") from None
            if not isinstance(record, dict) or not record.keys() >= _KEYS or not isinstance(record["image"], str):
                raise ForeignFileError(f"line {number} is no description")
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield record, end

    def key(self, image: str) -> str:
        """JSON keeps every name."""
        return image


class Csv:
    """Comma-separated values (RFC 4180) in UTF-8 with a byte order mark, as spreadsheets read them.

    A cell that begins with = + - @ or ' has a ' in front: a spreadsheet would take what is written in a picture for a
    formula (OWASP, "CSV Injection"). Control characters are shown, not written.
    """

    _columns = ("image", "text", "tags", "style", "language", "model", "finish_reason", "error", "message", "prompt")
    begin = ("\ufeff" + ",".join(_columns) + "\n").encode()

    def row(self, record: Mapping[str, object]) -> bytes:
        """One row; tags are joined by commas, nothing is an empty cell."""
        tags = record.get("tags")
        joined = ", ".join(map(str, tags)) if isinstance(tags, list) else ""
        cells = {name: "" if record.get(name) is None else str(record[name]) for name in self._columns}
        cells["tags"] = joined
        texts = [self.key(cells["image"]), *(_cell(cells[name]) for name in self._columns[1:])]
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerow(texts)
        return written.getvalue().encode("utf-8", "surrogateescape")

    def rows(self, file: IO[bytes]) -> Iterator[tuple[dict[str, object], int]]:
        """As `RowFormat` says."""
        begin = file.read(len(self.begin))
        if begin != self.begin:
            if self.begin.startswith(begin):
                return
            raise ForeignFileError("its first line is not the columns of descriptions")
        end, pending, quotes = len(begin), b"", 0
        for line in file:
            pending, quotes = pending + line, quotes + line.count(b'"')
            if quotes % 2 or not line.endswith(b"\n"):
                continue
            end += len(pending)
            try:
                cells = next(csv.reader([pending.decode("utf-8", "surrogateescape")], strict=True))
            except (csv.Error, StopIteration) as error:
                raise ForeignFileError(f"the row that ends at byte {end} is not CSV: {error}") from None
            if len(cells) != len(self._columns):
                raise ForeignFileError(f"the row that ends at byte {end} has {len(cells)} cells")
            record: dict[str, object] = dict(zip(self._columns, map(_uncell, cells), strict=True))
            record["image"] = cells[0]
            record["text"] = None if record["error"] else record["text"]
            yield record, end
            pending, quotes = b"", 0

    def key(self, image: str) -> str:
        """The name with its apostrophe, where it needs one; bytes that are no UTF-8 pass as they are."""
        return _protected(image)


def _cell(text: str) -> str:
    return _protected(harmless(text).encode("utf-8", "replace").decode())


def _protected(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text


def _uncell(cell: str) -> str:
    return cell.removeprefix("'")


FORMATS: Mapping[str, type[RowFormat]] = {".jsonl": JsonLines, ".csv": Csv}
