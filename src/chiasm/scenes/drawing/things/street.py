"""Painters of what stands outdoors: traffic light, stop sign, fire hydrant, bench, sign, lamp, house."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.scenes.drawing.canvas import PAINTS, Pen, Rgb, darker, lighter
from chiasm.scenes.drawing.things.painter import DARK, GLASS, GLOW, METAL, PAPER, Painter, edge_of
from chiasm.scenes.kinds import TRAFFIC_LIGHTS
from chiasm.scenes.scene import Thing

_LAMPS: Mapping[str, Rgb] = {"red": (255, 48, 40), "yellow": (255, 214, 40), "green": (60, 226, 90)}
_ROOFS: tuple[Rgb, ...] = ((96, 84, 84), (84, 96, 110), (112, 78, 66))
_WOOD: Rgb = (150, 112, 76)


def _traffic_light(pen: Pen, thing: Thing) -> None:
    pen.rectangle(0.42, 0.6, 0.58, 1.0, METAL)
    pen.rectangle(0.22, 0.95, 0.78, 1.0, METAL)
    pen.rectangle(0.0, 0.0, 1.0, 0.68, PAINTS[thing.colour], radius=0.2)
    for i, name in enumerate(TRAFFIC_LIGHTS):
        y = 0.125 + i * 0.215
        if thing.state == name:
            with pen.shining():
                pen.disc(0.5, y, 0.102, darker(_LAMPS[name], 0.25), outline=False)
                pen.disc(0.5, y, 0.09, _LAMPS[name], outline=False)
                pen.disc(0.44, y - 0.02, 0.03, lighter(_LAMPS[name], 0.55), outline=False)
        else:
            pen.disc(0.5, y, 0.088, (84, 84, 92), outline=False)
            pen.disc(0.5, y, 0.075, (24, 24, 30), outline=False)


def _stop_sign(pen: Pen, thing: Thing) -> None:
    pen.rectangle(0.45, 0.45, 0.55, 1.0, METAL)
    half = 0.5 / pen.aspect if pen.aspect > 1 else 0.5
    high = half * pen.aspect
    octagon = ((-0.414, -1), (0.414, -1), (1, -0.414), (1, 0.414), (0.414, 1), (-0.414, 1), (-1, 0.414), (-1, -0.414))
    for scale, colour in ((1.0, PAPER), (0.91, PAINTS[thing.colour])):
        pen.polygon([(0.5 + half * scale * x, high + high * scale * y) for x, y in octagon], colour, scale == 1)
    pen.text(0.5, high, "STOP", half * 1.6, high * 0.72, PAPER)


def _fire_hydrant(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    for x in (0.0, 0.82):
        pen.rectangle(x, 0.38, x + 0.18, 0.62, darker(paint, 0.2), radius=0.05)
    pen.rectangle(0.12, 0.43, 0.88, 0.57, paint)
    pen.rectangle(0.22, 0.28, 0.78, 0.92, paint, radius=0.04)
    pen.rectangle(0.44, 0.0, 0.56, 0.1, edge, radius=0.03)
    pen.pie(0.5, 0.28, 0.22, 180, 360, paint)
    pen.rectangle(0.14, 0.25, 0.86, 0.33, paint, radius=0.04)
    pen.rectangle(0.08, 0.87, 0.92, 1.0, paint, radius=0.04)
    pen.disc(0.5, 0.54, 0.14, edge, outline=False)
    pen.disc(0.5, 0.54, 0.095, lighter(paint, 0.35), outline=False)
    pen.line([(0.3, 0.4), (0.3, 0.82)], lighter(paint, 0.45), 0.045)


def _bench(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    for x in (0.1, 0.84):
        pen.rectangle(x, 0.1, x + 0.055, 0.62, DARK)
        pen.rectangle(x - 0.03, 0.68, x + 0.025, 1.0, DARK)
        pen.rectangle(x + 0.06, 0.68, x + 0.11, 0.92, DARK)
    for y in (0.0, 0.17, 0.34):
        pen.rectangle(0.03, y, 0.97, y + 0.135, paint, radius=0.04)
    pen.polygon([(0.04, 0.54), (0.96, 0.54), (1.0, 0.68), (0.0, 0.68)], paint)
    pen.rectangle(0.0, 0.68, 1.0, 0.78, darker(paint, 0.15), radius=0.03)


def _sign(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    light = thing.colour in ("white", "yellow")
    ink = (28, 28, 40) if light else (250, 250, 246)
    for x in (0.2, 0.72):
        pen.rectangle(x, 0.6, x + 0.08, 1.0, _WOOD)
    pen.rectangle(0.0, 0.0, 1.0, 0.7, paint, radius=0.06)
    for x0, y0, x1, y1 in ((0.03, 0.035, 0.97, 0.06), (0.03, 0.64, 0.97, 0.665)):
        pen.rectangle(x0, y0, x1, y1, ink, outline=False)
    if thing.text:
        pen.text(0.5, 0.35, thing.text, 0.88, 0.46, ink)


def _lamp(pen: Pen, thing: Thing) -> None:
    paint, lit = PAINTS[thing.colour], thing.state == "lit"
    pen.rectangle(0.42, 0.3, 0.58, 0.96, paint)
    pen.rectangle(0.2, 0.92, 0.8, 1.0, paint, radius=0.12)
    if lit:
        with pen.shining():
            for x, y in ((0.08, 0.46), (0.3, 0.52), (0.7, 0.52), (0.92, 0.46)):
                pen.line([(0.5 + (x - 0.5) * 0.45, 0.36), (x, y)], GLOW, 0.06)
    with pen.shining():
        pen.ellipse(0.5, 0.3, 0.33, 0.075, GLOW if lit else (104, 106, 114), outline=not lit)
        if lit:
            pen.ellipse(0.5, 0.3, 0.18, 0.045, (255, 252, 226), outline=False)
    pen.polygon([(0.36, 0.0), (0.64, 0.0), (1.0, 0.29), (0.0, 0.29)], paint)
    pen.rectangle(0.0, 0.26, 1.0, 0.3, GLOW if lit else edge_of(thing.colour), outline=False)


def _house(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    roof = _ROOFS[(pen.style.hue + thing.number) % len(_ROOFS)]
    pen.rectangle(0.72, 0.06, 0.82, 0.34, (140, 92, 80))
    pen.rectangle(0.07, 0.36, 0.93, 1.0, paint)
    pen.polygon([(0.0, 0.41), (0.5, 0.0), (1.0, 0.41), (1.0, 0.46), (0.0, 0.46)], roof)
    pen.polygon([(0.26, 0.41), (0.5, 0.2), (0.74, 0.41)], paint, outline=False)
    pen.rectangle(0.42, 0.68, 0.58, 1.0, darker(_WOOD, 0.25))
    pen.disc(0.545, 0.85, 0.015, GLOW, outline=False)
    for x in (0.15, 0.67):
        pen.rectangle(x - 0.015, 0.535, x + 0.195, 0.765, PAPER if thing.colour != "white" else edge)
        with pen.shining():
            pen.rectangle(x, 0.55, x + 0.18, 0.75, GLOW if pen.night else GLASS, outline=False)
        pen.line([(x + 0.09, 0.55), (x + 0.09, 0.75)], edge, 0.015)
        pen.line([(x, 0.65), (x + 0.18, 0.65)], edge, 0.015)


PAINTERS: Mapping[str, Painter] = {
    "traffic light": _traffic_light,
    "stop sign": _stop_sign,
    "fire hydrant": _fire_hydrant,
    "bench": _bench,
    "sign": _sign,
    "lamp": _lamp,
    "house": _house,
}
