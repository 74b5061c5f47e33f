"""Trees, flowers and potted plants. The thing's colour is the crown's, the petals', the pot's."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chiasm.scenes.drawing.canvas import PAINTS, TOGETHER, Pen, Point, Rgb, darker, lighter
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.scene import Thing

_BARK: Rgb = (116, 78, 50)
_LEAF: Rgb = (64, 146, 68)


def paint_tree(pen: Pen, thing: Thing) -> None:
    """A tree: broad, tall or, if green, at times a fir."""
    crown = PAINTS[thing.colour]
    form = (pen.style.hue + thing.number) % (3 if thing.colour == "green" else 2)
    pen.polygon([(0.42, 1.0), (0.45, 0.5), (0.55, 0.5), (0.58, 1.0)], _BARK)
    if form == 2:
        pen.rectangle(0.43, 0.8, 0.57, 1.0, _BARK)
        for top, bottom, half in ((0.42, 0.86, 0.5), (0.2, 0.62, 0.4), (0.0, 0.38, 0.29)):
            pen.polygon([(0.5, top), (0.5 + half, bottom), (0.5, bottom - 0.05), (0.5 - half, bottom)], crown)
            pen.polygon([(0.5, top + 0.06), (0.5 - 0.7 * half, bottom - 0.05), (0.5 - 0.2 * half, bottom - 0.05)],
                        lighter(crown, 0.16), outline=False)  # fmt: skip
        return
    pen.limb([(0.5, 0.72), (0.32, 0.52)], _BARK, 0.035, outline=False)
    pen.limb([(0.5, 0.68), (0.68, 0.5)], _BARK, 0.035, outline=False)
    if form == 0:
        bumps = [(0.16, 0.44, 0.16, 0.13), (0.84, 0.44, 0.16, 0.13), (0.24, 0.24, 0.17, 0.14), (0.76, 0.24, 0.17, 0.14),
                 (0.5, 0.14, 0.2, 0.14), (0.36, 0.55, 0.17, 0.12), (0.64, 0.55, 0.17, 0.12)]  # fmt: skip
        middle = (0.5, 0.36, 0.36, 0.24)
    else:
        bumps = [(0.22, 0.54, 0.22, 0.13), (0.78, 0.54, 0.22, 0.13), (0.3, 0.36, 0.22, 0.14), (0.7, 0.34, 0.22, 0.14),
                 (0.42, 0.17, 0.2, 0.14), (0.56, 0.12, 0.18, 0.12), (0.5, 0.58, 0.24, 0.11)]  # fmt: skip
        middle = (0.5, 0.4, 0.3, 0.26)
    for outline in TOGETHER:
        for x, y, rx, ry in (*bumps, middle):
            pen.ellipse(x, y, rx, ry, crown, outline)
    # Leaves in arcs along the bumps: round spots would make a mushroom of it.
    for x, y, rx, ry in bumps[:5]:
        rim = [(x + 0.7 * rx * math.cos(a), y + 0.7 * ry * math.sin(a)) for a in (3.4, 3.9, 4.4, 4.9)]
        pen.limb(rim, lighter(crown, 0.2), 0.016, outline=False)
    for x, y, rx, ry in (*bumps[5:], middle):
        rim = [(x + 0.55 * rx * math.cos(a), y + 0.55 * ry * math.sin(a)) for a in (0.4, 0.9, 1.4, 1.9)]
        pen.limb(rim, darker(crown, 0.16), 0.016, outline=False)


def paint_flower(pen: Pen, thing: Thing) -> None:
    """A daisy or a tulip on a stem with two leaves."""
    petals = PAINTS[thing.colour]
    pen.limb([(0.5, 0.5), (0.5, 0.99)], _LEAF, 0.05)
    pen.blob([(0.5, 0.96), (0.3, 0.94), (0.1, 0.74), (0.32, 0.76), (0.46, 0.86)], _LEAF)
    pen.blob([(0.5, 0.94), (0.7, 0.92), (0.92, 0.7), (0.68, 0.74), (0.54, 0.84)], _LEAF)
    if (pen.style.hue + thing.number) % 3 == 0:
        for outline in TOGETHER:
            pen.blob([(0.02, 0.24), (0.04, 0.02), (0.28, 0.16), (0.5, 0.0), (0.72, 0.16), (0.96, 0.02), (0.98, 0.24),
                      (0.8, 0.56), (0.5, 0.64), (0.2, 0.56)], petals, outline)  # fmt: skip
        pen.blob([(0.5, 0.06), (0.68, 0.3), (0.62, 0.54), (0.38, 0.54), (0.32, 0.3)], lighter(petals, 0.22))
        return
    heart: Rgb = (250, 205, 60) if thing.colour != "yellow" else (140, 84, 40)
    for outline in TOGETHER:
        for i in range(6):
            angle = math.tau * i / 6 + math.pi / 6
            # Half the head's width and height less a petal's own: the six touch the box's sides and its top.
            x, y = 0.5 + 0.33 * math.cos(angle), 0.315 + 0.185 * math.sin(angle)
            pen.ellipse(x, y, 0.215, 0.14, petals, outline)
        pen.ellipse(0.5, 0.315, 0.24, 0.16, petals, outline)
    for i in range(6):
        angle = math.tau * i / 6
        pen.limb([(0.5, 0.315), (0.5 + 0.38 * math.cos(angle), 0.315 + 0.25 * math.sin(angle))],
                 darker(petals, 0.2), 0.014, outline=False)  # fmt: skip
    pen.disc(0.5, 0.315, 0.105, heart)


def paint_potted_plant(pen: Pen, thing: Thing) -> None:
    """Leaves in a large pot."""
    pot = PAINTS[thing.colour]
    leaves: list[list[Point]] = [
        [(0.46, 0.5), (0.1, 0.44), (0.0, 0.22), (0.26, 0.26)],
        [(0.54, 0.5), (0.9, 0.44), (1.0, 0.22), (0.74, 0.26)],
        [(0.48, 0.5), (0.22, 0.24), (0.28, 0.02), (0.46, 0.2)],
        [(0.52, 0.5), (0.78, 0.24), (0.72, 0.02), (0.54, 0.2)],
        [(0.5, 0.52), (0.38, 0.26), (0.5, 0.0), (0.62, 0.26)],
    ]
    for i, leaf in enumerate(leaves):
        green = darker(_LEAF, 0.14) if i < 2 else _LEAF if i < 4 else lighter(_LEAF, 0.16)
        pen.blob(leaf, green)
        pen.limb([leaf[0], leaf[2]], darker(green, 0.25), 0.012, outline=False)
    pen.polygon([(0.12, 0.54), (0.88, 0.54), (0.74, 1.0), (0.26, 1.0)], pot)
    pen.polygon([(0.7, 0.58), (0.86, 0.58), (0.73, 1.0), (0.62, 1.0)], darker(pot, 0.15), outline=False)
    pen.rectangle(0.05, 0.46, 0.95, 0.61, pot, 0.03)


PAINTERS: Mapping[str, Painter] = {"tree": paint_tree, "flower": paint_flower, "potted plant": paint_potted_plant}
