"""How each kind of thing looks: one painter a kind, on a transparent sheet exactly as large as its box.

A painter speaks in parts of its box (0, 0 top left to 1, 1 bottom right) and touches all four sides of it, which is
what makes annotation boxes tight. It knows nothing about scenes, backgrounds or the picture it ends up in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

Rgb = tuple[int, int, int]
Point = tuple[float, float]

# Our own palette: far apart in hue or lightness, so that 14 pixels of one are not taken for another.
PAINTS: dict[str, Rgb] = {
    "red": (222, 36, 38),
    "orange": (255, 122, 0),
    "yellow": (255, 232, 44),
    "green": (42, 160, 62),
    "blue": (34, 98, 226),
    "purple": (134, 48, 178),
    "pink": (255, 140, 190),
    "black": (46, 46, 52),
}
_BARK: Rgb = (126, 84, 52)
_CLEAR = (0, 0, 0, 0)


@dataclass(frozen=True)
class Tones:
    """The shades one colour is drawn in, brightest first."""

    light: Rgb
    soft: Rgb
    base: Rgb
    dark: Rgb
    line: Rgb


def tones(colour: str) -> Tones:
    """The shades of a colour named in `PAINTS`."""
    base = PAINTS[colour]
    white, black = (255, 255, 255), (0, 0, 0)
    return Tones(
        light=_blend(base, white, 0.38),
        soft=_blend(base, white, 0.2),
        base=base,
        dark=_blend(base, black, 0.2),
        line=_blend(base, black, 0.55),
    )


def _blend(colour: Rgb, towards: Rgb, amount: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * amount) for a, b in zip(colour, towards, strict=True))
    return red, green, blue


class Sheet:
    """A transparent drawing of `width` x `height` pixels that is drawn on in parts of its sides."""

    def __init__(self, width: int, height: int, tones: Tones) -> None:
        self.image = Image.new("RGBA", (width, height), _CLEAR)
        self.tones = tones
        self._draw = ImageDraw.Draw(self.image)
        self._line = max(2, round(0.04 * max(width, height)))
        # Half of an outline lies outside its polygon: drawn within this much, it ends at the sheet's edge.
        self._inset = self._line / 2
        self._span = (width - 1 - self._line, height - 1 - self._line)

    def _pixel(self, point: Point) -> Point:
        return self._inset + point[0] * self._span[0], self._inset + point[1] * self._span[1]

    def polygon(self, points: Sequence[Point], fill: Rgb, *, outlined: bool = True) -> None:
        pixels = [self._pixel(point) for point in points]
        self._draw.polygon(pixels, fill=fill)
        if outlined:
            self._draw.line([*pixels, *pixels[:2]], fill=self.tones.line, width=self._line, joint="curve")

    def ellipse(self, corner: Point, opposite: Point, fill: Rgb, *, outlined: bool = True) -> None:
        centre_x, centre_y = (corner[0] + opposite[0]) / 2, (corner[1] + opposite[1]) / 2
        radius_x, radius_y = (opposite[0] - corner[0]) / 2, (opposite[1] - corner[1]) / 2
        circle = [(centre_x + radius_x * x, centre_y + radius_y * y) for x, y in _circle()]
        self.polygon(circle, fill, outlined=outlined)

    def ring(self, corner: Point, opposite: Point, thickness: float, fill: Rgb) -> None:
        """An outlined ring whose hole shows what lies behind; `thickness` in parts of the sheet's width."""
        (left, top), (right, bottom) = self._pixel(corner), self._pixel(opposite)
        band = thickness * self._span[0]
        for inset, colour in (
            (-self._inset, (*self.tones.line, 255)),
            (self._inset, (*fill, 255)),
            (self._inset + band, (*self.tones.line, 255)),
            (3 * self._inset + band, _CLEAR),
        ):
            self._draw.ellipse((left + inset, top + inset, right - inset, bottom - inset), fill=colour)


@cache
def _circle() -> tuple[Point, ...]:
    return tuple((math.cos(math.tau * i / 48), math.sin(math.tau * i / 48)) for i in range(48))


@cache
def _star_points() -> tuple[Point, ...]:
    radii = (1.0, 0.5)  # fatter than a true pentagram (0.38): arms one pixel wide would vanish in small ones
    angles = [math.tau * i / 10 - math.tau / 4 for i in range(10)]
    return _filling([(radii[i % 2] * math.cos(a), radii[i % 2] * math.sin(a)) for i, a in enumerate(angles)])


@cache
def _heart_points() -> tuple[Point, ...]:
    """The well-known curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, stretched to the box."""
    points = []
    for i in range(48):
        t = math.tau * i / 48
        height = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((16 * math.sin(t) ** 3, -height))
    return _filling(points)


def _filling(points: Sequence[Point]) -> tuple[Point, ...]:
    """The same outline moved and stretched so that it touches all four sides of its box."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return tuple(((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in points)


def _ball(sheet: Sheet) -> None:
    sheet.ellipse((0, 0), (1, 1), sheet.tones.dark)
    sheet.ellipse((0.03, 0.03), (0.9, 0.88), sheet.tones.base, outlined=False)
    sheet.ellipse((0.18, 0.14), (0.5, 0.42), sheet.tones.light, outlined=False)


def _box(sheet: Sheet) -> None:
    sheet.polygon([(0, 0.3), (0.3, 0), (1, 0), (0.7, 0.3)], sheet.tones.light)
    sheet.polygon([(0.7, 0.3), (1, 0), (1, 0.7), (0.7, 1)], sheet.tones.dark)
    sheet.polygon([(0, 0.3), (0.7, 0.3), (0.7, 1), (0, 1)], sheet.tones.base)


def _star(sheet: Sheet) -> None:
    sheet.polygon(_star_points(), sheet.tones.base)
    inner = [(0.5 + 0.5 * (x - 0.5), 0.52 + 0.5 * (y - 0.52)) for x, y in _star_points()]
    sheet.polygon(inner, sheet.tones.soft, outlined=False)


def _heart(sheet: Sheet) -> None:
    sheet.polygon(_heart_points(), sheet.tones.base)
    sheet.ellipse((0.14, 0.12), (0.38, 0.36), sheet.tones.light, outlined=False)


def _tree(sheet: Sheet) -> None:
    sheet.polygon([(0.4, 0.7), (0.6, 0.7), (0.6, 1), (0.4, 1)], _BARK)
    right = [(0.5, 0.0), (0.8, 0.3), (0.7, 0.3), (0.92, 0.56), (0.8, 0.56), (1.0, 0.82)]
    left = [(1 - x, y) for x, y in reversed(right)]
    sheet.polygon([*right, *left[:-1]], sheet.tones.base)
    sheet.polygon([(0.5, 0.1), (0.5, 0.3), (0.34, 0.3)], sheet.tones.soft, outlined=False)
    sheet.polygon([(0.5, 0.36), (0.5, 0.56), (0.24, 0.56)], sheet.tones.soft, outlined=False)
    sheet.polygon([(0.5, 0.62), (0.5, 0.78), (0.14, 0.78)], sheet.tones.soft, outlined=False)


def _cup(sheet: Sheet) -> None:
    sheet.ring((0.52, 0.24), (1, 0.76), 0.08, sheet.tones.base)
    bottom = [(0.38 + 0.28 * x, 0.9 + 0.1 * y) for x, y in _circle() if y >= 0]
    sheet.polygon([(0, 0.13), (0.76, 0.13), *bottom], sheet.tones.base)
    sheet.polygon([(0.08, 0.24), (0.24, 0.28), (0.26, 0.86), (0.16, 0.84)], sheet.tones.light, outlined=False)
    sheet.ellipse((0, 0), (0.76, 0.26), sheet.tones.dark)


_PAINTERS: dict[str, Callable[[Sheet], None]] = {
    "ball": _ball,
    "box": _box,
    "star": _star,
    "heart": _heart,
    "tree": _tree,
    "cup": _cup,
}


def paint(kind: str, colour: str, width: int, height: int) -> Image.Image:
    """The thing alone: RGBA, `width` x `height` pixels, opaque where it is and transparent elsewhere."""
    sheet = Sheet(width, height, tones(colour))
    _PAINTERS[kind](sheet)
    return sheet.image
