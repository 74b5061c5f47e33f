"""What a painter is, and the few colours that many of them share."""

from __future__ import annotations

from collections.abc import Callable

from chiasm.scenes.drawing.canvas import PAINTS, Pen, Rgb, shade
from chiasm.scenes.scene import Thing

Painter = Callable[[Pen, Thing], None]
"""Draws one thing on a pen of its box: facing right, touching all four sides, mostly in the thing's colour."""

DARK: Rgb = (38, 36, 42)
METAL: Rgb = (122, 128, 136)
GLASS: Rgb = (178, 214, 236)
PAPER: Rgb = (248, 246, 238)
GLOW: Rgb = (255, 236, 140)


def edge_of(colour: str) -> Rgb:
    """For lines within a shape of `colour` that must show on it: darker, but lighter on black."""
    return shade(PAINTS[colour], 0.28)
