"""Checkpoints in and out: the Hugging Face and the original LLaVA layout, stage-1 connectors, separate backbones.

A folder says what it is; nothing is inferred from its name. Reading never runs code from a checkpoint. This package
knows nothing about generation, training or data. A name is imported when it is first asked for: the files here that
need no torch can be used without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chiasm.checkpoints.adapter import Adapter
    from chiasm.checkpoints.backbones import load_backbones, read_language
    from chiasm.checkpoints.checkpoint import Checkpoint
    from chiasm.checkpoints.connector_files import read_connector, write_connector
    from chiasm.checkpoints.familiar_file import read_familiarity, write_familiarity
    from chiasm.checkpoints.folder import convert, describe, load, load_processor, save
    from chiasm.checkpoints.lora import holds_adapters, save_adapter
    from chiasm.checkpoints.towers import read_tower

__all__ = [
    "Adapter",
    "Checkpoint",
    "convert",
    "describe",
    "holds_adapters",
    "load",
    "load_backbones",
    "load_processor",
    "read_connector",
    "read_familiarity",
    "read_language",
    "read_tower",
    "save",
    "save_adapter",
    "write_connector",
    "write_familiarity",
]

_HOMES = {
    "Adapter": "adapter",
    "Checkpoint": "checkpoint",
    "convert": "folder",
    "describe": "folder",
    "holds_adapters": "lora",
    "load": "folder",
    "load_backbones": "backbones",
    "load_processor": "folder",
    "read_connector": "connector_files",
    "read_familiarity": "familiar_file",
    "read_language": "backbones",
    "read_tower": "towers",
    "save": "folder",
    "save_adapter": "lora",
    "write_connector": "connector_files",
    "write_familiarity": "familiar_file",
}


def __getattr__(name: str) -> object:
    """A name of `__all__`, from its file."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
