"""Records that are LLaVA's JSON already: read one by one, handed on as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chiasm.data.records import RecordFile
from chiasm.data.sources._source import Record, Release


def passing_through(path: Path, release: Release) -> Iterator[Record]:
    """The records of a JSON list or of JSON lines; what is no object is dropped. A missing id becomes a number."""
    file = RecordFile(path)
    for number, record in enumerate(file):
        if isinstance(record, dict):
            yield record if "id" in record else {"id": f"{path.stem}-{number}", **record}
        else:
            release.drop(f"record {number}", "not a record", f"expected an object, found {type(record).__name__}")
    if file.torn:
        release.drop(f"record {len(file)}", "torn", file.torn)
