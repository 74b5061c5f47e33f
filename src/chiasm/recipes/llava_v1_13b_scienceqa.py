"""LLaVA v1, 13B, on ScienceQA: 12 epochs of reasoning first, then the answer."""

from __future__ import annotations

from chiasm.recipes import _llava
from chiasm.training.config import Recipe


def recipe() -> Recipe:
    """The published run."""
    return _llava.v1_scienceqa("13b")
