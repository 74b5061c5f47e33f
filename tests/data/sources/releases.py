"""Turning small hand-made releases into records, as a mixture would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chiasm.data import sources

Dropped = list[tuple[str, str]]  # what a damaged piece is called, and the reason it is counted under


def convert(
    name: str, root: Path, *, seed: int = 0, files: dict[str, str] | None = None, **options: Any
) -> tuple[list[sources.Record], Dropped, sources.Release]:
    """The records of source `name` from the files below `root`, what was dropped, and the release it was read from."""
    source = sources.find(name)
    dropped: Dropped = []
    found = sources.locate(source, root, files or {})
    release = sources.Release(
        found, {**source.options, **options}, seed, lambda piece, reason, _: dropped.append((piece, reason))
    )
    return list(source.records(release)), dropped, release


def write(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def said(record: sources.Record) -> list[str]:
    return [turn["value"] for turn in record["conversations"]]
