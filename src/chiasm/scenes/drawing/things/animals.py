"""Dogs, cats and birds, horses, sheep and cows, each with a silhouette of its own in every pose.

A dog has floppy ears and a muzzle, a cat pointed ears and a thin tail, a horse long legs and a mane, a sheep is a
cloud, a cow has patches and horns. Coats are the thing's colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chiasm.scenes.drawing.canvas import PAINTS, TOGETHER, Pen, Point, Rgb, darker, lighter, mix, shade, smooth
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.scene import Thing

_DARK: Rgb = (38, 34, 38)
_ROSE: Rgb = (240, 160, 160)
_GLINT: Rgb = (255, 255, 255)
_HORN: Rgb = (236, 222, 190)
_GRASS: Rgb = (84, 150, 60)


def _eye(pen: Pen, x: float, y: float, radius: float, coat: Rgb) -> None:
    """An eye that shows on any coat."""
    if max(coat) < 90:
        pen.disc(x, y, 1.45 * radius, (244, 226, 150), outline=False)
    pen.disc(x, y, radius, _DARK, outline=False)
    pen.disc(x + 0.3 * radius / pen.aspect, y - 0.3 * radius, 0.35 * radius, _GLINT, outline=False)


def _legs(pen: Pen, legs: Sequence[Sequence[Point]], fill: Rgb, width: float, outline: bool = True) -> None:
    for points in legs:
        pen.limb(points, fill, width, outline)


# Dogs


def paint_dog(pen: Pen, thing: Thing) -> None:
    """A dog, standing, sitting, running or lying."""
    coat = PAINTS[thing.colour]
    far = shade(coat, 0.22)
    if thing.action == "sitting":
        pen.limb([(0.66, 0.6), (0.72, 0.95)], far, 0.1)
        for outline in TOGETHER:
            pen.limb([(0.3, 0.88), (0.12, 0.9), (0.055, 0.72)], coat, 0.08, outline)
            pen.blob([(0.5, 0.38), (0.72, 0.42), (0.72, 0.66), (0.62, 0.97), (0.3, 0.99), (0.14, 0.84), (0.3, 0.56)],
                     coat, outline)  # fmt: skip
            pen.limb([(0.58, 0.6), (0.6, 0.95), (0.68, 0.955)], coat, 0.1, outline)
        pen.curve([(0.44, 0.97), (0.5, 0.84), (0.4, 0.7), (0.26, 0.7)], far, 0.03)
        _dog_head(pen, 0.58, 0.215, 0.215, coat)
    elif thing.action == "running":
        _legs(pen, [[(0.6, 0.58), (0.78, 0.76), (0.96, 0.72)], [(0.28, 0.58), (0.24, 0.82), (0.06, 0.95)]], far, 0.1)
        for outline in TOGETHER:
            pen.limb([(0.2, 0.44), (0.1, 0.28), (0.03, 0.24)], coat, 0.085, outline)
            pen.blob([(0.12, 0.48), (0.22, 0.36), (0.44, 0.4), (0.64, 0.32), (0.76, 0.46), (0.66, 0.66), (0.44, 0.62),
                      (0.24, 0.68)], coat, outline)  # fmt: skip
            pen.limb([(0.62, 0.56), (0.72, 0.86), (0.88, 0.94)], coat, 0.11, outline)
            pen.limb([(0.22, 0.56), (0.14, 0.72), (0.04, 0.76)], coat, 0.11, outline)
        _dog_head(pen, 0.775, 0.21, 0.215, coat, blown=True)
    elif thing.action == "lying":
        for outline in TOGETHER:
            pen.curve([(0.14, 0.84), (0.06, 0.9), (0.03, 0.72)], coat, 0.1)
            pen.blob([(0.04, 0.84), (0.14, 0.52), (0.4, 0.48), (0.66, 0.44), (0.78, 0.64), (0.74, 0.97), (0.4, 1.0),
                      (0.1, 1.0)], coat, outline)  # fmt: skip
            pen.limb([(0.66, 0.9), (0.95, 0.92)], coat, 0.15, outline)
        pen.curve([(0.4, 0.96), (0.34, 0.68), (0.2, 0.66), (0.13, 0.86)], far, 0.03)
        pen.limb([(0.26, 0.94), (0.42, 0.945)], coat, 0.11)
        _dog_head(pen, 0.71, 0.3, 0.3, coat)
    else:
        _legs(pen, [[(0.3, 0.62), (0.34, 0.94)], [(0.62, 0.62), (0.66, 0.94)]], far, 0.11)
        for outline in TOGETHER:
            pen.limb([(0.17, 0.5), (0.08, 0.36), (0.045, 0.1)], coat, 0.095, outline)
            pen.blob([(0.12, 0.54), (0.22, 0.42), (0.46, 0.44), (0.62, 0.36), (0.76, 0.46), (0.74, 0.68), (0.5, 0.7),
                      (0.2, 0.74)], coat, outline)  # fmt: skip
            _legs(pen, [[(0.21, 0.62), (0.22, 0.95)], [(0.7, 0.62), (0.73, 0.95)]], coat, 0.125, outline)
        _dog_head(pen, 0.715, 0.215, 0.215, coat)


def _dog_head(pen: Pen, x: float, y: float, r: float, coat: Rgb, blown: bool = False) -> None:
    """Round (x, y), `r` in parts of the height; the nose ends at the box's right side."""
    u = r / pen.aspect
    tip = 1.0
    for outline in TOGETHER:
        pen.disc(x, y, r * 0.97, coat, outline)
        pen.rectangle(x, y + 0.02 * r, tip, y + 0.82 * r, coat, 0.14, outline)
    pen.rectangle(x + 0.55 * (tip - x), y + 0.1 * r, tip, y + 0.76 * r, lighter(coat, 0.35), 0.12, outline=False)
    pen.ellipse(tip - 0.2 * u, y + 0.16 * r, 0.25 * u, 0.2 * r, _DARK, outline=False)
    pen.limb([(x + 0.62 * (tip - x), y + 0.62 * r), (tip - 0.1 * u, y + 0.58 * r)], _DARK, 0.06 * r, outline=False)
    _eye(pen, x + 0.35 * u, y - 0.18 * r, 0.16 * r, coat)
    ear = darker(coat, 0.4) if max(coat) >= 90 else lighter(coat, 0.25)
    if blown:
        shape = [(-0.1, -0.75), (0.15, -0.45), (-0.25, -0.1), (-1.0, 0.2), (-1.35, 0.0), (-0.9, -0.45)]
    else:
        shape = [(-0.5, -0.85), (-0.1, -0.75), (0.0, -0.1), (-0.15, 0.8), (-0.6, 0.95), (-0.9, 0.45), (-0.85, -0.3)]
    pen.blob([(x + a * u, y + b * r) for a, b in shape], ear)


# Cats


def paint_cat(pen: Pen, thing: Thing) -> None:
    """A cat, standing, sitting or lying."""
    coat = PAINTS[thing.colour]
    far = shade(coat, 0.22)
    if thing.action == "sitting":
        for outline in TOGETHER:
            pen.limb(_bent([(0.3, 0.94), (0.07, 0.9), (0.08, 0.66), (0.16, 0.56)]), coat, 0.075, outline)
            pen.blob([(0.5, 0.4), (0.74, 0.46), (0.78, 0.72), (0.74, 0.98), (0.4, 1.0), (0.16, 0.94), (0.24, 0.64)],
                     coat, outline)  # fmt: skip
            _legs(pen, [[(0.6, 0.7), (0.6, 0.955)], [(0.74, 0.7), (0.76, 0.955)]], coat, 0.09, outline)
        pen.curve([(0.46, 0.97), (0.5, 0.82), (0.38, 0.72), (0.26, 0.76)], far, 0.03)
        _stripes(pen, [(0.24, 0.66), (0.36, 0.6)], [(0.18, 0.8), (0.3, 0.7)], far=far)
        _cat_head(pen, 0.67, 0.285, 0.21, coat)
    elif thing.action == "lying":
        for outline in TOGETHER:
            pen.blob([(-0.01, 0.8), (0.08, 0.5), (0.32, 0.38), (0.58, 0.46), (0.72, 0.7), (0.7, 0.98), (0.36, 1.0),
                      (0.08, 0.99)], coat, outline)  # fmt: skip
            pen.limb([(0.6, 0.92), (0.9, 0.93)], coat, 0.12, outline)
        _stripes(pen, [(0.22, 0.42), (0.24, 0.58)], [(0.33, 0.4), (0.35, 0.56)], [(0.44, 0.42), (0.46, 0.56)], far=far)
        pen.limb(_bent([(0.05, 0.8), (0.12, 0.94), (0.32, 0.94), (0.46, 0.84)]), far, 0.09)
        _cat_head(pen, 0.815, 0.42, 0.31, coat)
    else:
        _legs(pen, [[(0.28, 0.64), (0.3, 0.95)], [(0.62, 0.64), (0.64, 0.95)]], far, 0.085)
        for outline in TOGETHER:
            pen.limb(_bent([(0.16, 0.56), (0.04, 0.44), (0.09, 0.24), (0.05, 0.05)]), coat, 0.07, outline)
            pen.blob([(0.11, 0.6), (0.2, 0.47), (0.44, 0.5), (0.66, 0.46), (0.76, 0.56), (0.7, 0.74), (0.44, 0.73),
                      (0.18, 0.77)], coat, outline)  # fmt: skip
            _legs(pen, [[(0.19, 0.64), (0.19, 0.955)], [(0.7, 0.64), (0.72, 0.955)]], coat, 0.095, outline)
        _stripes(pen, [(0.26, 0.5), (0.27, 0.62)], [(0.37, 0.51), (0.38, 0.63)], [(0.48, 0.51), (0.49, 0.62)], far=far)
        _cat_head(pen, 0.785, 0.34, 0.235, coat)


def _bent(points: Sequence[Point]) -> list[Point]:
    return smooth(points, closed=False)


def _stripes(pen: Pen, *stripes: Sequence[Point], far: Rgb) -> None:
    for stripe in stripes:
        pen.limb(stripe, far, 0.035, outline=False)


def _cat_head(pen: Pen, x: float, y: float, r: float, coat: Rgb) -> None:
    u = r / pen.aspect
    w = min(1.12 * u, 1.0 - x)
    for outline in TOGETHER:
        for side in (-1, 1):
            pen.polygon(
                [(x + side * 0.98 * w, y - 0.2 * r), (x + side * 0.78 * w, y - y), (x + side * 0.1 * w, y - 0.7 * r)],
                coat, outline,
            )  # fmt: skip
        pen.ellipse(x, y, w, 0.86 * r, coat, outline)
    for side in (-1, 1):
        pen.polygon(
            [(x + side * 0.84 * w, y - 0.5 * r), (x + side * 0.74 * w, 0.16 * r), (x + side * 0.38 * w, y - 0.72 * r)],
            _ROSE, outline=False,
        )  # fmt: skip
    pen.ellipse(x + 0.1 * u, y + 0.4 * r, 0.5 * u, 0.34 * r, lighter(coat, 0.45), outline=False)
    for eye in (-0.34, 0.52):
        pen.ellipse(x + eye * u, y - 0.08 * r, 0.2 * u, 0.22 * r, (196, 216, 84), outline=False)
        pen.ellipse(x + (eye + 0.04) * u, y - 0.08 * r, 0.09 * u, 0.2 * r, _DARK, outline=False)
    pen.polygon(
        [(x - 0.04 * u, y + 0.2 * r), (x + 0.24 * u, y + 0.2 * r), (x + 0.1 * u, y + 0.36 * r)], _ROSE, outline=False
    )
    line = darker(coat, 0.5) if max(coat) >= 90 else lighter(coat, 0.6)
    pen.limb([(x + 0.1 * u, y + 0.36 * r), (x + 0.1 * u, y + 0.5 * r)], line, 0.05 * r, outline=False)
    for side in (-1, 1):
        for rise in (0.3, 0.48):
            start = (x + (0.1 + side * 0.4) * u, y + 0.4 * r)
            end = (x + side * min(1.25 * u, 0.99 - x), y + rise * r)
            pen.limb([start, end], line, 0.04 * r, outline=False)


# Birds


def paint_bird(pen: Pen, thing: Thing) -> None:
    """A bird, flying with its wings up or standing."""
    coat = PAINTS[thing.colour]
    beak: Rgb = (245, 160, 30) if thing.colour not in ("yellow", "red") else (110, 70, 40)
    wing = shade(coat, 0.24)
    if thing.action == "flying":
        pen.blob([(0.5, 0.62), (0.5, 0.2), (0.62, 0.0), (0.72, 0.3), (0.7, 0.62)], shade(coat, 0.34))
        for outline in TOGETHER:
            pen.polygon([(0.3, 0.64), (0.0, 0.6), (0.06, 0.74), (0.02, 0.86), (0.34, 0.8)], coat, outline)
            pen.blob([(0.2, 0.7), (0.42, 0.56), (0.68, 0.52), (0.84, 0.6), (0.8, 0.82), (0.56, 1.0), (0.32, 0.9)],
                     coat, outline)  # fmt: skip
            pen.disc(0.79, 0.58, 0.185, coat, outline)
        pen.polygon([(0.895, 0.5), (1.0, 0.6), (0.885, 0.68)], beak)
        pen.blob([(0.36, 0.68), (0.24, 0.3), (0.22, 0.02), (0.36, 0.1), (0.52, 0.3), (0.62, 0.66), (0.48, 0.76)], wing)
        pen.limb([(0.4, 0.6), (0.31, 0.3)], coat, 0.035, outline=False)
        pen.limb([(0.48, 0.6), (0.42, 0.34)], coat, 0.035, outline=False)
        pen.ellipse(0.62, 0.88, 0.12, 0.07, lighter(coat, 0.45), outline=False)
        _eye(pen, 0.82, 0.55, 0.042, coat)
        return
    for x in (0.46, 0.58):
        pen.limb([(x, 0.74), (x, 0.975), (x + 0.08, 0.975)], (226, 130, 40), 0.045)
    for outline in TOGETHER:
        pen.polygon([(0.3, 0.56), (0.0, 0.66), (0.03, 0.84), (0.4, 0.76)], coat, outline)
        pen.blob([(0.24, 0.6), (0.4, 0.42), (0.6, 0.3), (0.84, 0.36), (0.84, 0.62), (0.66, 0.82), (0.42, 0.82)],
                 coat, outline)  # fmt: skip
        pen.disc(0.7, 0.235, 0.235, coat, outline)
    pen.polygon([(0.87, 0.15), (1.0, 0.26), (0.87, 0.34)], beak)
    pen.ellipse(0.7, 0.66, 0.13, 0.12, lighter(coat, 0.45), outline=False)
    pen.blob([(0.26, 0.7), (0.3, 0.54), (0.48, 0.46), (0.62, 0.52), (0.56, 0.68), (0.4, 0.76)], wing)
    _eye(pen, 0.76, 0.19, 0.05, coat)


# Horses


def paint_horse(pen: Pen, thing: Thing) -> None:
    """A horse, standing or running."""
    coat = PAINTS[thing.colour]
    far, mane = shade(coat, 0.22), darker(coat, 0.55) if max(coat) >= 90 else lighter(coat, 0.3)
    if thing.colour == "white":
        mane = (176, 172, 168)
    run = thing.action == "running"
    if run:
        far_legs = [[(0.26, 0.54), (0.3, 0.76), (0.16, 0.94)], [(0.62, 0.54), (0.78, 0.62), (0.8, 0.84)]]
        near_legs = [[(0.22, 0.52), (0.14, 0.72), (0.04, 0.8)], [(0.6, 0.52), (0.72, 0.74), (0.9, 0.95)]]
        tail: list[Point] = [(0.16, 0.38), (0.08, 0.32), (0.0, 0.44), (0.06, 0.44), (0.02, 0.56), (0.14, 0.46)]
    else:
        far_legs = [[(0.3, 0.54), (0.33, 0.76), (0.32, 0.94)], [(0.64, 0.54), (0.66, 0.94)]]
        near_legs = [[(0.2, 0.52), (0.17, 0.76), (0.19, 0.95)], [(0.58, 0.52), (0.57, 0.95)]]
        tail = [(0.18, 0.38), (0.06, 0.36), (0.0, 0.6), (0.04, 0.82), (0.1, 0.7), (0.16, 0.5)]
    hoof = darker(coat, 0.6) if max(coat) >= 90 else (150, 130, 110)
    for legs, fill in ((far_legs, far), (near_legs, coat)):
        for points in legs:
            pen.disc(*points[-1], 0.05, hoof)
            (ax, ay), (bx, by) = points[-2:]
            pen.limb([*points[:-1], (ax + 0.86 * (bx - ax), ay + 0.86 * (by - ay))], fill, 0.075)
    pen.blob(tail, mane)
    for outline in TOGETHER:
        pen.blob([(0.12, 0.44), (0.2, 0.35), (0.42, 0.39), (0.6, 0.35), (0.7, 0.46), (0.64, 0.6), (0.4, 0.6),
                  (0.18, 0.6)], coat, outline)  # fmt: skip
        pen.polygon([(0.52, 0.42), (0.64, 0.12), (0.78, 0.06), (0.82, 0.22), (0.7, 0.54)], coat, outline)
        pen.polygon([(0.69, 0.08), (0.72, 0.0), (0.77, 0.08)], coat, outline)
        pen.blob([(0.66, 0.16), (0.74, 0.05), (0.84, 0.1), (0.99, 0.26), (0.98, 0.36), (0.88, 0.36), (0.76, 0.28)],
                 coat, outline)  # fmt: skip
        _legs(pen, [points[:2] for points in near_legs], coat, 0.085, outline=False)
    pen.ellipse(0.945, 0.32, 0.045, 0.045, mix(coat, (220, 190, 180), 0.4), outline=False)
    pen.disc(0.965, 0.29, 0.014, _DARK, outline=False)
    pen.blob([(0.73, 0.03), (0.66, 0.03), (0.56, 0.16), (0.47, 0.38), (0.55, 0.38), (0.62, 0.26), (0.7, 0.14)], mane)
    _eye(pen, 0.81, 0.16, 0.026, coat)


# Sheep and cows


def paint_sheep(pen: Pen, thing: Thing) -> None:
    """A sheep, standing or eating with its head down."""
    wool = PAINTS[thing.colour]
    face: Rgb = (84, 70, 66) if thing.colour in ("white", "gray") else (226, 200, 172)
    eating = thing.action == "eating"
    _legs(pen, [[(x, 0.7), (x, 0.96)] for x in (0.24, 0.36, 0.58, 0.7)], face, 0.08)
    bumps: list[tuple[float, float, float]] = [
        (0.14, 0.44, 0.17), (0.2, 0.64, 0.18), (0.3, 0.24, 0.19), (0.42, 0.7, 0.18), (0.5, 0.19, 0.19),
        (0.64, 0.68, 0.18), (0.68, 0.27, 0.18), (0.76, 0.5, 0.18),
    ]  # fmt: skip
    for outline in TOGETHER:
        for x, y, r in bumps:
            pen.disc(x, y, r, wool, outline)
        pen.ellipse(0.45, 0.47, 0.3, 0.28, wool, outline)
    for x, y in ((0.3, 0.42), (0.5, 0.36), (0.42, 0.6), (0.62, 0.52), (0.24, 0.58)):
        pen.pie(x, y, 0.075, 20, 160, shade(wool, 0.13), outline=False)
    x, y = (0.88, 0.74) if eating else (0.87, 0.34)
    if eating:
        pen.polygon([(0.86, 1.0), (0.83, 0.86), (0.9, 0.95), (0.93, 0.84), (0.95, 0.95), (1.0, 0.88), (0.99, 1.0)],
                    _GRASS, outline=False)  # fmt: skip
    pen.ellipse(x - 0.13, y - 0.06, 0.075, 0.05, face)
    pen.ellipse(x, y, 0.1, 0.17, face) if eating else pen.ellipse(x + 0.02, y, 0.12, 0.165, face)
    for outline in TOGETHER:
        pen.disc(x - 0.05, y - 0.17, 0.1, wool, outline)
        pen.disc(x + 0.04, y - 0.17, 0.09, wool, outline)
    pen.disc(x + 0.03, y - 0.02, 0.042, _GLINT, outline=False)
    pen.disc(x + 0.037, y - 0.015, 0.024, _DARK, outline=False)
    pen.limb([(x + 0.03, y + 0.1), (x + 0.09, y + 0.09)], darker(face, 0.4), 0.018, outline=False)


def paint_cow(pen: Pen, thing: Thing) -> None:
    """A cow, standing or eating with its head down."""
    coat = PAINTS[thing.colour]
    patch: Rgb = (52, 48, 52) if thing.colour == "white" else (246, 244, 238)
    far = shade(coat, 0.2)
    eating = thing.action == "eating"
    _legs(pen, [[(0.3, 0.64), (0.3, 0.95)], [(0.58, 0.64), (0.58, 0.95)]], far, 0.1)
    pen.ellipse(0.37, 0.74, 0.07, 0.09, _ROSE)
    pen.limb([(0.12, 0.3), (0.05, 0.4), (0.045, 0.64)], far, 0.045)
    pen.ellipse(0.045, 0.7, 0.045, 0.075, darker(coat, 0.5) if max(coat) >= 90 else lighter(coat, 0.3))
    top = -0.065 if eating else 0.12
    for outline in TOGETHER:
        pen.blob([(0.09, 0.3), (0.16, top + 0.1), (0.44, top + 0.12), (0.72, top + 0.08), (0.8, 0.36), (0.76, 0.66),
                  (0.44, 0.76), (0.14, 0.7)], coat, outline)  # fmt: skip
        _legs(pen, [[(0.2, 0.62), (0.2, 0.95)], [(0.68, 0.62), (0.68, 0.95)]], coat, 0.11, outline)
    pen.blob([(0.24, 0.26), (0.4, 0.26), (0.44, 0.46), (0.3, 0.54), (0.2, 0.42)], patch, outline=False)
    pen.blob([(0.54, 0.44), (0.66, 0.42), (0.68, 0.6), (0.56, 0.66), (0.5, 0.56)], patch, outline=False)
    _cow_head(pen, 0.855, 0.73 if eating else 0.27, coat, patch)


def _cow_head(pen: Pen, x: float, y: float, coat: Rgb, patch: Rgb) -> None:
    for side in (-1, 1):
        pen.limb([(x + side * 0.06, y - 0.13), (x + side * 0.1, y - 0.24)], _HORN, 0.055)
        pen.ellipse(x + side * 0.115, y - 0.08, 0.055, 0.055, coat)
    pen.blob([(x - 0.08, y - 0.16), (x + 0.08, y - 0.16), (x + 0.1, y + 0.06), (x + 0.06, y + 0.24),
              (x - 0.04, y + 0.24), (x - 0.1, y + 0.04)], coat)  # fmt: skip
    pen.polygon(
        [(x - 0.015, y - 0.16), (x + 0.04, y - 0.16), (x + 0.03, y + 0.06), (x, y + 0.06)], patch, outline=False
    )
    pen.ellipse(x + 0.02, y + 0.18, 0.125, 0.095, _ROSE)
    for nostril in (-0.03, 0.08):
        pen.ellipse(x + nostril, y + 0.17, 0.016, 0.026, darker(_ROSE, 0.5), outline=False)
    for eye in (-0.05, 0.07):
        _eye(pen, x + eye, y - 0.03, 0.032, coat)


PAINTERS: Mapping[str, Painter] = {
    "dog": paint_dog,
    "cat": paint_cat,
    "bird": paint_bird,
    "horse": paint_horse,
    "sheep": paint_sheep,
    "cow": paint_cow,
}
