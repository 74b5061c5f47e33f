"""A pen for one thing: shapes in parts of the thing's box, drawn large on a transparent sheet and made small smoothly.

Knows colours and styles, but no kind of thing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
# Writing is drawn at this height, with strokes this much fatter, and then brought to the size asked for.
_LETTERS, _BOLD = 48, 2
_NARROWEST = 1.6

# Parts drawn `for outline in TOGETHER` get one outline around them all: the second round fills over inner lines.
TOGETHER = (True, False)


def mix(first: Rgb, second: Rgb, amount: float) -> Rgb:
    """`first` moved `amount` (0 to 1) of the way to `second`."""
    (r, g, b), (other_r, other_g, other_b) = first, second
    return round(r + (other_r - r) * amount), round(g + (other_g - g) * amount), round(b + (other_b - b) * amount)


def lighter(colour: Rgb, amount: float = 0.3) -> Rgb:
    """Towards white."""
    return mix(colour, (255, 255, 255), amount)


def darker(colour: Rgb, amount: float = 0.3) -> Rgb:
    """Towards black."""
    return mix(colour, (0, 0, 0), amount)


def shade(colour: Rgb, amount: float = 0.2) -> Rgb:
    """A tone that shows on `colour`: darker, or lighter where it is nearly black."""
    return lighter(colour, amount) if max(colour) < 90 else darker(colour, amount)


def dim(colour: Rgb) -> Rgb:
    """As it looks at night: darker and a little blue, and still to be told from the others."""
    red, green, blue = colour
    return round(red * 0.77), round(green * 0.77), round(blue * 0.86)


def smooth(points: Sequence[Point], closed: bool = True, steps: int = 6) -> list[Point]:
    """A Catmull-Rom curve through `points`, as a polygon."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count if closed else count - 1):
        at = [points[(i + k) % count] if closed else points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2)]
        (x0, x1, x2, x3), (y0, y1, y2, y3) = (_catmull_rom(*along) for along in zip(*at, strict=True))  # of 1, t, ...
        for step in range(steps):
            t = step / steps
            x = 0.5 * (x0 + x1 * t + x2 * t * t + x3 * t * t * t)
            curve.append((x, 0.5 * (y0 + y1 * t + y2 * t * t + y3 * t * t * t)))
    return curve if closed else [*curve, points[-1]]


def _catmull_rom(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    """The curve from `b` to `c`: twice its coefficients of 1, t, t squared and t cubed, t from 0 to 1."""
    return 2 * b, c - a, 2 * a - 5 * b + 4 * c - d, 3 * b - a - 3 * c + d


class Pen:
    """Draws in parts of a box of `width` x `height` pixels: (0, 0) top left, (1, 1) bottom right.

    Painters draw what faces right; `mirrored` turns it round (but never writing). Shapes are filled and outlined as
    the style says; `outline=False` leaves the line out (spots, windows, eyes). At `night` every colour is dimmed but
    what is drawn within `shining`.
    """

    def __init__(self, width: int, height: int, style: Style, mirrored: bool = False, night: bool = False) -> None:
        self._w, self._h = max(width, 1) * OVERSAMPLING, max(height, 1) * OVERSAMPLING
        self._mirrored, self.style, self.night = mirrored, style, night
        self._dimmed = night
        # RGBa: colours multiplied by coverage. Shapes cover a pixel wholly or not at all, and writing is blended in.
        self._image = Image.new("RGBa", (self._w, self._h), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    @property
    def aspect(self) -> float:
        """Width over height of the box: circles are 1 / aspect wide for each part of height."""
        return self._w / self._h

    def sheet(self) -> Image.Image:
        """What was drawn, RGBA, in the size asked for."""
        return self._image.reduce(OVERSAMPLING).convert("RGBA")

    @contextmanager
    def shining(self) -> Iterator[None]:
        """What is drawn within gives light of its own: night does not dim it."""
        dimmed, self._dimmed = self._dimmed, False
        yield
        self._dimmed = dimmed

    def polygon(self, points: Sequence[Point], fill: Rgb, outline: bool = True) -> None:
        """A closed shape."""
        place = [self._at(*point) for point in points]
        self._draw.polygon(place, fill=self._seen(fill))
        if outline and (line := self._line(fill)) is not None:
            self._draw.line([*place, place[0], place[1]], fill=line, width=self._thick(), joint="curve")

    def blob(self, points: Sequence[Point], fill: Rgb, outline: bool = True) -> None:
        """A closed smooth shape through `points`."""
        self.polygon(smooth(points), fill, outline)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Rgb, outline: bool = True) -> None:
        """Around (x, y) with radii in parts of width and of height."""
        line = self._line(fill) if outline else None
        (ax, ay), (bx, by) = self._corners(x - rx, y - ry, x + rx, y + ry, grow=self._thick() // 2 if line else 0)
        self._draw.ellipse((ax, ay, bx, by), fill=self._seen(fill), outline=line, width=self._thick() if line else 0)

    def disc(self, x: float, y: float, radius: float, fill: Rgb, outline: bool = True) -> None:
        """A circle; `radius` in parts of the height."""
        self.ellipse(x, y, radius / self.aspect, radius, fill, outline)

    def ring(self, x: float, y: float, radius: float, colour: Rgb, width: float) -> None:
        """An empty circle; `radius` of its outer rim and `width` of its line in parts of the height."""
        wide = radius / self.aspect
        (ax, ay), (bx, by) = self._corners(x - wide, y - radius, x + wide, y + radius, grow=0)
        self._draw.ellipse((ax, ay, bx, by), outline=self._seen(colour), width=max(round(width * self._h), 1))

    def rectangle(
        self, x0: float, y0: float, x1: float, y1: float, fill: Rgb, radius: float = 0.0, outline: bool = True
    ) -> None:
        """With corners rounded by `radius`, in parts of the shorter side of the box."""
        line = self._line(fill) if outline else None
        (ax, ay), (bx, by) = self._corners(x0, y0, x1, y1, grow=self._thick() // 2 if line else 0)
        self._draw.rounded_rectangle(
            (ax, ay, bx, by),
            radius * min(self._w, self._h),
            fill=self._seen(fill),
            outline=line,
            width=self._thick() if line else 0,
        )

    def line(self, points: Sequence[Point], colour: Rgb, width: float) -> None:
        """A line through `points`, `width` in parts of the shorter side of the box, with round ends."""
        place = [self._at(*point) for point in points]
        colour = self._seen(colour)
        thick = max(round(width * min(self._w, self._h)), 1)
        self._stroke(place, colour, thick)

    def curve(self, points: Sequence[Point], colour: Rgb, width: float) -> None:
        """A smooth open line."""
        self.line(smooth(points, closed=False), colour, width)

    def limb(self, points: Sequence[Point], fill: Rgb, width: float, outline: bool = True) -> None:
        """A thick line with round ends and an outline: arms, legs, tails; `width` in parts of the height."""
        place = [self._at(*point) for point in points]
        thick = max(round(width * self._h), 1)
        if outline and (line := self._line(fill)) is not None:
            self._stroke(place, line, thick + 2 * (self._thick() // 2))
        self._stroke(place, self._seen(fill), thick)

    def pie(self, x: float, y: float, radius: float, start: float, end: float, fill: Rgb, outline: bool = True) -> None:
        """A slice of a disc, angles in degrees from the right, clockwise; `radius` in parts of the height."""
        steps = max(int(abs(end - start) / 12), 2)
        angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
        rim = [(x + radius / self.aspect * math.cos(a), y + radius * math.sin(a)) for a in angles]
        self.polygon([(x, y), *rim], fill, outline)

    def text(self, x: float, y: float, text: str, width: float, height: float, colour: Rgb) -> None:
        """`text` centred at (x, y), bold, as large as fits `width` x `height`; never mirrored.

        Long words are made narrow rather than small: letters may be up to `_NARROWEST` times as high as they would be.
        """
        x = 1 - x if self._mirrored else x
        limit, tall = max(round(width * self._w), 1), max(round(height * self._h), 1)
        font = _font(_LETTERS)
        left, top, right, bottom = font.getbbox(text, stroke_width=_BOLD)
        letters = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)), 0)
        ImageDraw.Draw(letters).text((-left, -top), text, fill=255, font=font, stroke_width=_BOLD)
        scale = min(limit / letters.width, tall / letters.height)
        high = min(round(letters.height * scale * _NARROWEST), tall)
        letters = letters.resize((max(round(letters.width * scale), 1), max(high, 1)), Image.Resampling.BOX)
        at = round(x * self._w - letters.width / 2), round(y * self._h - letters.height / 2)
        self._draw.bitmap(at, letters, fill=self._seen(colour))

    def _at(self, x: float, y: float) -> Point:
        # The last pixel is at 1, so that what touches the box's side is not cut off.
        return (1 - x if self._mirrored else x) * (self._w - 1), y * (self._h - 1)

    def _stroke(self, place: Sequence[Point], colour: Rgb, thick: int) -> None:
        self._draw.line(place, fill=colour, width=thick, joint="curve")
        if thick > 2:
            for x, y in (place[0], place[-1]):
                r = (thick - 1) / 2
                self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def _corners(self, x0: float, y0: float, x1: float, y1: float, grow: int) -> tuple[Point, Point]:
        # A line is centred on its shape's edge, as a polygon's is: Pillow would draw it inside.
        (ax, ay), (bx, by) = self._at(x0, y0), self._at(x1, y1)
        return (min(ax, bx) - grow, min(ay, by) - grow), (max(ax, bx) + grow, max(ay, by) + grow)

    def _line(self, fill: Rgb) -> Rgb | None:
        if self.style.outline == "none":
            # What is white keeps an edge, or it would be lost on snow.
            return self._seen(darker(fill, 0.3)) if min(fill) > 225 else None
        return self._seen((40, 36, 40) if self.style.outline == "dark" else darker(fill, 0.45))

    def _seen(self, colour: Rgb) -> Rgb:
        return dim(colour) if self._dimmed else colour

    def _thick(self) -> int:
        # Without outlines only white has an edge, half of which is drawn over where parts are drawn together.
        least = OVERSAMPLING + 2 if self.style.outline == "none" else 1
        return max(round(self.style.outline_width * OVERSAMPLING), least)


@lru_cache(maxsize=128)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
