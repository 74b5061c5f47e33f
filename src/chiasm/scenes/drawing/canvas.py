"""A pen for one thing: shapes in parts of the thing's box, drawn large on a transparent sheet and made small smoothly.

Knows colours and styles, but no kind of thing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from chiasm.scenes.scene import Style

Rgb = tuple[int, int, int]
Point = tuple[float, float]

# Our own palette: far apart in hue or lightness.
PAINTS: dict[str, Rgb] = {
    "red": (218, 40, 40),
    "orange": (250, 130, 20),
    "yellow": (252, 218, 50),
    "green": (50, 160, 70),
    "blue": (40, 100, 220),
    "purple": (135, 60, 180),
    "pink": (250, 150, 195),
    "brown": (130, 82, 48),
    "black": (45, 45, 52),
    "white": (245, 245, 242),
    "gray": (142, 146, 152),
}
OVERSAMPLING = 3


def mix(first: Rgb, second: Rgb, amount: float) -> Rgb:
    """`first` moved `amount` (0 to 1) of the way to `second`."""
    red, green, blue = (round(a + (b - a) * amount) for a, b in zip(first, second, strict=True))
    return red, green, blue


def lighter(colour: Rgb, amount: float = 0.3) -> Rgb:
    """Towards white."""
    return mix(colour, (255, 255, 255), amount)


def darker(colour: Rgb, amount: float = 0.3) -> Rgb:
    """Towards black."""
    return mix(colour, (0, 0, 0), amount)


def smooth(points: Sequence[Point], closed: bool = True, steps: int = 6) -> list[Point]:
    """A Catmull-Rom curve through `points`, as a polygon."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count if closed else count - 1):
        at = [points[(i + k) % count] if closed else points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2)]
        for step in range(steps):
            curve.append(_catmull_rom(at, step / steps))
    return curve if closed else [*curve, points[-1]]


def _catmull_rom(at: Sequence[Point], t: float) -> Point:
    a, b, c, d = at
    x, y = (
        0.5 * (2 * b[k] + (c[k] - a[k]) * t + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t * t
               + (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t * t * t)
        for k in (0, 1)
    )  # fmt: skip
    return x, y


class Pen:
    """Draws in parts of a box of `width` x `height` pixels: (0, 0) top left, (1, 1) bottom right.

    Painters draw what faces right; `mirrored` turns it round (but never writing). Shapes are filled and outlined as
    the style says; `outline=False` leaves the line out (spots, windows, eyes).
    """

    def __init__(self, width: int, height: int, style: Style, mirrored: bool = False) -> None:
        self._w, self._h = max(width, 1) * OVERSAMPLING, max(height, 1) * OVERSAMPLING
        self._mirrored, self.style = mirrored, style
        self._image = Image.new("RGBA", (self._w, self._h), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    @property
    def aspect(self) -> float:
        """Width over height of the box: circles are 1 / aspect wide for each part of height."""
        return self._w / self._h

    def sheet(self) -> Image.Image:
        """What was drawn, RGBA, in the size asked for."""
        return self._image.reduce(OVERSAMPLING)

    def polygon(self, points: Sequence[Point], fill: Rgb, outline: bool = True) -> None:
        """A closed shape."""
        place = [self._at(*point) for point in points]
        self._draw.polygon(place, fill=fill)
        if outline and (line := self._line(fill)) is not None:
            self._draw.line([*place, place[0], place[1]], fill=line, width=self._thick(), joint="curve")

    def blob(self, points: Sequence[Point], fill: Rgb, outline: bool = True) -> None:
        """A closed smooth shape through `points`."""
        self.polygon(smooth(points), fill, outline)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Rgb, outline: bool = True) -> None:
        """Around (x, y) with radii in parts of width and of height."""
        (ax, ay), (bx, by) = self._corners(x - rx, y - ry, x + rx, y + ry)
        line = self._line(fill) if outline else None
        self._draw.ellipse((ax, ay, bx, by), fill=fill, outline=line, width=self._thick() if line else 0)

    def disc(self, x: float, y: float, radius: float, fill: Rgb, outline: bool = True) -> None:
        """A circle; `radius` in parts of the height."""
        self.ellipse(x, y, radius / self.aspect, radius, fill, outline)

    def rectangle(
        self, x0: float, y0: float, x1: float, y1: float, fill: Rgb, radius: float = 0.0, outline: bool = True
    ) -> None:
        """With corners rounded by `radius`, in parts of the shorter side of the box."""
        (ax, ay), (bx, by) = self._corners(x0, y0, x1, y1)
        line = self._line(fill) if outline else None
        self._draw.rounded_rectangle(
            (ax, ay, bx, by),
            radius * min(self._w, self._h),
            fill=fill,
            outline=line,
            width=self._thick() if line else 0,
        )

    def line(self, points: Sequence[Point], colour: Rgb, width: float) -> None:
        """A line through `points`, `width` in parts of the shorter side of the box, with round ends."""
        place = [self._at(*point) for point in points]
        thick = max(round(width * min(self._w, self._h)), 1)
        self._draw.line(place, fill=colour, width=thick, joint="curve")
        if thick > 2:
            for x, y in (place[0], place[-1]):
                r = (thick - 1) / 2
                self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def curve(self, points: Sequence[Point], colour: Rgb, width: float) -> None:
        """A smooth open line."""
        self.line(smooth(points, closed=False), colour, width)

    def pie(self, x: float, y: float, radius: float, start: float, end: float, fill: Rgb, outline: bool = True) -> None:
        """A slice of a disc, angles in degrees from the right, clockwise; `radius` in parts of the height."""
        steps = max(int(abs(end - start) / 12), 2)
        angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
        rim = [(x + radius / self.aspect * math.cos(a), y + radius * math.sin(a)) for a in angles]
        self.polygon([(x, y), *rim], fill, outline)

    def text(self, x: float, y: float, text: str, width: float, height: float, colour: Rgb) -> None:
        """`text` centred at (x, y), as large as fits `width` x `height`; never mirrored."""
        x = 1 - x if self._mirrored else x
        limit, tall = width * self._w, height * self._h
        font = _font(max(round(tall / 0.72), 4))
        if (long := font.getlength(text)) > limit:
            font = _font(max(int(tall / 0.72 * limit / long), 4))
        self._draw.text((x * self._w, y * self._h), text, fill=colour, font=font, anchor="mm")

    def _at(self, x: float, y: float) -> Point:
        # The last pixel is at 1, so that what touches the box's side is not cut off.
        return (1 - x if self._mirrored else x) * (self._w - 1), y * (self._h - 1)

    def _corners(self, x0: float, y0: float, x1: float, y1: float) -> tuple[Point, Point]:
        (ax, ay), (bx, by) = self._at(x0, y0), self._at(x1, y1)
        return (min(ax, bx), min(ay, by)), (max(ax, bx), max(ay, by))

    def _line(self, fill: Rgb) -> Rgb | None:
        if self.style.outline == "none":
            return None
        return (40, 36, 40) if self.style.outline == "dark" else darker(fill, 0.45)

    def _thick(self) -> int:
        return max(round(self.style.outline_width * OVERSAMPLING), 1)


@lru_cache(maxsize=128)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
