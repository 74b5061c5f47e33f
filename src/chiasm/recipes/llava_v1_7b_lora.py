"""LLaVA v1, 7B, with adapters on the language model in stage 2: the preview of its time."""

from __future__ import annotations

from chiasm.recipes import _llava
from chiasm.training.config import Recipe


def recipe() -> Recipe:
    """The published run."""
    return _llava.v1_lora("7b")
