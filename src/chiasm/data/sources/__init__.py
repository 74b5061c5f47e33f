"""Sources: one file each, found by file name. A source turns a data set's own files into LLaVA's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from chiasm.data.sources._source import Absent, Drop, Needed, Record, Release, Source, locate
from chiasm.registry import Registry

REGISTRY = Registry("chiasm.data.sources", "source", ("SOURCE",))

__all__ = ["REGISTRY", "Absent", "Drop", "Needed", "Record", "Release", "Source", "find", "locate", "recognise"]


def find(name: str) -> Source:
    """The source called `name`: the `SOURCE` of the file of that name."""
    source = REGISTRY.find(name).module.SOURCE
    if not isinstance(source, Source):
        raise TypeError(f"{name}.SOURCE must be a chiasm.data.sources.Source, not {type(source).__name__}")
    return source


def recognise(record: Mapping[str, Any]) -> str | None:
    """The source a record of the published mixture was made from, None where none of ours knows it.

    By its folder of pictures, its prompts and its keys. VQAv2 and OK-VQA share all of these and are told apart by how
    many questions a picture has: VQAv2's training pictures have three or more, OK-VQA's one or two.
    """
    return next((name for name, source in _all() if source.recognises(record)), None)


@cache
def _all() -> tuple[tuple[str, Source], ...]:
    return tuple((name, find(name)) for name in REGISTRY.names())
