"""Painters of what a room is furnished with: chair, couch, dining table, clock, tv."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chiasm.scenes.drawing.canvas import PAINTS, Pen, darker, lighter
from chiasm.scenes.drawing.things.painter import DARK, METAL, PAPER, Painter, edge_of
from chiasm.scenes.scene import Thing


def _chair(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    for x in (0.16, 0.78):
        pen.rectangle(x, 0.58, x + 0.1, 0.92, darker(paint, 0.3) if thing.colour != "black" else edge)
    pen.polygon([(0.0, 0.06), (0.05, 0.0), (0.18, 0.0), (0.24, 0.05), (0.27, 0.56), (0.06, 0.56)], paint)
    pen.line([(0.13, 0.08), (0.18, 0.46)], lighter(paint, 0.3) if thing.colour != "white" else edge, 0.035)
    pen.rectangle(0.03, 0.66, 0.15, 1.0, paint)
    pen.rectangle(0.87, 0.66, 1.0, 1.0, paint)
    pen.rectangle(0.03, 0.52, 1.0, 0.68, paint, radius=0.07)
    pen.line([(0.1, 0.645), (0.94, 0.645)], edge, 0.03)


def _couch(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    for x in (0.08, 0.86):
        pen.rectangle(x, 0.9, x + 0.06, 1.0, DARK)
    pen.rectangle(0.08, 0.0, 0.92, 0.7, paint, radius=0.12)
    pen.line([(0.5, 0.06), (0.5, 0.5)], edge, 0.025)
    for x in (0.14, 0.5):
        pen.rectangle(x, 0.48, x + 0.36, 0.72, lighter(paint, 0.14), radius=0.08)
    pen.rectangle(0.06, 0.68, 0.94, 0.93, paint, radius=0.04)
    for x in (0.0, 0.85):
        pen.rectangle(x, 0.32, x + 0.15, 0.94, darker(paint, 0.08), radius=0.12)


def _dining_table(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    for x in (0.14, 0.8):
        pen.rectangle(x, 0.25, x + 0.06, 0.84, darker(paint, 0.3) if thing.colour != "black" else edge)
    for x in (0.03, 0.88):
        pen.rectangle(x, 0.28, x + 0.09, 1.0, paint)
    pen.polygon([(0.07, 0.0), (0.93, 0.0), (1.0, 0.24), (0.0, 0.24)], lighter(paint, 0.1))
    pen.rectangle(0.0, 0.23, 1.0, 0.38, paint, radius=0.02)
    pen.line([(0.05, 0.335), (0.95, 0.335)], edge, 0.025)


def _clock(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    face = PAPER if thing.colour != "white" else (206, 216, 228)
    pen.ellipse(0.5, 0.5, 0.5, 0.5, paint)
    pen.ellipse(0.5, 0.5, 0.365, 0.365, face)
    for hour in range(12):
        east, south = math.sin(math.tau * hour / 12), -math.cos(math.tau * hour / 12)
        near, wide = (0.28, 0.032) if hour % 3 == 0 else (0.315, 0.018)
        pen.line([(0.5 + east * near, 0.5 + south * near), (0.5 + east * 0.345, 0.5 + south * 0.345)], DARK, wide)
    turn = math.tau * int(thing.state or 12) / 12
    pen.line([(0.5, 0.5), (0.5, 0.2)], DARK, 0.034)
    pen.line([(0.5, 0.5), (0.5 + 0.22 * math.sin(turn), 0.5 - 0.22 * math.cos(turn))], (196, 30, 46), 0.08)
    pen.ellipse(0.5, 0.5, 0.045, 0.045, DARK, outline=False)


def _tv(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    pen.rectangle(0.3, 0.86, 0.7, 1.0, METAL, radius=0.02)
    pen.rectangle(0.22, 0.96, 0.78, 1.0, METAL)
    pen.rectangle(0.0, 0.0, 1.0, 0.92, paint, radius=0.06)
    x0, y0, x1, y1 = 0.07, 0.1, 0.93, 0.76
    pen.disc(0.92, 0.85, 0.025, (60, 220, 90) if thing.state == "on" else (170, 40, 40), outline=False)
    pen.rectangle(0.38, 0.835, 0.62, 0.86, edge, outline=False)
    if thing.state == "on":
        dark = pen.style.hue % 2 == 1
        with pen.shining():
            pen.rectangle(x0, y0, x1, y1, (24, 60, 150) if dark else (206, 238, 255), radius=0.03, outline=False)
            if thing.text:
                pen.text(0.5, (y0 + y1) / 2, thing.text, 0.8, 0.54, (255, 255, 255) if dark else (16, 24, 60))
        return
    pen.rectangle(x0, y0, x1, y1, (22, 24, 30), radius=0.03, outline=False)
    pen.polygon([(0.2, y1), (0.48, y0), (0.6, y0), (0.32, y1)], (46, 50, 58), outline=False)


PAINTERS: Mapping[str, Painter] = {
    "chair": _chair,
    "couch": _couch,
    "dining table": _dining_table,
    "clock": _clock,
    "tv": _tv,
}
