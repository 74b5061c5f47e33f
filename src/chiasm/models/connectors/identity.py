"""No connector: for towers whose features already have the language model's width (LLaVA's builder.py, `identity`)."""

from __future__ import annotations

from torch import nn

from chiasm.errors import UserError


def build(vision_width: int, language_width: int) -> nn.Module:
    """(..., width) -> the same; raises `UserError` when the widths differ."""
    if vision_width != language_width:
        raise UserError(
            f"connector 'identity' needs equal widths, but the tower gives {vision_width} and the language model takes "
            f"{language_width}. Use 'linear' or 'mlp2x_gelu'"
        )
    return nn.Identity()
