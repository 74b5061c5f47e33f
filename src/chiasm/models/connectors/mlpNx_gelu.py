"""N linear layers with exact GELU between them; `mlp2x_gelu` is LLaVA-1.5's (arXiv 2310.03744, section 3.2)."""

from __future__ import annotations

from torch import nn

from chiasm.errors import UserError


def build(vision_width: int, language_width: int, num_layers: int) -> nn.Module:
    """(..., vision_width) -> (..., language_width); raises `UserError` for no layers."""
    if num_layers < 1:
        raise UserError("a connector mlpNx_gelu needs at least one layer: mlp1x_gelu is linear, mlp2x_gelu LLaVA-1.5's")
    layers: list[nn.Module] = [nn.Linear(vision_width, language_width)]
    for _ in range(num_layers - 1):
        layers += [nn.GELU(), nn.Linear(language_width, language_width)]
    return nn.Sequential(*layers)
