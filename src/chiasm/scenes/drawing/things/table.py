"""Painters of what stands on tables: cup, bottle, bowl, vase, apple, banana, orange, cake, book, laptop."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.scenes.drawing.canvas import PAINTS, Pen, Rgb, darker, lighter, smooth
from chiasm.scenes.drawing.things.painter import DARK, METAL, PAPER, Painter, edge_of
from chiasm.scenes.scene import Thing

_STALK: Rgb = (98, 66, 40)
_LEAF: Rgb = (70, 150, 60)


def _shine(colour: str) -> Rgb:
    return lighter(PAINTS[colour], 0.5) if colour != "white" else (216, 222, 230)


def _cup(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    pen.limb(smooth([(0.7, 0.3), (0.87, 0.3), (0.94, 0.5), (0.87, 0.7), (0.7, 0.7)], closed=False), paint, 0.12)
    pen.polygon([(0.0, 0.1), (0.76, 0.1), (0.73, 0.86), (0.68, 0.96), (0.6, 1.0), (0.16, 1.0), (0.08, 0.96),
                 (0.03, 0.86)], paint)  # fmt: skip
    pen.ellipse(0.38, 0.11, 0.38, 0.11, paint)
    pen.ellipse(0.38, 0.12, 0.31, 0.07, (92, 60, 40) if thing.colour != "brown" else DARK, outline=False)
    pen.line([(0.14, 0.34), (0.17, 0.78)], _shine(thing.colour), 0.07)


def _bottle(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    outline = [(0.32, 0.06), (0.68, 0.06), (0.68, 0.26), (0.92, 0.38), (1.0, 0.46), (1.0, 0.96), (0.92, 1.0),
               (0.08, 1.0), (0.0, 0.96), (0.0, 0.46), (0.08, 0.38), (0.32, 0.26)]  # fmt: skip
    pen.polygon(outline, paint)
    pen.rectangle(0.26, 0.0, 0.74, 0.08, edge, radius=0.05)
    pen.rectangle(0.0, 0.58, 1.0, 0.8, PAPER if thing.colour != "white" else (150, 190, 214), outline=False)
    pen.line([(0.2, 0.66), (0.8, 0.66)], edge, 0.05)
    pen.line([(0.2, 0.73), (0.6, 0.73)], edge, 0.05)
    pen.line([(0.2, 0.44), (0.2, 0.54)], _shine(thing.colour), 0.12)


def _bowl(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    pen.rectangle(0.3, 0.86, 0.7, 1.0, edge, radius=0.04)
    pen.blob([(0.0, 0.18), (0.05, 0.45), (0.2, 0.76), (0.4, 0.92), (0.6, 0.92), (0.8, 0.76), (0.95, 0.45), (1.0, 0.18),
              (0.75, 0.16), (0.25, 0.16)], paint)  # fmt: skip
    pen.ellipse(0.5, 0.17, 0.5, 0.17, paint)
    pen.ellipse(0.5, 0.18, 0.44, 0.11, darker(paint, 0.35) if thing.colour != "black" else edge, outline=False)
    pen.curve([(0.12, 0.46), (0.2, 0.62), (0.3, 0.74)], _shine(thing.colour), 0.06)


def _vase(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    right = [(0.74, 0.05), (0.66, 0.2), (0.78, 0.34), (1.0, 0.55), (0.94, 0.78), (0.72, 0.97)]
    pen.blob([*right, (0.5, 1.0), *((1 - x, y) for x, y in reversed(right)), (0.5, 0.06)], paint)
    pen.rectangle(0.27, 0.93, 0.73, 1.0, edge, radius=0.04)
    pen.ellipse(0.5, 0.06, 0.27, 0.06, paint)
    pen.ellipse(0.5, 0.065, 0.19, 0.03, edge, outline=False)
    trim = lighter(paint, 0.7) if thing.colour not in ("white", "yellow") else edge
    points = [(0.08 + 0.12 * i, 0.5 if i % 2 else 0.61) for i in range(8)]
    pen.line(points, trim, 0.05)
    pen.line([(0.3, 0.3), (0.7, 0.3)], trim, 0.05)


def _apple(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    right = [(0.62, 0.24), (0.8, 0.21), (0.96, 0.36), (1.0, 0.55), (0.92, 0.8), (0.76, 0.98), (0.6, 1.0)]
    pen.blob([(0.5, 0.29), *right, (0.5, 0.96), *((1 - x, y) for x, y in reversed(right))], paint)
    pen.line([(0.5, 0.33), (0.52, 0.16), (0.56, 0.03)], _STALK, 0.075)
    pen.blob([(0.55, 0.17), (0.68, 0.02), (0.9, 0.03), (0.8, 0.17)], _LEAF)
    pen.ellipse(0.26, 0.47, 0.08, 0.12, _shine(thing.colour), outline=False)


def _banana(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    outer = [(0.03, 0.26), (0.02, 0.42), (0.13, 0.72), (0.33, 0.94), (0.57, 0.99), (0.8, 0.85), (0.95, 0.52)]
    inner = [(1.0, 0.14), (0.9, 0.12), (0.78, 0.38), (0.6, 0.53), (0.42, 0.54), (0.26, 0.44), (0.12, 0.24)]
    pen.blob([*outer, *inner], paint)
    pen.curve([(0.13, 0.46), (0.32, 0.72), (0.56, 0.79), (0.77, 0.65), (0.9, 0.36)], darker(paint, 0.2), 0.05)
    pen.polygon([(0.88, 0.16), (0.89, 0.0), (0.98, 0.0), (1.0, 0.18)], _STALK)
    pen.polygon([(0.0, 0.24), (0.1, 0.21), (0.12, 0.31), (0.01, 0.36)], _STALK, outline=False)


def _orange(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    pen.ellipse(0.5, 0.53, 0.5, 0.47, paint)
    for x, y in ((0.28, 0.66), (0.45, 0.78), (0.64, 0.68), (0.74, 0.5), (0.55, 0.55), (0.38, 0.48), (0.62, 0.86)):
        pen.disc(x, y, 0.022, darker(paint, 0.22), outline=False)
    pen.ellipse(0.28, 0.36, 0.1, 0.08, _shine(thing.colour), outline=False)
    pen.blob([(0.5, 0.14), (0.58, 0.02), (0.8, 0.01), (0.72, 0.15)], _LEAF)
    pen.disc(0.5, 0.13, 0.05, _STALK, outline=False)


def _cake(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    icing = lighter(paint, 0.72) if thing.colour != "white" else (246, 176, 190)
    pen.rectangle(0.0, 0.94, 1.0, 1.0, METAL, radius=0.03)
    for x0, top, x1, bottom in ((0.07, 0.62, 0.93, 0.95), (0.2, 0.33, 0.8, 0.64)):
        pen.rectangle(x0, top, x1, bottom, paint, radius=0.04)
        steps = 5
        wide = (x1 - x0) / steps
        pen.rectangle(x0, top, x1, top + 0.07, icing, radius=0.03, outline=False)
        for i in range(steps):
            pen.ellipse(x0 + (i + 0.5) * wide, top + 0.07, wide * 0.42, 0.055, icing, outline=False)
    lit = thing.state == "lit"
    for x, colour in ((0.33, (90, 150, 220)), (0.5, (220, 90, 110)), (0.67, (90, 170, 110))):
        pen.rectangle(x - 0.035, 0.18, x + 0.035, 0.34, colour, outline=False)
        if lit:
            with pen.shining():
                pen.blob([(x, 0.0), (x + 0.05, 0.11), (x, 0.18), (x - 0.05, 0.11)], (255, 130, 20), outline=False)
                pen.ellipse(x, 0.125, 0.025, 0.05, (255, 244, 120), outline=False)
        else:
            pen.line([(x, 0.01), (x, 0.18)], DARK, 0.02)


def _book(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    if thing.state == "open":
        pen.polygon([(0.0, 0.06), (0.5, 0.14), (1.0, 0.06), (1.0, 0.92), (0.5, 1.0), (0.0, 0.92)], paint)
        for side in (-1, 1):
            page = [
                (0.0, 0.18),
                (0.1, 0.06),
                (0.26, 0.0),
                (0.4, 0.04),
                (0.4, 0.68),
                (0.24, 0.66),
                (0.1, 0.72),
                (0, 0.84),
            ]
            pen.polygon([(0.5 + side * x, y) for x, y in page], PAPER)
            for y in (0.22, 0.36, 0.5):
                pen.line([(0.5 + side * 0.08, y + 0.04), (0.5 + side * 0.33, y - 0.02)], (150, 150, 158), 0.03)
        return
    pen.rectangle(0.02, 0.04, 1.0, 1.0, darker(paint, 0.15), radius=0.05)
    pen.rectangle(0.06, 0.85, 0.97, 0.95, PAPER, outline=False)
    pen.rectangle(0.0, 0.0, 0.98, 0.86, paint, radius=0.05)
    pen.rectangle(0.0, 0.0, 0.13, 0.98, edge, radius=0.05)
    label = lighter(paint, 0.7) if thing.colour not in ("white", "yellow") else edge
    pen.rectangle(0.3, 0.18, 0.82, 0.28, label, outline=False)
    pen.rectangle(0.38, 0.36, 0.74, 0.42, label, outline=False)


def _laptop(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    pen.rectangle(0.1, 0.0, 0.9, 0.74, paint, radius=0.06)
    if thing.state == "on":
        with pen.shining():
            pen.rectangle(0.18, 0.09, 0.82, 0.63, (196, 232, 255), outline=False)
            pen.rectangle(0.18, 0.09, 0.82, 0.18, (90, 160, 235), outline=False)
            for y, x1 in ((0.27, 0.7), (0.36, 0.58), (0.45, 0.66), (0.54, 0.46)):
                pen.rectangle(0.24, y, x1, y + 0.035, (96, 120, 150), outline=False)
    else:
        pen.rectangle(0.18, 0.09, 0.82, 0.63, (26, 28, 34), outline=False)
        pen.polygon([(0.24, 0.63), (0.5, 0.09), (0.62, 0.09), (0.36, 0.63)], (46, 50, 58), outline=False)
    pen.polygon([(0.1, 0.74), (0.9, 0.74), (1.0, 0.94), (0.0, 0.94)], paint)
    pen.polygon([(0.18, 0.77), (0.82, 0.77), (0.87, 0.86), (0.13, 0.86)], edge, outline=False)
    pen.rectangle(0.0, 0.93, 1.0, 1.0, edge, radius=0.03)


PAINTERS: Mapping[str, Painter] = {
    "cup": _cup,
    "bottle": _bottle,
    "bowl": _bowl,
    "vase": _vase,
    "apple": _apple,
    "banana": _banana,
    "orange": _orange,
    "cake": _cake,
    "book": _book,
    "laptop": _laptop,
}
