"""LLaVA v1, 13B: as the 7B, with the same learning rates and batches."""

from __future__ import annotations

from chiasm.recipes import _llava
from chiasm.training.config import Recipe


def recipe() -> Recipe:
    """The published run."""
    return _llava.v1("13b")
