"""Scenes to pictures. Knows pixels and depth order, nothing about words or files.

Everything is drawn four times too large and averaged down: that is the whole anti-aliasing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from chiasm.scenes import shapes
from chiasm.scenes.world import Background, Scene, Thing

_OVERSIZE = 4
_DIMMEST = 0.86  # brightness at a thing's foot, 1 at its top: light comes from above
_SHADOW = 46  # of 255: darkness of the shadow a thing stands on


def draw_scene(scene: Scene) -> Image.Image:
    """The picture of a scene: RGB, `scene.width` x `scene.height` pixels."""
    canvas = _draw_background(scene.background, scene.width * _OVERSIZE, scene.height * _OVERSIZE)
    for thing in scene.things:
        _draw_shadow(canvas, thing)
        painted = _paint_large(thing)
        shaded = ImageChops.multiply(painted.convert("RGB"), _dimming(painted.width, painted.height))
        canvas.paste(shaded, (thing.box.x * _OVERSIZE, thing.box.y * _OVERSIZE), painted.getchannel("A"))
    return canvas.reduce(_OVERSIZE)


def silhouette(thing: Thing) -> NDArray[np.float32]:
    """How much of every pixel of its box a thing covers, 0 to 1, (h, w): as if nothing stood in front of it."""
    covered = _paint_large(thing).getchannel("A").reduce(_OVERSIZE)
    return np.asarray(covered, dtype=np.float32) / np.float32(255)


def _paint_large(thing: Thing) -> Image.Image:
    return shapes.paint(thing.kind, thing.colour, thing.box.w * _OVERSIZE, thing.box.h * _OVERSIZE)


@cache
def _ramp() -> Image.Image:
    """256 rows from 255 down to the dimmest, one pixel wide."""
    rows = np.linspace(255, 255 * _DIMMEST, 256).round().astype(np.uint8)
    return Image.fromarray(rows[:, None].repeat(3, axis=1)[:, None, :])


def _dimming(width: int, height: int) -> Image.Image:
    return _ramp().resize((width, height), Image.Resampling.BILINEAR)


def _draw_shadow(canvas: Image.Image, thing: Thing) -> None:
    left, right = thing.box.x * _OVERSIZE, (thing.box.x + thing.box.w) * _OVERSIZE
    width, height = right - left, max(4, thing.box.h * _OVERSIZE // 7)
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse((width * 0.08, 0, width * 0.92, height - 1), fill=_SHADOW)
    canvas.paste((30, 30, 50), (left, thing.box.bottom * _OVERSIZE - round(height * 0.7)), mask)


def _draw_background(background: Background, width: int, height: int) -> Image.Image:
    first, second = background.first, background.second
    canvas = Image.new("RGB", (width, height), first)
    pen = ImageDraw.Draw(canvas)
    if background.kind == "gradient":
        mask = Image.linear_gradient("L").resize((width, height))
        canvas.paste(second, (0, 0), mask)
    elif background.kind == "floor":
        pen.rectangle((0, round(background.horizon * height), width, height), fill=second)
    elif background.kind == "stripes":
        broad = width // 8
        for left in range(0, width, 2 * broad):
            pen.rectangle((left, 0, left + broad - 1, height), fill=second)
    return canvas
