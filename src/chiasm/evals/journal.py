"""Files that survive a kill: JSON lines that only ever grow by whole lines, and small files replaced in one move.

Knows nothing about questions or answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from chiasm.errors import UserError

_FLUSH_SECONDS = 1.0  # ours: what a power cut may cost; a killed process loses nothing that was written


class Journal:
    """One file of JSON lines, appended to by one process at a time.

    Opening it cuts off a torn last line, as a kill leaves it, and says so in `note`. Lines are written whole and are
    on the disk at most a second later, and when the block ends. Raises `UserError` when another process writes it, or
    when the disk takes no more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note: str | None = None
        with _clearly(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab")
        try:
            _lock(self._file, path)
            with _clearly(path):
                self._cut_torn_line()
        except BaseException:
            self._file.close()
            raise
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, record: Mapping[str, object]) -> None:
        """Write one line."""
        with _clearly(self.path):
            self._file.write(line_of(record))
            self._file.flush()
            if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
                os.fsync(self._file.fileno())
                self._flushed = time.monotonic()

    def close(self) -> None:
        """Put everything on the disk and let go of the file."""
        if not self._file.closed:
            with _clearly(self.path), self._file:
                os.fsync(self._file.fileno())

    def _cut_torn_line(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        if not size:
            return
        with self.path.open("rb") as file:
            kept, tail = size, b""
            while kept:
                begin = max(0, kept - 65536)
                file.seek(begin)
                tail = file.read(kept - begin) + tail
                if (newline := tail.rfind(b"\n")) >= 0:
                    kept = begin + newline + 1
                    break
                kept = begin
        if kept == size:
            return
        with contextlib.suppress(ValueError):  # whole but for its end: written by somebody who ends no last line
            json.loads(tail[newline + 1 :])
            self._file.write(b"\n")
            self._file.flush()
            return
        self._file.truncate(kept)
        self.note = f"{self.path}: the last line was torn off and is asked again"


def line_of(record: Mapping[str, object]) -> bytes:
    """`record` as one line of JSON; text that is no Unicode (half a surrogate pair) is written as escapes."""
    try:
        return (json.dumps(record, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(record) + "\n").encode()


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; one being written, or torn off, is left out. Nothing when there is no file.

    Raises `UserError` for a line in the middle that is no object: such a file was not written by `Journal`.
    """
    if not path.is_file():
        return
    with _clearly(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                yield record
            elif line.endswith(b"\n") and line.strip():
                raise UserError(
                    f"{path}: line {number} is no JSON object. Remove the line; its question is asked again"
                )


def write_whole(path: Path, text: str) -> None:
    """Put `text` under the name `path` in one move: there is the old file or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with _clearly(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                # Answers come from models: half a surrogate pair must not cost a report.
                file.write(text.encode("utf-8", errors="replace"))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_json(path: Path, value: object) -> None:
    """`write_whole` of `value` as indented JSON."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def alone(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether this process is the only one in the block of this `path`; with `wait`, after others have left it."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    with _clearly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            first = True
        except BlockingIOError:
            first = False
        except OSError:  # a file system without locks
            first = True
        yield first


@contextlib.contextmanager
def _clearly(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{path}: {reason}. What was saved before stays; free space or name another folder") from error


def _lock(file: IO[bytes], path: Path) -> None:
    """Two processes that write one file would ask everything twice."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{path} is being written by another process. Wait for it, or name another folder") from None
    except OSError:  # a file system without locks
        return
