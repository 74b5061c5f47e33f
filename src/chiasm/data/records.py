"""A file of records, JSON list or JSON lines, read one record at a time.

LLaVA's 665K file is a gigabyte of JSON; parsed whole it takes several times that. Here one pass finds where each record
stands, and a record is read when it is asked for, so memory does not grow with the file. Nothing is known about what a
record means.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import os
import stat
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chiasm.errors import UserError

_CHUNK = 4 << 20  # bytes read at a time
MAX_RECORD = 64 << 20  # characters of a list's record, bytes of a line; a longer one is damage, not data


class RecordFile:
    """The records of a file by index. Raises `UserError` with the byte offset where the file stops being JSON.

    A last line of JSON lines without its end is left out and named in `torn`, as a run killed while writing leaves it.
    A file that changes while it is in use raises `UserError` at the next record that is read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            status = self.path.stat()
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}. Expected a JSON list or JSON lines") from None
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{self.path} is not a file. Expected a JSON list or JSON lines of records")
        self.torn: str | None = None
        self.is_list = False
        self._state = _state(status)
        self._offsets, self._lengths = array("q"), array("q")
        for offset, length in self._scan():
            self._offsets.append(offset)
            self._lengths.append(length)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Any:
        """The record at `index`, parsed."""
        offset, length = self._offsets[index], self._lengths[index]
        with self._open() as file:
            file.seek(offset)
            return json.loads(file.read(length))

    def __iter__(self) -> Iterator[Any]:
        with self._open() as file:
            for offset, length in zip(self._offsets, self._lengths, strict=True):
                file.seek(offset)
                yield json.loads(file.read(length))

    def _open(self) -> BinaryIO:
        """The file, which must still be the one whose records were found."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise UserError(f"{self.path} can no longer be read: {error.strerror}. Put it back") from None
        if _state(os.fstat(file.fileno())) != self._state:
            file.close()
            raise UserError(f"{self.path} changed while it was being read. Put the old file back, or begin anew")
        return file

    def digest(self) -> str:
        """SHA-256 of the file: a run that resumes asks whether its data is still the same."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _scan(self) -> Iterator[tuple[int, int]]:
        """Byte offset and length of each record."""
        with self.path.open("rb") as file:
            start = file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()
            while not start and (more := file.read(_CHUNK)):
                start = more.lstrip()
        if not start:
            raise UserError(f"{self.path} is empty. Expected a JSON list or JSON lines of records")
        self.is_list = start.startswith(b"[")
        yield from self._scan_list() if self.is_list else self._scan_lines()

    def _scan_lines(self) -> Iterator[tuple[int, int]]:
        end, found = 0, False
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_RECORD + 1), b""), start=1):
                begin, end = end, end + len(line)
                if len(line) > MAX_RECORD:
                    raise UserError(
                        f"{self.path}: line {number} (byte {begin}) is longer than {MAX_RECORD:,} bytes. "
                        "Expected a JSON list or one record a line"
                    )
                if number == 1 and line.startswith(codecs.BOM_UTF8):
                    begin += len(codecs.BOM_UTF8)
                    line = line.removeprefix(codecs.BOM_UTF8)
                if not line.strip():
                    continue
                try:
                    _DECODER.decode(line.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    whole = line.endswith(b"\n") or isinstance(error, _Refused | RecursionError)
                    if found and not whole:
                        self.torn = f"{self.path}: line {number} (byte {begin}) is torn off and was left out"
                        return
                    hint = "" if found else " Expected a list of records, or one record a line"
                    raise UserError(f"{self.path}: line {number} (byte {begin}) is not JSON: {error}.{hint}") from None
                found = True
                yield begin, end - begin

    def _scan_list(self) -> Iterator[tuple[int, int]]:
        text = JsonText(self.path)
        text.skip_space()
        text.take("[")
        text.skip_space()
        more = text.peek() != "]"
        while more:
            begin = text.byte_offset
            text.value()
            yield begin, text.byte_offset - begin
            text.skip_space()
            if more := text.peek() != "]":
                text.take(",")
                text.skip_space()
        text.take("]")
        text.skip_space()
        if text.peek():
            raise UserError(f"{self.path}: expected the end of the file behind the list, at byte {text.byte_offset}")


class JsonText:
    """A JSON file as text to step through, with as little of it in memory as the current value needs.

    A file called `.gz` is unpacked on the way; offsets are then those of the unpacked text.
    Every step raises `UserError` with the byte offset where the file is not what was expected.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chunks = self._read()
        self._text, self._at = "", 0
        self.byte_offset = 0
        if self.peek() == "\ufeff":
            self._advance(1)

    def _read(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        position = 0
        with gzip.open(self._path) if self._path.suffix == ".gz" else self._path.open("rb") as file:
            while chunk := self._next_bytes(file):
                try:
                    yield decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    raise UserError(f"{self._path}: not UTF-8 near byte {position + error.start}") from None
                position += len(chunk)
            if decoder.getstate()[0]:
                raise UserError(f"{self._path}: the file ends inside a character, near byte {position}")

    def _next_bytes(self, file: io.BufferedIOBase) -> bytes:
        try:
            return file.read(_CHUNK)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{self._path} is not a whole gzip file: {error}. Fetch it again") from None

    def _extend(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text, self._at = self._text[self._at :] + chunk, 0
        return True

    def _advance(self, count: int) -> None:
        self.byte_offset += len(self._text[self._at : self._at + count].encode("utf-8"))
        self._at += count

    def peek(self) -> str:
        """The next character, empty at the end of the file."""
        while self._at >= len(self._text):
            if not self._extend():
                return ""
        return self._text[self._at]

    def take(self, expected: str) -> None:
        """Step over `expected` or raise `UserError` with the place."""
        found = self.peek()
        if found != expected:
            what = f"{found!r} stands" if found else "the file ends"
            raise UserError(
                f"{self._path}: {what} at byte {self.byte_offset}, expected {expected!r}: not a whole JSON list"
            )
        self._advance(1)

    def skip_space(self) -> None:
        """Step over white space."""
        while (character := self.peek()) and character in " \t\r\n":
            self._advance(1)

    def array(self) -> Iterator[Any]:
        """The values of the array that stands here, one at a time; steps over it."""
        self.take("[")
        self.skip_space()
        more = self.peek() != "]"
        while more:
            yield self.value()
            self.skip_space()
            if more := self.peek() != "]":
                self.take(",")
                self.skip_space()
        self.take("]")

    def value(self) -> Any:
        """Parse and step over one JSON value."""
        if not self.peek():
            raise UserError(f"{self._path}: the file ends at byte {self.byte_offset}, expected a record")
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                # A number near the window's end may go on behind it: 12|3, 1e+|5.
                if isinstance(value, int | float) and len(self._text) - end <= len("e+") and self._extend():
                    continue
                self._advance(end - self._at)
                return value
            except (ValueError, RecursionError) as error:
                too_long = len(self._text) - self._at > MAX_RECORD
                if too_long or isinstance(error, RecursionError | _Refused) or not self._extend():
                    raise UserError(
                        f"{self._path}: the record at byte {self.byte_offset} is not JSON: {error}"
                    ) from None


class _Refused(ValueError):
    """Something JSON readers accept and a data file should not hold."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Refused(f"the key {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return result


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _state(status: os.stat_result) -> tuple[int, int]:
    """What tells one version of a file from another without reading it."""
    return status.st_size, status.st_mtime_ns
