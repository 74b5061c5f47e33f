"""Painters of what drives, sails and flies: car, bus, truck, bicycle, boat, airplane."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.scenes.drawing.canvas import PAINTS, Pen, darker, lighter
from chiasm.scenes.drawing.things.painter import DARK, GLASS, GLOW, METAL, PAPER, Painter, edge_of
from chiasm.scenes.scene import Thing

_REAR_LIGHT = (200, 30, 40)


def _wheel(pen: Pen, x: float, radius: float) -> None:
    """A wheel standing on the foot of the box."""
    y = 1 - radius
    pen.disc(x, y, radius, DARK)
    pen.disc(x, y, radius * 0.52, (190, 194, 200), outline=False)
    pen.disc(x, y, radius * 0.2, METAL, outline=False)


def _lights(pen: Pen, y: float, height: float) -> None:
    """A headlight at the right end, a rear light at the left."""
    pen.rectangle(0.0, y, 0.03, y + height, _REAR_LIGHT, outline=False)
    with pen.shining():
        pen.ellipse(0.975, y + height / 2, 0.025, height * 0.6, GLOW, outline=False)


def _car(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    body = [(0.0, 0.52), (0.03, 0.42), (0.13, 0.37), (0.24, 0.06), (0.29, 0.0), (0.59, 0.0), (0.65, 0.05), (0.77, 0.39),
            (0.94, 0.46), (1.0, 0.57), (1.0, 0.78), (0.97, 0.84), (0.03, 0.84), (0.0, 0.78)]  # fmt: skip
    pen.polygon(body, paint)
    for window in ([(0.2, 0.37), (0.285, 0.1), (0.415, 0.1), (0.415, 0.37)],
                   [(0.455, 0.37), (0.455, 0.1), (0.585, 0.1), (0.69, 0.37)]):  # fmt: skip
        pen.polygon(window, GLASS)
    pen.line([(0.435, 0.4), (0.435, 0.8)], edge, 0.025)
    pen.line([(0.48, 0.48), (0.54, 0.48)], edge, 0.04)
    pen.rectangle(0.02, 0.76, 0.98, 0.84, edge, outline=False)
    _lights(pen, 0.5, 0.1)
    for x in (0.22, 0.78):
        pen.disc(x, 0.78, 0.235, edge, outline=False)
        _wheel(pen, x, 0.2)


def _bus(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    pen.rectangle(0.0, 0.0, 1.0, 0.9, paint, radius=0.09)
    for i in range(5):
        pen.rectangle(0.05 + i * 0.145, 0.13, 0.165 + i * 0.145, 0.42, GLASS, radius=0.03)
    pen.rectangle(0.79, 0.13, 0.9, 0.84, GLASS, radius=0.02)
    pen.line([(0.845, 0.15), (0.845, 0.82)], edge, 0.02)
    pen.rectangle(0.945, 0.13, 1.0, 0.5, GLASS, radius=0.02)
    stripe = lighter(paint, 0.55) if thing.colour != "white" else (196, 204, 214)
    pen.rectangle(0.02, 0.53, 0.76, 0.6, stripe, outline=False)
    _lights(pen, 0.64, 0.09)
    for x in (0.2, 0.66):
        pen.disc(x, 0.87, 0.165, edge, outline=False)
        _wheel(pen, x, 0.14)


def _truck(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    pen.rectangle(0.03, 0.74, 0.97, 0.87, DARK)
    pen.rectangle(0.0, 0.0, 0.66, 0.76, paint, radius=0.03)
    for x in (0.165, 0.33, 0.495):
        pen.line([(x, 0.06), (x, 0.7)], edge, 0.015)
    cab = [(0.69, 0.2), (0.72, 0.16), (0.86, 0.16), (0.89, 0.2), (0.95, 0.46), (1.0, 0.52), (1.0, 0.84), (0.69, 0.84)]
    pen.polygon(cab, paint)
    pen.polygon([(0.75, 0.46), (0.75, 0.25), (0.85, 0.25), (0.905, 0.46)], GLASS)
    pen.line([(0.75, 0.56), (0.8, 0.56)], edge, 0.03)
    with pen.shining():
        pen.ellipse(0.975, 0.66, 0.025, 0.05, GLOW, outline=False)
    for x in (0.15, 0.42, 0.83):
        _wheel(pen, x, 0.17)


def _bicycle(pen: Pen, thing: Thing) -> None:
    paint = PAINTS[thing.colour]
    tyre = METAL if thing.colour == "black" else DARK
    for x in (0.205, 0.795):
        for dx, dy in ((0.19, 0.0), (0.0, 0.27), (0.135, 0.19), (0.135, -0.19)):
            pen.line([(x - dx, 0.7 - dy), (x + dx, 0.7 + dy)], (176, 180, 186), 0.008)
        pen.ring(x, 0.7, 0.3, tyre, 0.05)
        pen.ring(x, 0.7, 0.255, paint, 0.055)
    rear, crank, seat, head, front = (0.205, 0.7), (0.47, 0.72), (0.38, 0.24), (0.68, 0.24), (0.795, 0.7)
    for a, b in ((rear, crank), (rear, seat), (crank, seat), (seat, head), (crank, head), (head, front)):
        pen.line([a, b], paint, 0.075)
    pen.line([seat, (0.36, 0.13)], paint, 0.06)
    pen.line([(0.28, 0.12), (0.45, 0.12)], tyre, 0.08)
    pen.line([head, (0.655, 0.08), (0.75, 0.035), (0.8, 0.08)], tyre, 0.06)
    pen.disc(*crank, 0.075, tyre, outline=False)
    pen.line([(0.47, 0.72), (0.52, 0.85), (0.57, 0.85)], tyre, 0.04)


def _boat(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    sail = (214, 222, 232) if thing.colour == "white" else PAPER
    pen.line([(0.47, 0.01), (0.47, 0.7)], (112, 78, 52), 0.04)
    pen.polygon([(0.52, 0.03), (0.58, 0.2), (0.92, 0.58), (0.52, 0.58)], sail)
    pen.polygon([(0.43, 0.1), (0.2, 0.42), (0.1, 0.6), (0.43, 0.6)], paint)
    pen.polygon([(0.0, 0.66), (1.0, 0.63), (0.92, 0.84), (0.82, 1.0), (0.18, 1.0), (0.06, 0.86)], paint)
    pen.line([(0.02, 0.7), (0.96, 0.68)], lighter(paint, 0.6) if thing.colour != "white" else edge, 0.035)
    pen.line([(0.1, 0.93), (0.88, 0.93)], edge, 0.04)
    pen.polygon([(0.47, 0.0), (0.62, 0.045), (0.47, 0.09)], _REAR_LIGHT, outline=False)
    for x in (0.3, 0.5, 0.7):
        pen.disc(x, 0.82, 0.035, PAPER if thing.colour != "white" else (90, 150, 200), outline=False)


def _airplane(pen: Pen, thing: Thing) -> None:
    paint, edge = PAINTS[thing.colour], edge_of(thing.colour)
    pen.polygon([(0.42, 0.42), (0.5, 0.42), (0.44, 0.12), (0.39, 0.12)], darker(paint, 0.12))
    pen.polygon([(0.02, 0.0), (0.12, 0.0), (0.26, 0.42), (0.08, 0.46)], paint)
    body = [(0.0, 0.4), (0.1, 0.36), (0.4, 0.31), (0.78, 0.31), (0.92, 0.39), (1.0, 0.53), (0.96, 0.63), (0.82, 0.69),
            (0.4, 0.69), (0.15, 0.58)]  # fmt: skip
    pen.blob(body, paint)
    pen.polygon([(0.83, 0.38), (0.92, 0.42), (0.95, 0.49), (0.83, 0.49)], GLASS)
    for i in range(6):
        pen.disc(0.3 + i * 0.085, 0.44, 0.05, GLASS if thing.colour != "white" else (80, 110, 150), outline=False)
    pen.polygon([(0.42, 0.58), (0.62, 0.58), (0.4, 1.0), (0.29, 1.0)], darker(paint, 0.1))
    pen.polygon([(0.06, 0.44), (0.16, 0.44), (0.09, 0.66), (0.03, 0.66)], darker(paint, 0.1))
    pen.line([(0.2, 0.56), (0.36, 0.57)], edge, 0.03)


PAINTERS: Mapping[str, Painter] = {
    "car": _car,
    "bus": _bus,
    "truck": _truck,
    "bicycle": _bicycle,
    "boat": _boat,
    "airplane": _airplane,
}
