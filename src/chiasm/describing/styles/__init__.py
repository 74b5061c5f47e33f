"""Styles of description: one file each, found by file name. A style says what is asked and how the answer is read.

A new style is one new file with a `STYLE`. On the command line `_` may be written `-`.
"""

from __future__ import annotations

from chiasm.describing.styles._style import Style, Written
from chiasm.errors import UserError, suggest
from chiasm.registry import Registry

REGISTRY = Registry("chiasm.describing.styles", "style", ("STYLE",))

__all__ = ["REGISTRY", "Style", "Written", "find", "names"]


def names() -> list[str]:
    """The styles as they are written on the command line: `alt-text`."""
    return [name.replace("_", "-") for name in REGISTRY.names()]


def find(name: str) -> Style:
    """The style called `name`, with `-` or `_`: the `STYLE` of its file. Raises `UserError` when there is none."""
    if "." not in name and name.replace("_", "-") not in names():
        raise UserError(f"no style called '{name}': {suggest(name, names())}; or write your own prompt: --prompt FILE")
    style = REGISTRY.find(name if "." in name else name.replace("-", "_")).module.STYLE
    if not isinstance(style, Style):
        raise TypeError(f"{name}.STYLE must be a chiasm.describing.styles.Style, not {type(style).__name__}")
    return style
