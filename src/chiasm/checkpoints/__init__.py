"""Checkpoints in and out: the Hugging Face and the original LLaVA layout, stage-1 connectors, separate backbones.

A folder says what it is; nothing is inferred from its name. Reading never runs code from a checkpoint. This package
knows nothing about generation, training or data.
"""

from __future__ import annotations

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
