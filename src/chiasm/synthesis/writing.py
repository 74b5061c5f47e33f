"""Files that stream while they are written and get their name only when they are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from chiasm.errors import UserError
from chiasm.synthesis.sample import Box, Context


class RecordWriter:
    """Records into a JSON list, or JSON lines for a name that ends in .jsonl, one a line.

    The file appears under its name when `finish` is called; left without it, nothing of it stays. Raises `UserError`
    for what the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.num_records = path, 0
        self._lines = path.suffix == ".jsonl"
        self._partial = path.with_name(f".{path.name}.partial")
        with _disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._partial.open("wb")

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a record."""
        before = b"" if self._lines else b",\n" if self.num_records else b"[\n"
        data = json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace")
        with _disk(self.path):
            self._file.write(before + data + (b"\n" if self._lines else b""))
        self.num_records += 1

    def finish(self) -> None:
        """Give the file its name, flushed to the disk; an older one is replaced."""
        with _disk(self.path):
            if not self._lines:
                self._file.write(b"\n]\n" if self.num_records else b"[]\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self.path)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """A small JSON file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with _disk(path):
        try:
            with partial.open("wb") as file:
                file.write(json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_contexts(path: Path, contexts: Iterable[Context]) -> int:
    """Contexts as JSON lines; how many."""
    with RecordWriter(path) as writer:
        for context in contexts:
            boxes = [[box.category, box.x1, box.y1, box.x2, box.y2] for box in context.boxes]
            record = {"id": context.id, "image": context.image, "captions": context.captions, "boxes": boxes}
            writer.write({**record, "width": context.width, "height": context.height})
        writer.finish()
        return writer.num_records


def read_contexts(path: Path) -> Iterator[Context]:
    """The contexts `write_contexts` wrote."""
    with path.open("rb") as file:
        for line in file:
            record = json.loads(line)
            boxes = tuple(Box(*box) for box in record["boxes"])
            captions = tuple(record["captions"])
            yield Context(record["id"], record["image"], captions, boxes, record["width"], record["height"])


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}. Free space or choose another place") from None
