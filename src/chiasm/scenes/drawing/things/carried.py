"""What people carry and play with: umbrellas and bags, kites and balloons, balls, frisbees and teddy bears.

Strings of kites and balloons end where a hand holds them, so do handles (`Kind.grip`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from chiasm.scenes.drawing.canvas import PAINTS, TOGETHER, Pen, Point, Rgb, darker, lighter, shade
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.scene import Thing

_DARK: Rgb = (44, 40, 46)
_WOOD: Rgb = (122, 80, 48)
_STEEL: Rgb = (120, 124, 132)
_BRASS: Rgb = (222, 190, 96)
_STRING: Rgb = (92, 88, 90)


def _trim(thing: Thing) -> Rgb:
    """A second colour that is not the thing's own: white, or dark on white and yellow."""
    return (60, 62, 70) if thing.colour in ("white", "yellow") else (246, 244, 238)


def paint_umbrella(pen: Pen, thing: Thing) -> None:
    """An umbrella, open above its handle or furled."""
    cloth = PAINTS[thing.colour]
    if thing.state == "closed":
        pen.limb([(0.5, 0.02), (0.5, 0.2)], _STEEL, 0.025)
        pen.limb([(0.5, 0.68), (0.5, 0.9), (0.56, 0.965), (0.78, 0.965), (0.86, 0.9)], _WOOD, 0.05)
        pen.blob([(0.5, 0.08), (0.76, 0.4), (0.98, 0.68), (0.82, 0.76), (0.64, 0.71), (0.5, 0.77), (0.36, 0.71),
                  (0.18, 0.76), (0.02, 0.68), (0.24, 0.4)], cloth)  # fmt: skip
        for x in (0.3, 0.68):
            pen.limb([(0.5, 0.16), (x, 0.7)], shade(cloth, 0.25), 0.014, outline=False)
        pen.limb([(0.14, 0.52), (0.86, 0.52)], shade(cloth, 0.35), 0.035, outline=False)
        return
    hem = 0.5
    pen.limb([(0.5, 0.01), (0.5, 0.1)], _STEEL, 0.03)
    pen.limb([(0.5, 0.1), (0.5, 0.94)], _STEEL, 0.028)
    hook = [(0.5, 0.8), (0.5, 0.93), (0.53, 0.972), (0.57, 0.972), (0.6, 0.93)]
    pen.limb(hook, _WOOD, 0.05)
    dome = [(0.5 - 0.5 * math.cos(math.pi * i / 16), hem - 0.44 * math.sin(math.pi * i / 16)) for i in range(17)]
    ribs = (1.0, 0.78, 0.5, 0.22, 0.0)
    scallops: list[Point] = []
    for right, left in pairwise(ribs):
        wide = right - left
        scallops += [(right - 0.25 * wide, hem - 0.055), (right - 0.5 * wide, hem - 0.075),
                     (right - 0.75 * wide, hem - 0.055), (left, hem)]  # fmt: skip
    pen.polygon([*dome, *scallops], cloth)
    dark = shade(cloth, 0.14)
    pen.blob([(0.5, 0.07), (0.3, 0.2), (0.22, hem - 0.02), (0.29, hem - 0.06), (0.38, hem - 0.075), (0.47, hem - 0.055),
              (0.5, hem - 0.02)], dark, outline=False)  # fmt: skip
    pen.blob([(0.52, 0.07), (0.78, 0.16), (0.96, hem - 0.03), (0.89, hem - 0.06), (0.82, hem - 0.05), (0.76, 0.34)],
             dark, outline=False)  # fmt: skip


def paint_backpack(pen: Pen, thing: Thing) -> None:
    """A backpack with a lid, a pocket and two straps."""
    cloth = PAINTS[thing.colour]
    deep = shade(cloth, 0.22)
    pen.limb([(0.38, 0.1), (0.4, 0.03), (0.6, 0.03), (0.62, 0.1)], deep, 0.05)
    for side in (0.0, 0.82):
        pen.rectangle(side, 0.42, side + 0.18, 0.9, deep, 0.08)
    for outline in TOGETHER:
        pen.rectangle(0.1, 0.06, 0.9, 1.0, cloth, 0.2, outline)
    pen.blob([(0.12, 0.26), (0.2, 0.1), (0.5, 0.06), (0.8, 0.1), (0.88, 0.26), (0.8, 0.4), (0.5, 0.44), (0.2, 0.4)],
             lighter(cloth, 0.1))  # fmt: skip
    pen.rectangle(0.22, 0.56, 0.78, 0.92, shade(cloth, 0.1), 0.08)
    pen.limb([(0.26, 0.66), (0.74, 0.66)], _BRASS, 0.025, outline=False)
    for x in (0.34, 0.66):
        pen.limb([(x, 0.34), (x, 0.54)], deep, 0.05)
        pen.rectangle(x - 0.06, 0.44, x + 0.06, 0.51, _BRASS, 0.02, outline=False)


def paint_suitcase(pen: Pen, thing: Thing) -> None:
    """An upright suitcase on wheels; its handle is at the top."""
    case = PAINTS[thing.colour]
    deep = shade(case, 0.22)
    pen.limb([(0.34, 0.22), (0.34, 0.04), (0.66, 0.04), (0.66, 0.22)], _STEEL, 0.055)
    for x in (0.18, 0.82):
        pen.disc(x, 0.94, 0.055, _DARK)
    pen.rectangle(0.0, 0.18, 1.0, 0.94, case, 0.14)
    for x in (0.28, 0.5, 0.72):
        pen.limb([(x, 0.28), (x, 0.84)], deep, 0.035, outline=False)
    for x, y in ((0.07, 0.26), (0.93, 0.26), (0.07, 0.86), (0.93, 0.86)):
        pen.disc(x, y, 0.045, deep, outline=False)
    pen.rectangle(0.4, 0.2, 0.6, 0.27, _BRASS, 0.02)


def paint_kite(pen: Pen, thing: Thing) -> None:
    """A kite of four quarters with a tail of bows, whose string ends at the grip."""
    cloth = PAINTS[thing.colour]
    tail: list[Point] = [(0.5, 0.7), (0.6, 0.78), (0.42, 0.87), (0.5, 0.99)]
    pen.curve(tail, _STRING, 0.035)
    for x, y in ((0.58, 0.795), (0.45, 0.885)):
        pen.polygon([(x - 0.13, y - 0.04), (x + 0.13, y + 0.04), (x + 0.13, y - 0.04), (x - 0.13, y + 0.04)], cloth)
    pen.polygon([(0.5, 0.0), (1.0, 0.3), (0.5, 0.72), (0.0, 0.3)], cloth)
    deep = shade(cloth, 0.12 if thing.colour == "white" else 0.2)
    pen.polygon([(0.5, 0.02), (0.96, 0.3), (0.5, 0.3)], deep, outline=False)
    pen.polygon([(0.5, 0.7), (0.04, 0.3), (0.5, 0.3)], deep, outline=False)
    pen.line([(0.5, 0.01), (0.5, 0.71)], _trim(thing), 0.03)
    pen.line([(0.02, 0.3), (0.98, 0.3)], _trim(thing), 0.03)


def paint_balloon(pen: Pen, thing: Thing) -> None:
    """A balloon with a knot, whose string ends at the grip."""
    skin = PAINTS[thing.colour]
    pen.curve([(0.5, 0.64), (0.56, 0.74), (0.44, 0.85), (0.5, 0.99)], _STRING, 0.035)
    pen.polygon([(0.5, 0.58), (0.62, 0.68), (0.38, 0.68)], shade(skin, 0.2))
    pen.blob([(0.5, 0.0), (0.86, 0.09), (1.0, 0.29), (0.84, 0.5), (0.5, 0.635), (0.16, 0.5), (0.0, 0.29), (0.14, 0.09)],
             skin)  # fmt: skip
    pen.ellipse(0.32, 0.18, 0.09, 0.075, lighter(skin, 0.6), outline=False)
    pen.ellipse(0.25, 0.29, 0.04, 0.035, lighter(skin, 0.45), outline=False)


def paint_sports_ball(pen: Pen, thing: Thing) -> None:
    """A ball with seams, with patches or with broad stripes."""
    skin, trim = PAINTS[thing.colour], _trim(thing)
    pen.ellipse(0.5, 0.5, 0.5, 0.5, skin)
    form = (pen.style.hue + thing.number) % 3
    if thing.colour == "orange":
        form, trim = 0, _DARK
    if form == 0:
        pen.line([(0.5, 0.02), (0.5, 0.98)], trim, 0.055)
        pen.line([(0.02, 0.5), (0.98, 0.5)], trim, 0.055)
        for side in (-1, 1):
            pen.curve([(0.5 + side * 0.34, 0.14), (0.5 + side * 0.2, 0.5), (0.5 + side * 0.34, 0.86)], trim, 0.055)
    elif form == 1:
        pen.polygon(_pentagon(0.5, 0.5, 0.18, -90), trim, outline=False)
        for i in range(5):
            angle = math.radians(72 * i - 90)
            x, y = math.cos(angle), math.sin(angle)
            pen.line([(0.5 + 0.16 * x, 0.5 + 0.16 * y), (0.5 + 0.34 * x, 0.5 + 0.34 * y)], trim, 0.035)
            pen.polygon([(0.5 + radius * math.cos(angle + turn), 0.5 + radius * math.sin(angle + turn))
                         for radius, turn in ((0.33, 0.0), (0.42, -0.28), (0.48, -0.2), (0.48, 0.2), (0.42, 0.28))],
                        trim, outline=False)  # fmt: skip
    else:
        pen.blob([(0.5, 0.04), (0.3, 0.24), (0.26, 0.5), (0.3, 0.76), (0.5, 0.96), (0.44, 0.76), (0.42, 0.5),
                  (0.44, 0.24)], trim, outline=False)  # fmt: skip
        pen.blob([(0.52, 0.04), (0.78, 0.22), (0.88, 0.5), (0.78, 0.78), (0.52, 0.96), (0.64, 0.76), (0.7, 0.5),
                  (0.64, 0.24)], trim, outline=False)  # fmt: skip
        pen.disc(0.5, 0.07, 0.06, shade(skin, 0.2), outline=False)
    pen.ellipse(0.3, 0.24, 0.07, 0.06, lighter(skin, 0.55), outline=False)


def _pentagon(x: float, y: float, radius: float, start: float) -> list[Point]:
    angles = [math.radians(start + 72 * i) for i in range(5)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def paint_frisbee(pen: Pen, thing: Thing) -> None:
    """A flat disc seen from a little above: a rim and a raised middle."""
    skin = PAINTS[thing.colour]
    for outline in TOGETHER:
        pen.ellipse(0.5, 0.54, 0.5, 0.46, shade(skin, 0.28), outline)
        pen.ellipse(0.5, 0.45, 0.5, 0.45, skin, outline)
    pen.ellipse(0.5, 0.4, 0.36, 0.28, shade(skin, 0.14), outline=False)
    pen.ellipse(0.5, 0.43, 0.33, 0.25, skin, outline=False)
    pen.ellipse(0.36, 0.33, 0.12, 0.07, lighter(skin, 0.5), outline=False)


def paint_teddy_bear(pen: Pen, thing: Thing) -> None:
    """A teddy bear that sits and looks at us."""
    fur = PAINTS[thing.colour]
    pale = lighter(fur, 0.4) if thing.colour != "white" else (226, 208, 190)
    for outline in TOGETHER:
        for side in (-1, 1):
            pen.ellipse(0.5 + side * 0.27, 0.12, 0.14, 0.12, fur, outline)
            pen.limb([(0.5 + side * 0.24, 0.58), (0.5 + side * 0.42, 0.7)], fur, 0.15, outline)
            pen.ellipse(0.5 + side * 0.31, 0.87, 0.19, 0.13, fur, outline)
        pen.ellipse(0.5, 0.72, 0.32, 0.26, fur, outline)
        pen.ellipse(0.5, 0.29, 0.36, 0.26, fur, outline)
    for side in (-1, 1):
        pen.ellipse(0.5 + side * 0.28, 0.12, 0.07, 0.06, pale, outline=False)
        pen.ellipse(0.5 + side * 0.34, 0.88, 0.1, 0.08, pale, outline=False)
        pen.ellipse(0.5 + side * 0.15, 0.25, 0.036, 0.034, _DARK, outline=False)
    pen.ellipse(0.5, 0.72, 0.19, 0.16, pale, outline=False)
    pen.ellipse(0.5, 0.38, 0.16, 0.11, pale, outline=False)
    pen.ellipse(0.5, 0.34, 0.055, 0.038, _DARK, outline=False)
    pen.limb([(0.42, 0.42), (0.5, 0.45), (0.58, 0.42)], darker(pale, 0.55), 0.014, outline=False)


PAINTERS: Mapping[str, Painter] = {
    "umbrella": paint_umbrella,
    "backpack": paint_backpack,
    "suitcase": paint_suitcase,
    "kite": paint_kite,
    "balloon": paint_balloon,
    "sports ball": paint_sports_ball,
    "frisbee": paint_frisbee,
    "teddy bear": paint_teddy_bear,
}
