"""One linear layer with bias: LLaVA v1 (arXiv 2304.08485, section 4.1)."""

from __future__ import annotations

from torch import nn


def build(vision_width: int, language_width: int) -> nn.Module:
    """(..., vision_width) -> (..., language_width)."""
    return nn.Sequential(nn.Linear(vision_width, language_width))
