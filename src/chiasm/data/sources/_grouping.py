"""Values gathered by a key, kept on disk: a million questions by their picture in a few megabytes of memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self


class Groups:
    """JSON values by key, each key's in the order of `place`; to be used in a `with` block.

    The keys come out in their own order, numbers before texts. The file is a temporary one of SQLite's that vanishes
    with the block, in the folder SQLITE_TMPDIR or TMPDIR names.
    """

    def __enter__(self) -> Self:
        self._database = sqlite3.connect("")  # an unnamed file, deleted when closed
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE entry (number, place, value)")
        self._waiting: list[tuple[int | str, int, str]] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, key: int | str, place: int, value: Any) -> None:
        """Keep `value` under `key`."""
        self._waiting.append((key, place, json.dumps(value)))
        if len(self._waiting) >= 10_000:
            self._write()

    def __iter__(self) -> Iterator[tuple[int | str, list[Any]]]:
        self._write()
        group: list[Any] = []
        last: int | str | None = None
        for key, value in self._database.execute("SELECT number, value FROM entry ORDER BY number, place, rowid"):
            if group and key != last:
                assert last is not None
                yield last, group
                group = []
            last = key
            group.append(json.loads(value))
        if group:
            assert last is not None
            yield last, group

    def _write(self) -> None:
        self._database.executemany("INSERT INTO entry VALUES (?, ?, ?)", self._waiting)
        self._waiting.clear()
