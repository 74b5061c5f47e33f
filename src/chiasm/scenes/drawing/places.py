"""Backgrounds: park, street, beach, harbour, room, kitchen, by day and by night, in every weather.

Muted, so that things stand out; nothing in them looks like one of the kinds that are asked about.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from chiasm.scenes.drawing.canvas import Point, Rgb, darker, lighter, mix, smooth
from chiasm.scenes.scene import Scene

# Drawn this many times too large and made small: smooth edges at little cost.
_OVERSAMPLING = 2
SHORE = 0.16
"""How far below the horizon the water ends, in parts of the height: as far as `placing` lets boats float."""
_NIGHT: Rgb = (24, 30, 84)

_SKIES: Mapping[str, tuple[Rgb, Rgb]] = {
    "sunny": ((118, 180, 234), (214, 234, 246)),
    "cloudy": ((164, 180, 198), (214, 220, 226)),
    "rainy": ((120, 130, 144), (170, 178, 186)),
    "snowy": ((176, 186, 200), (222, 228, 234)),
}
_WALLS: tuple[Rgb, ...] = (
    (230, 220, 200), (206, 220, 224), (212, 222, 202), (228, 212, 212), (218, 212, 226), (224, 224, 220),
)  # fmt: skip
_FLOORS: tuple[Rgb, ...] = ((190, 156, 120), (176, 166, 154), (200, 178, 150), (164, 140, 122))


def _between(first: float, second: float, amount: float) -> float:
    """`first` moved `amount` of the way to `second`."""
    return first + (second - first) * amount


class _Sheet(NamedTuple):
    """A background being painted: lengths in parts, as everywhere."""

    scene: Scene
    rng: random.Random
    image: Image.Image
    draw: ImageDraw.ImageDraw

    def at(self, x: float, y: float) -> Point:
        return x * self.image.width, y * self.image.height

    def tone(self, colour: Rgb, amount: int = 10) -> Rgb:
        """`colour` a little moved by chance, and as dark as the hour."""
        lift, amount = self.rng.randint(-amount, amount), 3 if self.snow else amount
        red, green, blue = (min(max(c + lift // 2 + self.rng.randint(-amount, amount), 0), 255) for c in colour)
        return self.hour((red, green, blue))

    def hour(self, colour: Rgb) -> Rgb:
        return mix(colour, _NIGHT, 0.64) if self.night else colour

    @property
    def night(self) -> bool:
        return self.scene.time == "night" and not self.scene.inside

    @property
    def snow(self) -> bool:
        return self.scene.weather == "snowy"

    def polygon(self, points: Sequence[Point], colour: Rgb) -> None:
        self.draw.polygon([self.at(*point) for point in points], fill=colour)

    def band(self, y0: float, y1: float, top: Rgb, bottom: Rgb | None = None) -> None:
        """The whole width from `y0` to `y1`, from `top` to `bottom`."""
        bottom = bottom or top
        steps = max(*(abs(a - b) for a, b in zip(top, bottom, strict=True)), 1)
        width, height = self.image.size
        for i in range(steps):
            y = _between(y0, y1, i / steps)
            end = min(y + 2 * (y1 - y0) / steps, y1)
            # Not by `box`: a picture has dozens of these.
            corners = (0, y * height, width - 1, max(end * height - 1, y * height))
            self.draw.rectangle(corners, fill=mix(top, bottom, i / steps))

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb) -> None:
        (ax, ay), (bx, by) = self.at(x0, y0), self.at(x1, y1)
        self.draw.rectangle((ax, ay, max(bx - 1, ax), max(by - 1, ay)), fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: Rgb) -> None:
        """`radius` in parts of the shorter side."""
        (cx, cy), r = self.at(x, y), radius * min(self.image.size)
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)

    def line(self, points: Sequence[Point], colour: Rgb, width: float) -> None:
        """`width` in pixels of the finished picture."""
        thick = max(round(width * _OVERSAMPLING), 1)
        self.draw.line([self.at(*point) for point in points], fill=colour, width=thick)


def paint_place(scene: Scene, rng: random.Random) -> Image.Image:
    """The scene without its things: RGB, `scene.width` x `scene.height`."""
    image = Image.new("RGB", (scene.width * _OVERSAMPLING, scene.height * _OVERSAMPLING))
    sheet = _Sheet(scene, rng, image, ImageDraw.Draw(image))
    if not scene.inside:
        _sky(sheet, scene.horizon)
    _PLACES[scene.place](sheet)
    return image.reduce(_OVERSAMPLING)


def _sky(sheet: _Sheet, horizon: float) -> None:
    rng, weather = sheet.rng, sheet.scene.weather or "sunny"
    top, bottom = _SKIES[weather]
    if sheet.night:
        gloom = 0.0 if weather == "sunny" else 0.22
        top, bottom = mix((34, 42, 92), (70, 76, 96), gloom), mix((72, 82, 132), (92, 98, 118), gloom)
    sheet.band(0, horizon, sheet.tone(top, 8) if not sheet.night else top, bottom)
    x, y = rng.choice((rng.uniform(0.08, 0.25), rng.uniform(0.75, 0.92))), rng.uniform(0.09, 0.16)
    if sheet.night:
        if weather in ("sunny", "cloudy"):
            for _ in range(26):
                sheet.disc(rng.random(), rng.uniform(0.01, horizon * 0.85), rng.uniform(0.002, 0.005), (210, 214, 230))
        sheet.disc(x, y, 0.055, (236, 234, 214))
        sheet.disc(x + 0.022, y - 0.014, 0.046, mix(top, bottom, y / horizon))
    elif weather == "sunny":
        for i in range(3):
            sheet.disc(x, y, 0.095 - i * 0.014, mix(top, (255, 240, 170), 0.25 + 0.2 * i))
        sheet.disc(x, y, 0.055, (255, 236, 130))
    tint = (250, 251, 253) if weather == "sunny" else mix(bottom, (246, 248, 250), 0.55)
    if weather == "rainy":
        tint = mix(top, (70, 76, 88), 0.35)
    if sheet.night:
        tint = mix(bottom, (120, 128, 156), 0.4)
    for _ in range({"sunny": rng.randint(1, 3), "snowy": 3}.get(weather, 6)):
        at = rng.uniform(0.0, 1.0)
        if weather == "sunny":  # never before the sun or the moon
            at = (x + 0.32 + 0.36 * at) % 1.0
        _cloud(sheet, at, rng.uniform(0.04, horizon * 0.6), rng.uniform(0.05, 0.09), tint)


def _cloud(sheet: _Sheet, x: float, y: float, size: float, colour: Rgb) -> None:
    for dx, dy, part in ((-1.3, 0.25, 0.55), (-0.5, 0.0, 0.8), (0.45, -0.1, 0.95), (1.3, 0.25, 0.6)):
        (cx, cy), r = sheet.at(x + dx * size, y + dy * size), part * size * min(sheet.image.size)
        sheet.draw.ellipse((cx - r * 1.3, cy - r * 0.62, cx + r * 1.3, cy + r * 0.62), fill=colour)


def _hills(sheet: _Sheet, horizon: float, height: float, colour: Rgb) -> None:
    rng = sheet.rng
    ridge = [(-0.1 + 0.2 * i, horizon - rng.uniform(0.2, 1.0) * height) for i in range(7)]
    sheet.polygon([(-0.1, horizon + 0.01), *smooth(ridge, closed=False, steps=5), (1.1, horizon + 0.01)], colour)


def _park(sheet: _Sheet) -> None:
    rng, top = sheet.rng, sheet.scene.horizon
    _hills(sheet, top, 0.16, sheet.tone((206, 216, 224) if sheet.snow else (150, 178, 168)))
    _hills(sheet, top, 0.08, sheet.tone((222, 228, 234) if sheet.snow else (136, 172, 130)))
    grass = sheet.tone((226, 232, 238) if sheet.snow else (150, 190, 116), 12)
    sheet.band(top, 1, lighter(grass, 0.1) if not sheet.night else grass, darker(grass, 0.1))
    x, end = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.8)
    left = [(x - 0.015, top), (_between(x, end, 0.35) - 0.09, 0.5 + top / 2), (end - 0.2, 1.02)]
    right = [(end + 0.2, 1.02), (_between(x, end, 0.35) + 0.07, 0.5 + top / 2), (x + 0.015, top)]
    path = sheet.tone((206, 210, 216) if sheet.snow else (214, 200, 166))
    sheet.polygon([*smooth(left, closed=False), *smooth(right, closed=False)], path)
    blade = sheet.hour((200, 208, 216)) if sheet.snow else darker(grass, 0.16)
    for _ in range(26):
        bx, by = rng.random(), rng.uniform(top + 0.03, 0.99)
        size = 0.008 + 0.016 * (by - top)
        sheet.line([(bx - size, by - size), (bx, by), (bx + size * 0.8, by - size * 1.3)], blade, 1)


def _skyline(sheet: _Sheet, horizon: float, height: float) -> None:
    """A far town: flat blocks without doors or roofs."""
    rng, x = sheet.rng, -0.02
    base = (184, 190, 202) if sheet.scene.weather in ("sunny", "snowy") else (164, 170, 180)
    while x < 1:
        wide, high = rng.uniform(0.05, 0.13), rng.uniform(0.3, 1.0) * height
        block = sheet.tone(base, 8)
        sheet.box(x, horizon - high, x + wide, horizon + 0.01, block)
        if sheet.night:
            for _ in range(3):
                lx, ly = rng.uniform(x + 0.01, x + wide - 0.01), rng.uniform(horizon - high + 0.01, horizon - 0.01)
                sheet.box(lx, ly, lx + 0.008, ly + 0.01, (186, 172, 116))
        x += wide + rng.choice((0.0, 0.0, 0.03))


def _street(sheet: _Sheet) -> None:
    rng, top = sheet.rng, sheet.scene.horizon
    _skyline(sheet, top, 0.2)
    kerb, road, lane = top + 0.07, top + (1 - top) * 0.72, top + (1 - top) * 0.42
    pavement = sheet.tone((228, 232, 238) if sheet.snow else (188, 184, 178))
    asphalt = sheet.tone((172, 178, 188) if sheet.snow else (118, 120, 126), 8)
    sheet.band(top, kerb, pavement)
    sheet.band(kerb, road, asphalt, darker(asphalt, 0.08))
    sheet.box(0, kerb - 0.008, 1, kerb + 0.004, darker(pavement, 0.25))
    x = rng.uniform(-0.15, 0.0)
    while x < 1:
        sheet.polygon([(x + 0.01, lane), (x + 0.1, lane), (x + 0.09, lane + 0.02), (x, lane + 0.02)],
                      sheet.hour((226, 226, 220)))  # fmt: skip
        x += 0.2
    sheet.band(road, 1, lighter(pavement, 0.06) if not sheet.night else pavement, pavement)
    sheet.box(0, road, 1, road + 0.018, darker(pavement, 0.22))
    for i in range(7):
        x = 0.5 + (i - 3) * 0.17
        sheet.line([(x, road + 0.018), (x + (x - 0.5) * 0.3, 1)], darker(pavement, 0.12), 0.8)
    sheet.line([(0, (road + 1) / 2), (1, (road + 1) / 2)], darker(pavement, 0.12), 0.8)


def _water(sheet: _Sheet, top: float, bottom: float) -> Rgb:
    """Waves from `top` to `bottom`; returns their colour at the near end."""
    rng = sheet.rng
    sea = sheet.tone((142, 184, 206) if sheet.scene.weather == "sunny" else (140, 162, 178))
    sheet.band(top, bottom, lighter(sea, 0.18) if not sheet.night else sea, darker(sea, 0.1))
    crest = lighter(sea, 0.4 if not sheet.night else 0.2)
    for _ in range(18):
        x, y = rng.random(), rng.uniform(top + 0.015, bottom - 0.01)
        wide = 0.02 + 0.18 * (y - top)
        sheet.line([(x, y), (x + wide * 0.5, y - 0.005), (x + wide, y)], crest, 1)
    return darker(sea, 0.1)


def _beach(sheet: _Sheet) -> None:
    rng, top = sheet.rng, sheet.scene.horizon
    shore = top + SHORE
    sea = _water(sheet, top, shore)
    sand = sheet.tone((228, 232, 236) if sheet.snow else (232, 212, 168))
    sheet.band(shore - 0.01, 1, sand, darker(sand, 0.07))
    wave = smooth([(-0.1 + 0.15 * i, shore + rng.uniform(-0.018, 0.012)) for i in range(9)], closed=False, steps=4)
    wet = darker(sand, 0.14)
    sheet.polygon([(-0.1, shore - 0.03), *[(x, y + 0.02) for x, y in wave], (1.1, shore - 0.03)], wet)
    foam = sheet.hour((240, 246, 248))
    sheet.polygon([(-0.1, shore - 0.03), *wave, (1.1, shore - 0.03)], foam)
    sheet.polygon([(-0.1, shore - 0.035), *[(x, y - 0.012) for x, y in wave], (1.1, shore - 0.035)], sea)
    for _ in range(40):
        sheet.disc(rng.random(), rng.uniform(shore + 0.05, 0.99), rng.uniform(0.002, 0.004), darker(sand, 0.15))


def _harbour(sheet: _Sheet) -> None:
    top = sheet.scene.horizon
    shore = top + SHORE
    _hills(sheet, top, 0.07, sheet.tone((170, 184, 188)))
    _water(sheet, top, shore)
    stone = sheet.tone((226, 232, 238) if sheet.snow else (190, 184, 174))
    sheet.box(0, shore - 0.005, 1, shore + 0.035, darker(stone, 0.32))
    sheet.band(shore + 0.02, 1, stone, darker(stone, 0.08))
    joint = darker(stone, 0.14)
    rows = [shore + 0.02 + (1 - shore) * part for part in (0.12, 0.3, 0.56, 0.92)]
    for i, y in enumerate(rows):
        sheet.line([(0, y), (1, y)], joint, 1)
        above = rows[i - 1] if i else shore + 0.02
        for k in range(-2, 9):
            x = (k + 0.5 * (i % 2)) / 6
            sheet.line([(0.5 + (x - 0.5) * (1 + i * 0.2), above), (0.5 + (x - 0.5) * (1.2 + i * 0.2), y)], joint, 1)


def _window(sheet: _Sheet, x: float, y: float, wide: float, high: float) -> None:
    night = sheet.scene.time == "night"
    frame = (236, 234, 228)
    sheet.box(x - 0.012, y - 0.012, x + wide + 0.012, y + high + 0.012, darker(frame, 0.2))
    sheet.box(x - 0.008, y - 0.008, x + wide + 0.008, y + high + 0.008, frame)
    sheet.box(x, y, x + wide, y + high, (30, 38, 80) if night else (190, 216, 234))
    if night:
        sheet.disc(x + wide * 0.72, y + high * 0.28, 0.018, (228, 228, 210))
        for _ in range(6):
            sheet.disc(x + wide * sheet.rng.random(), y + high * sheet.rng.random(), 0.003, (200, 206, 226))
    else:
        sheet.box(x, y + high * 0.72, x + wide, y + high, (176, 200, 172))
    sheet.box(x + wide / 2 - 0.005, y, x + wide / 2 + 0.005, y + high, frame)
    sheet.box(x, y + high / 2 - 0.005, x + wide, y + high / 2 + 0.005, frame)


def _room(sheet: _Sheet) -> None:
    rng, top = sheet.rng, sheet.scene.horizon
    wall = sheet.tone(rng.choice(_WALLS), 6)
    if sheet.scene.time == "night":
        wall = mix(wall, (120, 104, 90), 0.3)
    sheet.band(0, top, wall, darker(wall, 0.05))
    paper, second = rng.choice(("plain", "stripes", "dots", "panels")), darker(wall, 0.06)
    if paper == "stripes":
        for i in range(9):
            sheet.box(i / 9, 0, i / 9 + 0.05, top, second)
    elif paper == "dots":
        for i in range(9):
            for k in range(6):
                sheet.disc((i + 0.5 * (k % 2)) / 8.5, 0.05 + k * top / 6, 0.008, second)
    elif paper == "panels":
        sheet.band(top * 0.66, top, second)
    x = rng.choice((rng.uniform(0.06, 0.14), rng.uniform(0.6, 0.68)))
    _window(sheet, x, 0.07, 0.24, top * 0.5)
    floor = sheet.tone(rng.choice(_FLOORS), 8)
    if sheet.scene.time == "night":
        floor = mix(floor, (90, 76, 66), 0.3)
    sheet.band(top, 1, floor, darker(floor, 0.08))
    sheet.box(0, top - 0.022, 1, top + 0.004, lighter(wall, 0.45))
    for i in range(-4, 14):
        foot = 0.5 + (i - 4.5) * 0.16
        sheet.line([(0.5 + (foot - 0.5) * 0.66, top + 0.006), (foot, 1)], darker(floor, 0.13), 0.8)


def _kitchen(sheet: _Sheet) -> None:
    rng, top = sheet.rng, sheet.scene.horizon
    tile = sheet.tone(rng.choice(_WALLS), 6)
    if sheet.scene.time == "night":
        tile = mix(tile, (120, 104, 90), 0.25)
    sheet.band(0, top, lighter(tile, 0.2), tile)
    joint, step = darker(tile, 0.09), 0.075
    for i in range(1, 14):
        sheet.line([(i * step, 0), (i * step, top)], joint, 0.7)
        if i * step < top:
            sheet.line([(0, i * step), (1, i * step)], joint, 0.7)
    wood = sheet.tone(rng.choice(((196, 178, 154), (176, 188, 186), (206, 198, 188), (170, 152, 138))), 6)
    if sheet.scene.time == "night":
        wood = mix(wood, (90, 76, 66), 0.25)
    left = rng.random() < 0.5
    for i in range(3):
        x = (0.0 if left else 0.52) + i * 0.16
        sheet.box(x, 0, x + 0.157, 0.15, darker(wood, 0.18))
        sheet.box(x + 0.008, 0, x + 0.149, 0.14, wood)
        sheet.box(x + 0.07, 0.118, x + 0.09, 0.126, darker(wood, 0.4))
    _window(sheet, 0.64 if left else 0.12, 0.06, 0.22, top * 0.42)
    floor = sheet.tone(rng.choice(_FLOORS), 8)
    if sheet.scene.time == "night":
        floor = mix(floor, (90, 76, 66), 0.3)
    sheet.band(top, 1, floor)
    _checks(sheet, top, darker(floor, 0.09))
    sheet.box(0, top - 0.02, 1, top + 0.004, darker(wood, 0.2))


def _checks(sheet: _Sheet, top: float, colour: Rgb) -> None:
    """Every second tile of a floor, in perspective."""
    rows = [top + (1 - top) * part for part in (0.0, 0.12, 0.3, 0.58, 1.0)]
    spread = [0.62 + 0.38 * (y - top) / (1 - top) for y in rows]
    for i in range(4):
        for k in range(-3, 9):
            if (i + k) % 2 == 0:
                a, b = (k - 3) / 5, (k - 2) / 5
                sheet.polygon(
                    [(0.5 + a * spread[i], rows[i]), (0.5 + b * spread[i], rows[i]),
                     (0.5 + b * spread[i + 1], rows[i + 1]), (0.5 + a * spread[i + 1], rows[i + 1])],
                    colour,
                )  # fmt: skip


_PLACES: Mapping[str, Callable[[_Sheet], None]] = {
    "park": _park,
    "street": _street,
    "beach": _beach,
    "harbour": _harbour,
    "room": _room,
    "kitchen": _kitchen,
}
