"""People: a shirt in the person's colour, trousers, a hat perhaps; standing, walking, running, sitting or waving.

Skin and hair come from the style, so that nothing spoken of depends on them. Knows where a hand must be, not what is
in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chiasm.scenes.drawing.canvas import PAINTS, TOGETHER, Pen, Point, Rgb, darker, lighter, shade
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.scene import Thing

SKINS: tuple[Rgb, ...] = (
    (252, 218, 190), (241, 194, 154), (222, 170, 125), (190, 130, 88), (150, 98, 64), (112, 72, 50),
)  # fmt: skip
HAIRS: tuple[Rgb, ...] = ((45, 34, 32), (88, 56, 36), (150, 96, 48), (222, 180, 96), (170, 80, 40), (150, 150, 152))
HANDS: Mapping[str, Point] = {"low": (0.95, 0.56), "high": (0.95, 0.30)}
"""Where a hand that holds something is; `placing` hangs the held thing there."""

_SHOES: Rgb = (62, 50, 52)
_MOUTH: Rgb = (150, 50, 50)
_EYE: Rgb = (38, 32, 36)


@dataclass(frozen=True, slots=True)
class _Pose:
    """Where the parts of a body are that faces right; arms and legs from the trunk outwards. `head` is a radius."""

    face: Point
    head: float
    neck: Point
    hip: Point
    back_arm: tuple[Point, ...]
    front_arm: tuple[Point, ...]
    back_leg: tuple[Point, ...]
    front_leg: tuple[Point, ...]
    wide: float = 0.125
    """Half the shoulders' width, in parts of the height."""


_STANDING = _Pose(
    (0.5, 0.14), 0.13, (0.5, 0.275), (0.5, 0.61),
    ((0.27, 0.34), (0.12, 0.46), (0.085, 0.575)), ((0.73, 0.34), (0.88, 0.46), (0.915, 0.575)),
    ((0.36, 0.63), (0.34, 0.96)), ((0.62, 0.63), (0.64, 0.96)),
)  # fmt: skip
_POSES: Mapping[str, _Pose] = {
    "standing": _STANDING,
    "waving": _Pose(
        (0.59, 0.185), 0.13, (0.53, 0.315), (0.53, 0.63),
        ((0.32, 0.38), (0.1, 0.24), (0.14, 0.045)), ((0.76, 0.38), (0.89, 0.48), (0.915, 0.59)),
        ((0.4, 0.65), (0.38, 0.96)), ((0.65, 0.65), (0.67, 0.96)),
    ),
    "walking": _Pose(
        (0.53, 0.14), 0.13, (0.5, 0.275), (0.48, 0.6),
        ((0.36, 0.34), (0.2, 0.46), (0.08, 0.55)), ((0.62, 0.34), (0.78, 0.47), (0.92, 0.53)),
        ((0.44, 0.62), (0.33, 0.8), (0.1, 0.94)), ((0.53, 0.62), (0.7, 0.78), (0.8, 0.96)),
    ),
    "running": _Pose(
        (0.64, 0.14), 0.13, (0.57, 0.275), (0.45, 0.58),
        ((0.48, 0.34), (0.24, 0.4), (0.08, 0.52)), ((0.63, 0.36), (0.74, 0.5), (0.93, 0.4)),
        ((0.42, 0.6), (0.3, 0.79), (0.07, 0.74)), ((0.5, 0.6), (0.74, 0.68), (0.76, 0.96)),
    ),
    "sitting": _Pose(
        (0.43, 0.165), 0.155, (0.36, 0.32), (0.33, 0.77),
        ((0.24, 0.42), (0.1, 0.66), (0.085, 0.93)), ((0.44, 0.43), (0.55, 0.6), (0.72, 0.6)),
        ((0.34, 0.88), (0.62, 0.62), (0.72, 0.93)), ((0.3, 0.9), (0.7, 0.68), (0.86, 0.94)),
        0.15,
    ),
}  # fmt: skip


def paint_person(pen: Pen, thing: Thing) -> None:
    """A person; the front arm reaches to where the hand with the held thing is."""
    pose = _POSES[thing.action or "standing"]
    shirt = PAINTS[thing.colour]
    trousers = PAINTS[thing.clothes.trousers] if thing.clothes else PAINTS["blue"]
    seed = pen.style.hue + 7 * thing.number
    skin = SKINS[seed % len(SKINS)]
    thick = 0.6 * pose.wide
    if thing.holds is not None:
        hand = HANDS[thing.hand] if thing.hand else (0.95, 0.45)
        shoulder = pose.front_arm[0]
        bend = (shoulder[0] + hand[0]) / 2 + 0.04, (shoulder[1] + hand[1]) / 2 + 0.06
        front_arm: tuple[Point, ...] = (shoulder, bend, hand)
    else:
        front_arm = pose.front_arm
    _arm(pen, pose.back_arm, shade(shirt, 0.13), skin, thick)
    _leg(pen, pose.back_leg, shade(trousers, 0.16), 0.78 * pose.wide)
    _leg(pen, pose.front_leg, trousers, 0.78 * pose.wide)
    if thing.action == "sitting":
        for outline in TOGETHER:
            pen.ellipse(0.33, 0.88, 0.2, 0.12, trousers, outline)
            pen.limb(pose.front_leg, trousers, 0.82 * pose.wide, outline)
    pen.limb([pose.neck, pose.face], darker(skin, 0.12), 0.07)
    _trunk(pen, pose, shirt)
    _head(pen, pose, skin, seed, thing)
    _arm(pen, front_arm, shade(shirt, 0.06), skin, thick)


def _arm(pen: Pen, points: Sequence[Point], sleeve: Rgb, skin: Rgb, thick: float) -> None:
    x, y = points[-1]
    pen.disc(x, y, 0.58 * thick, skin)
    # The sleeve's round end stops short of the hand's centre, however long the forearm is.
    elbow_x, elbow_y = points[-2]
    left_out = min(0.85 * thick / math.hypot((x - elbow_x) * pen.aspect, y - elbow_y), 1)
    cuff = (x + left_out * (elbow_x - x), y + left_out * (elbow_y - y))
    pen.limb([*points[:-1], cuff], sleeve, thick)


def _leg(pen: Pen, points: Sequence[Point], cloth: Rgb, thick: float) -> None:
    x, y = points[-1]
    pen.ellipse(x + 0.05 / pen.aspect, y + 0.01, 0.085 / pen.aspect, 0.04, _SHOES)
    pen.limb(points, cloth, thick)


def _trunk(pen: Pen, pose: _Pose, shirt: Rgb) -> None:
    (x, y), (hip_x, hip_y), wide = pose.neck, pose.hip, pose.wide / pen.aspect
    tall = hip_y - y
    pen.blob(
        [
            (x - 0.45 * wide, y - 0.01), (x + 0.45 * wide, y - 0.01), (x + wide, y + 0.2 * tall),
            (hip_x + 0.92 * wide, hip_y - 0.1), (hip_x + 0.9 * wide, hip_y + 0.05),
            (hip_x - 0.9 * wide, hip_y + 0.05), (hip_x - 0.92 * wide, hip_y - 0.1), (x - wide, y + 0.2 * tall),
        ],
        shirt,
    )  # fmt: skip


def _head(pen: Pen, pose: _Pose, skin: Rgb, seed: int, thing: Thing) -> None:
    (x, y), r = pose.face, pose.head
    u = r / pen.aspect
    hair = HAIRS[seed // 6 % len(HAIRS)]
    long = seed // 36 % 3 == 0
    for outline in TOGETHER:
        if long:
            pen.rectangle(x - 1.02 * u, y - 0.2 * r, x + 0.1 * u, y + 1.35 * r, hair, 0.1, outline)
        pen.disc(x - 0.08 * u, y - 0.08 * r, r, hair, outline)
    pen.ellipse(x + 0.14 * u, y + 0.12 * r, 0.86 * u, 0.86 * r, skin, outline=False)
    pen.disc(x + 0.99 * u, y + 0.25 * r, 0.13 * r, darker(skin, 0.1), outline=False)
    pen.ellipse(x - 0.05 * u, y - 0.66 * r, 0.84 * u, 0.36 * r, hair, outline=False)
    for eye in (0.3, 0.72):
        pen.ellipse(x + eye * u, y + 0.08 * r, 0.1 * u, 0.14 * r, _EYE, outline=False)
    pen.disc(x + 0.2 * u, y + 0.42 * r, 0.13 * r, (236, 140, 130), outline=False)
    pen.limb(
        [(x + 0.34 * u, y + 0.5 * r), (x + 0.52 * u, y + 0.6 * r), (x + 0.72 * u, y + 0.48 * r)],
        _MOUTH, 0.1 * r, outline=False,
    )  # fmt: skip
    if thing.clothes and thing.clothes.hat:
        cloth = PAINTS[thing.clothes.hat]
        pen.pie(x, y - 0.18 * r, 1.06 * r, 180, 360, cloth)
        pen.limb([(x, y - 0.2 * r), (x + 1.45 * u, y - 0.16 * r)], shade(cloth, 0.18), 0.2 * r)
        pen.disc(x - 0.1 * u, y - 0.62 * r, 0.14 * r, lighter(cloth, 0.35), outline=False)
    elif not long:
        pen.disc(x - 0.42 * u, y + 0.2 * r, 0.2 * r, darker(skin, 0.08), outline=False)


PAINTERS: Mapping[str, Painter] = {"person": paint_person}
