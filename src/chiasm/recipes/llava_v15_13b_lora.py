"""LLaVA-1.5, 13B, with adapters on the language model in stage 2."""

from __future__ import annotations

from chiasm.recipes import _llava
from chiasm.training.config import Recipe


def recipe() -> Recipe:
    """The published run."""
    return _llava.v15_lora("13b")
