"""Templates: one file each, found by file name. A template turns a conversation into pieces; it knows no tokenizer."""

from __future__ import annotations

from chiasm.registry import Registry
from chiasm.templates._pieces import Control, Piece, Template, Written, as_text

REGISTRY = Registry("chiasm.templates", "template", ("TEMPLATE",))

__all__ = ["REGISTRY", "Control", "Piece", "Template", "Written", "as_text", "find"]


def find(name: str) -> Template:
    """The template called `name`: the `TEMPLATE` of the file of that name."""
    template = REGISTRY.find(name).module.TEMPLATE
    if not isinstance(template, Template):
        raise TypeError(f"{name}.TEMPLATE must be a chiasm.templates.Template, not {type(template).__name__}")
    return template
