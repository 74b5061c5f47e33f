"""Where descriptions go: a file of rows, a text file beside each picture, or a stream. Nothing is overwritten.

What one run wrote the next finds, so that the same command goes on after a kill.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from chiasm.describing.description import Brief, Description, differing
from chiasm.describing.discovery import Sidecars, is_there, key_of
from chiasm.describing.row_formats import FORMATS, ForeignFileError
from chiasm.errors import UserError
from chiasm.harmless import json_line

_FLUSH_SECONDS = 1.0  # ours: what a power cut may cost; a killed process loses nothing that was written


class Output(Protocol):
    """A place for descriptions, used as a context. `notes` are for people."""

    notes: list[str]

    def todo(self, pictures: Iterable[str]) -> list[str]:
        """Those of `pictures` that have no description here yet."""
        ...

    def write(self, description: Description) -> None:
        """Keep one description, or why there is none."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class RowFile:
    """A file of JSON lines or CSV, one row a picture, only ever grown by whole rows; one process at a time.

    Raises `UserError` for a file that holds something else, or descriptions of another `brief`. A row that says why a
    picture failed is taken out when the picture is tried again.
    """

    def __init__(self, path: Path, brief: Brief) -> None:
        ending = path.suffix.lower()
        if ending not in FORMATS:
            raise UserError(f"{path.name} says no format: end it in {' or '.join(FORMATS)}")
        self.notes: list[str] = []
        self._named, self._brief, self._format = path, brief, FORMATS[ending]()
        self._path = Path(os.path.realpath(path))  # a link stays one
        if is_there(self._path) and not self._path.is_file():
            raise UserError(f"{path} is no file to write rows to; without -o they go to standard output")
        with _clearly(path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Kept open, and so locked, also when another file takes its name.
            self._first: IO[bytes] = self._path.open("a+b")
        self._file = self._first
        try:
            _lock(self._first, path)
            self._done, self._failed = self._read()
        except BaseException:
            self._first.close()
            raise
        self._flushed = time.monotonic()

    def todo(self, pictures: Iterable[str]) -> list[str]:
        """Those of `pictures` without a description. Rows that say why one of them failed are taken out."""
        todo = [picture for picture in pictures if self._key(picture) not in self._done]
        if again := {self._key(picture) for picture in todo} & self._failed:
            self._take_out(again)
        return todo

    def write(self, description: Description) -> None:
        """Append one row."""
        with _clearly(self._named):
            self._file.write(self._format.row(description.record(self._brief)))
            self._file.flush()
            if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
                os.fsync(self._file.fileno())
                self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _clearly(self._named), self._first, self._file:
            os.fsync(self._file.fileno())

    def _key(self, picture: str) -> str:
        return key_of(self._format.key(picture))

    def _read(self) -> tuple[set[str], set[str]]:
        """Which pictures have a description, which a reason; a torn last row is cut off."""
        done, failed, whole = set[str](), set[str](), 0
        with _clearly(self._named):
            self._first.seek(0)
            try:
                for record, end in self._format.rows(self._first):
                    whole = end
                    if differs := differing(record, self._brief):
                        raise UserError(f"{self._named} holds other descriptions: {differs}. Name another file with -o")
                    (failed if record["text"] is None else done).add(key_of(str(record["image"])))
            except ForeignFileError as error:
                raise UserError(
                    f"{self._named} was not written by `chiasm describe` ({error}). Name another file with -o"
                ) from None
            size = self._first.seek(0, os.SEEK_END)
            whole = max(whole, min(size, len(self._format.begin)))
            if whole < len(self._format.begin):
                self._first.truncate(0)
                self._first.write(self._format.begin)
                self._first.flush()
            elif whole < size:
                self._first.truncate(whole)
                self.notes.append(f"{self._named}: the last row was torn off; its picture is described again")
        return done, failed

    def _take_out(self, keys: set[str]) -> None:
        """The same file without the rows of `keys`, in one move."""
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.partial")
        with _clearly(self._named):
            try:
                file = partial.open("x+b")
                _lock(file, self._named)
                with contextlib.suppress(OSError):
                    os.fchmod(file.fileno(), self._path.stat().st_mode & 0o777)
                file.write(self._format.begin)
                self._first.seek(0)
                start = len(self._format.begin)
                with self._path.open("rb") as old:
                    for record, end in self._format.rows(self._first):
                        old.seek(start)
                        row = old.read(end - start)
                        start = end
                        if key_of(str(record["image"])) not in keys:
                            file.write(row)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(self._path)
                self._file = file
            finally:
                with contextlib.suppress(OSError):
                    partial.unlink()


class TextFiles:
    """A text file beside each picture. One that is there already is left alone, whoever wrote it."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._sidecars = Sidecars()

    def todo(self, pictures: Iterable[str]) -> list[str]:
        """Those of `pictures` without a text file."""
        return [picture for picture in pictures if not is_there(self._sidecars.path(picture))]

    def write(self, description: Description) -> None:
        """Put the text beside its picture, whole or not at all; nothing for a picture that failed."""
        if description.written is None:
            return
        path = self._sidecars.path(description.image)
        text = description.written.text.encode("utf-8", "replace") + b"\n"
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        with _clearly(path):
            try:
                with partial.open("wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(partial, path)  # unlike a rename, this never takes the place of a file that came meanwhile
                except FileExistsError:
                    self.notes.append(f"{path} came into being meanwhile and is left as it is")
                except OSError:  # a file system without hard links
                    with path.open("xb") as file:
                        file.write(text)
            finally:
                with contextlib.suppress(OSError):
                    partial.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class JsonStream:
    """JSON lines to a stream; nothing is remembered."""

    def __init__(self, stream: IO[str], brief: Brief) -> None:
        self.notes: list[str] = []
        self._stream, self._brief = stream, brief

    def todo(self, pictures: Iterable[str]) -> list[str]:
        """All of them."""
        return list(pictures)

    def write(self, description: Description) -> None:
        """One line, at once."""
        self._stream.write(json_line(description.record(self._brief)) + "\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


@contextlib.contextmanager
def _clearly(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{path}: {reason}. What was written before stays; the same command goes on") from error


def _lock(file: IO[bytes], path: Path) -> None:
    """Two processes that write one file would ask everything twice."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{path} is being written by another process. Wait for it, or name another file") from None
    except OSError:  # a file system without locks
        return
