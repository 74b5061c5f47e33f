"""LLaVA v1, 7B: linear connector, CLIP-L/14 at 224 pixels, Vicuna 1.3."""

from __future__ import annotations

from chiasm.recipes import _llava
from chiasm.training.config import Recipe


def recipe() -> Recipe:
    """The published run."""
    return _llava.v1("7b")
