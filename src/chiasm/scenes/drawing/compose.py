"""A scene to its picture: the place, then every thing from far to near with its light and shadow, then the weather.

Knows pixels and depth order, nothing of words or files.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from chiasm.scenes.drawing.canvas import Pen
from chiasm.scenes.drawing.places import paint_place
from chiasm.scenes.drawing.things import animals, carried, furniture, people, plants, street, table, vehicles
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.scene import Scene, Style, Thing
from chiasm.scenes.streams import random_stream

# Light and texture, our own choice: visible, and never so strong that a colour becomes another.
_SHADE = {"flat": 0.0, "speckle": 0.05, "hatch": 0.05, "shade": 0.14}
_SPECKLED, _HATCHED = 0.08, 0.09
_TILE = 256
_SHADOW, _NIGHT_SHADOW = 78, 56
_GLOW = 150


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, RGB, and how many pixels of each thing can be seen in it."""

    image: Image.Image
    areas: tuple[int, ...]


def painters() -> Mapping[str, Painter]:
    """Who draws which kind."""
    modules = (people, animals, plants, carried, vehicles, street, table, furniture)
    return {kind: painter for module in modules for kind, painter in module.PAINTERS.items()}


def draw(scene: Scene) -> Drawn:
    """The picture of a scene, `scene.width` x `scene.height`: a pure function of the scene."""
    rng = random_stream(scene.style.hue, scene.id, "background")
    image = paint_place(scene, rng)
    by_kind = painters()
    owner: NDArray[np.int16] = np.full((scene.height, scene.width), -1, dtype=np.int16)
    for i, thing in enumerate(scene.things):
        left, top, right, bottom = pixels(scene, thing)
        pen = Pen(right - left, bottom - top, scene.style, thing.facing == "left", _dark(scene))
        by_kind[thing.kind](pen, thing)
        sheet = pen.sheet()
        if _stands(scene, thing):
            _shadow(image, (left, top, right, bottom), _NIGHT_SHADOW if _dark(scene) else _SHADOW)
        if thing.kind == "lamp" and thing.state == "lit" and scene.time == "night":
            _glow(image, (left, top, right, bottom))
        alpha = sheet.getchannel("A")
        image.paste(_shaded(sheet, scene.style), (left, top), alpha)
        owner[top:bottom, left:right][np.asarray(alpha) >= 128] = i
    if scene.weather in ("rainy", "snowy"):
        _fall(image, scene.weather, rng)
    counts = np.bincount(owner.ravel() + 1, minlength=len(scene.things) + 1)
    return Drawn(_grained(image, scene.style), tuple(int(count) for count in counts[1:]))


def pixels(scene: Scene, thing: Thing) -> tuple[int, int, int, int]:
    """The box of a thing in whole pixels: left, top, right, bottom; at least one pixel each way, within the picture."""
    left = min(max(round(thing.box.x0 * scene.width), 0), scene.width - 1)
    top = min(max(round(thing.box.y0 * scene.height), 0), scene.height - 1)
    right = min(max(round(thing.box.x1 * scene.width), left + 1), scene.width)
    bottom = min(max(round(thing.box.y1 * scene.height), top + 1), scene.height)
    return left, top, right, bottom


def _dark(scene: Scene) -> bool:
    return scene.time == "night" and not scene.inside


def _stands(scene: Scene, thing: Thing) -> bool:
    """Whether it throws a shadow on what it stands on."""
    if thing.held_by is not None or thing.action == "flying":
        return False
    if thing.on is not None:
        return True
    return ("ground" in thing.about.zones or "table" in thing.about.zones) and thing.box.y1 > scene.horizon


def _shadow(image: Image.Image, box: tuple[int, int, int, int], strength: int) -> None:
    left, _, right, bottom = box
    wide = right - left
    high = max(round(min(wide * 0.2, (bottom - box[1]) * 0.3)), 3)
    mask = _soft(strength).resize((round(wide * 1.16) + 1, high), Image.Resampling.BILINEAR)
    image.paste((16, 18, 34), (left - round(wide * 0.08), bottom - round(high * 0.62)), mask)


def _glow(image: Image.Image, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    size = round((bottom - top) * 1.1)
    mask = _soft(_GLOW).resize((size, size), Image.Resampling.BILINEAR)
    centre = (left + right) // 2, round(top + (bottom - top) * 0.3)
    image.paste((255, 226, 130), (centre[0] - size // 2, centre[1] - size // 2), mask)


@lru_cache(maxsize=4)
def _soft(strength: int) -> Image.Image:
    """A disc that fades outwards: `strength` in the middle, 0 at the rim."""
    return Image.radial_gradient("L").point([max(round(strength * (1 - i / 180)), 0) for i in range(256)])


def _shaded(sheet: Image.Image, style: Style) -> Image.Image:
    """The thing's colours in the light of the style, RGB."""
    flat = sheet.convert("RGB")
    strength = _SHADE[style.texture]
    if strength == 0.0:
        return flat
    width, height = sheet.size
    across = _ramp(-1, 1, width) * np.float32(style.light * strength)
    down = _ramp(0.5, -1, height) * np.float32(strength * 0.7)
    light = 1 + across[None, :] + down[:, None]
    if style.texture == "speckle":
        light += _noise_over(width, height) * np.float32(_SPECKLED)
    elif style.texture == "hatch":
        stripes = (np.arange(width)[None, :] + np.arange(height)[:, None]) % 6 < 2
        light -= stripes * np.float32(_HATCHED)
    shaded = np.asarray(flat, dtype=np.float32) * light[:, :, None]
    return Image.fromarray(np.minimum(shaded, 255).astype(np.uint8))


@lru_cache(maxsize=1024)  # a thing in a picture of 512 pixels has one of so many widths and heights
def _ramp(start: float, end: float, number: int) -> NDArray[np.float32]:
    ramp = np.linspace(start, end, number, dtype=np.float32)
    ramp.flags.writeable = False  # many pictures share it
    return ramp


@lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    """A tile of noise with mean 0 and deviation 1, the same on every platform."""
    octets = random.Random("chiasm drawn world/noise").randbytes(4 * _TILE * _TILE)
    sums = np.frombuffer(octets, dtype=np.uint8).reshape(4, _TILE, _TILE).sum(axis=0, dtype=np.float32)
    noise: NDArray[np.float32] = (sums - np.float32(510)) / np.float32(147.8)  # four even octets: 2 * 73.9
    return noise


def _noise_over(width: int, height: int) -> NDArray[np.float32]:
    tiles: NDArray[np.float32] = np.tile(_noise(), (-(-height // _TILE), -(-width // _TILE)))
    return tiles[:height, :width]


def _grained(image: Image.Image, style: Style) -> Image.Image:
    if style.grain <= 0:
        return image
    width, height = image.size
    # Another part of the tile for every picture.
    x, y = style.hue % 31, style.hue // 31 % 31
    noise = _noise_over(width + x, height + y)[y:, x:]
    grains = (noise * np.float32(style.grain)).round().astype(np.int16)
    noisy = np.asarray(image, dtype=np.int16) + grains[:, :, None]
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _fall(image: Image.Image, weather: str, rng: random.Random) -> None:
    """Rain or snow over everything."""
    width, height = image.size
    mask = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(mask)
    scale = min(width, height) / 224
    for _ in range(70):
        x, y = rng.uniform(-0.05, 1.05) * width, rng.uniform(-0.05, 1.0) * height
        if weather == "rainy":
            long = rng.uniform(8, 16) * scale
            pen.line((x, y, x - long * 0.25, y + long), fill=rng.randint(70, 130), width=max(round(scale), 1))
        else:
            r = rng.uniform(0.7, 1.9) * scale
            pen.ellipse((x - r, y - r, x + r, y + r), fill=rng.randint(150, 230))
    image.paste((206, 216, 230) if weather == "rainy" else (250, 252, 255), (0, 0), mask)
