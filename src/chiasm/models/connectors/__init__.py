"""Connectors: one file each, found by file name. Each file's `build` makes the module that joins tower and language."""

from __future__ import annotations

from typing import cast

from torch import nn

from chiasm.registry import Registry

REGISTRY = Registry("chiasm.models.connectors", "connector", ("build",))


def build(name: str, vision_width: int, language_width: int) -> nn.Module:
    """The connector `name`: (..., vision_width) -> (..., language_width), freshly initialised."""
    component = REGISTRY.find(name)
    return cast("nn.Module", component.module.build(vision_width, language_width, *component.numbers))
