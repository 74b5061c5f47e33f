"""LLaVA-1.5, 7B: MLP connector, CLIP-L/14 at 336 pixels, Vicuna 1.5."""

from __future__ import annotations

from chiasm.recipes import _llava
from chiasm.training.config import Recipe


def recipe() -> Recipe:
    """The published run."""
    return _llava.v15("7b")
