"""Kinds of samples: one file each, found by file name. A kind says what a teacher is told and how its reply is read.

A new kind is one new file with a `KIND`.
"""

from __future__ import annotations

from chiasm.registry import Registry
from chiasm.synthesis.kinds._kind import Kind, Parsed, Prompt, Shot, WrongFormat

REGISTRY = Registry("chiasm.synthesis.kinds", "kind", ("KIND",))

__all__ = ["REGISTRY", "Kind", "Parsed", "Prompt", "Shot", "WrongFormat", "find"]


def find(name: str) -> Kind:
    """The kind called `name`: the `KIND` of the file of that name. Raises `UserError` when there is none."""
    kind = REGISTRY.find(name).module.KIND
    if not isinstance(kind, Kind):
        raise TypeError(f"{name}.KIND must be a chiasm.synthesis.kinds.Kind, not {type(kind).__name__}")
    return kind
