"""Painters of people, animals, plants and what is carried: tight boxes, plain colours, poses that can be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from chiasm.scenes.drawing.canvas import PAINTS, Pen, Rgb
from chiasm.scenes.drawing.things import animals, carried, people, plants
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.kinds import BY_NAME
from chiasm.scenes.scene import Box, Clothes, Style, Thing

PAINTERS: Mapping[str, Painter] = {
    **people.PAINTERS,
    **animals.PAINTERS,
    **plants.PAINTERS,
    **carried.PAINTERS,
}
PLAIN = Style("none", 1.0, "flat", 0.0, 0.0, 0)
OUTLINED = Style("dark", 1.4, "flat", 0.0, 0.0, 7)
CLOTHES = Clothes("brown", None)


def looks(kind: str) -> Iterator[tuple[str | None, str | None]]:
    about = BY_NAME[kind]
    return itertools.product(about.states or (None,), about.actions or (None,))


def of(kind: str, colour: str | None = None, **more: object) -> Thing:
    clothes = CLOTHES if kind == "person" else None
    values = {"clothes": clothes, "colour": colour or BY_NAME[kind].colours[0], **more}
    return Thing(0, kind, box=Box(0, 0, 1, 1), **values)  # type: ignore[arg-type]


def paint(thing: Thing, height: int = 120, style: Style = PLAIN, mirrored: bool = False) -> np.ndarray:
    """(height, width, 4) bytes."""
    pen = Pen(round(height * thing.about.aspect_of(thing.state, thing.action)), height, style, mirrored)
    PAINTERS[thing.kind](pen, thing)
    return np.asarray(pen.sheet())


def near(pixels: np.ndarray, colour: Rgb, within: int = 30) -> np.ndarray:
    """Where opaque pixels are of a colour."""
    far = np.abs(pixels[..., :3].astype(int) - np.array(colour)).max(axis=-1)
    same: np.ndarray = np.logical_and(far <= within, pixels[..., 3] > 128)
    return same


def test_every_living_growing_or_carried_kind_has_one_painter() -> None:
    families = {"person", "animal", "accessory", "sports"}
    wanted = {kind.name for kind in BY_NAME.values() if kind.supercategory in families}
    assert set(PAINTERS) == wanted | {"tree", "flower", "potted plant", "teddy bear"}


@pytest.mark.parametrize("style", [PLAIN, OUTLINED], ids=["plain", "outlined"])
@pytest.mark.parametrize("kind", sorted(PAINTERS))
def test_a_thing_touches_all_four_sides_of_its_box(kind: str, style: Style) -> None:
    for (state, action), height in itertools.product(looks(kind), (150, 28)):
        alpha = paint(of(kind, state=state, action=action), height, style)[..., 3] > 64
        rows, columns = np.nonzero(alpha.any(axis=1))[0], np.nonzero(alpha.any(axis=0))[0]
        free = (rows[0], columns[0], alpha.shape[0] - 1 - rows[-1], alpha.shape[1] - 1 - columns[-1])
        assert max(free) <= max(1, round(0.02 * height)), (state, action, height, free)


@pytest.mark.parametrize("kind", sorted(PAINTERS))
def test_most_of_a_thing_is_of_its_colour(kind: str) -> None:
    """A person's is the shirt's: sleeves are in its shade, the rest is trousers, skin and hair."""
    least = 0.3 if kind == "person" else 0.4
    for (state, action), colour in itertools.product(looks(kind), BY_NAME[kind].colours):
        pixels = paint(of(kind, colour, state=state, action=action))
        share = near(pixels, PAINTS[colour]).sum() / (pixels[..., 3] > 128).sum()
        assert share >= least, (state, action, colour, share)


@pytest.mark.parametrize("kind", sorted(kind for kind in PAINTERS if len(list(looks(kind))) > 1))
def test_poses_and_states_can_be_told_by_their_outlines(kind: str) -> None:
    """At 28 pixels, stretched to one square, two looks share less than nine tenths of what either covers."""
    shapes = {}
    for look in looks(kind):
        alpha = paint(of(kind, state=look[0], action=look[1]), 28)[..., 3] > 128
        rows = np.arange(28) * alpha.shape[0] // 28
        columns = np.arange(28) * alpha.shape[1] // 28
        shapes[look] = alpha[np.ix_(rows, columns)]
    for one, other in itertools.combinations(shapes, 2):
        shared = (shapes[one] & shapes[other]).sum() / (shapes[one] | shapes[other]).sum()
        assert shared < 0.9, (one, other, shared)


@pytest.mark.parametrize("kind", sorted(kind for kind in PAINTERS if BY_NAME[kind].faces))
def test_who_faces_left_is_the_mirror_image_of_who_faces_right(kind: str) -> None:
    for state, action in looks(kind):
        thing = of(kind, state=state, action=action)
        right, left = paint(thing).astype(int), paint(thing, mirrored=True).astype(int)
        assert np.abs(right[:, ::-1] - left).mean() < 4, (state, action)
        assert np.abs(right - left).mean() > 12, (state, action)


@pytest.mark.parametrize("kind", sorted(kind for kind in PAINTERS if BY_NAME[kind].grip))
def test_a_hand_finds_something_where_it_grips(kind: str) -> None:
    x, y = BY_NAME[kind].grip or (0, 0)
    for state, action in looks(kind):
        alpha = paint(of(kind, state=state, action=action), 100)[..., 3]
        row, column = round(y * alpha.shape[0]), round(x * alpha.shape[1])
        assert alpha[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4].max() > 128, state


@pytest.mark.parametrize("action", ["standing", "walking", "sitting"])
def test_the_hand_that_holds_is_where_the_held_thing_hangs(action: str) -> None:
    for skin in people.SKINS:
        style = Style("none", 1.0, "flat", 0.0, 0.0, people.SKINS.index(skin))
        found = {}
        for hand, (x, y) in (("low", (0.95, 0.56)), ("high", (0.95, 0.30))):
            pixels = paint(of("person", "blue", action=action, holds=1, hand=hand), 120, style)
            for height in (0.56, 0.30):
                row, column = round(height * 120), round(x * pixels.shape[1])
                found[hand, height] = near(pixels[row - 3 : row + 4, column - 3 : column + 2], skin, 6).sum()
            assert found[hand, y] > 10
        assert found["low", 0.30] == found["high", 0.56] == 0


def test_clothes_are_where_they_are_worn() -> None:
    pixels = paint(of("person", "pink", action="standing", clothes=Clothes("green", "blue")))
    hat, trousers = near(pixels, PAINTS["blue"]), near(pixels, PAINTS["green"])
    assert hat[:24].sum() > 100
    assert not hat[24:].any()
    assert trousers[72:].sum() > 200
    assert not trousers[:60].any()
    bare = paint(of("person", "pink", action="standing", clothes=Clothes("green", None)))
    assert not near(bare, PAINTS["blue"]).any()


def test_who_waves_has_a_hand_above_the_head() -> None:
    skin = people.SKINS[0]
    waving = near(paint(of("person", "blue", action="waving")), skin, 6)
    standing = near(paint(of("person", "blue", action="standing")), skin, 6)
    assert waving[:12, : waving.shape[1] // 3].sum() > 10
    assert not standing[:12, : standing.shape[1] // 3].any()


@pytest.mark.parametrize("kind", sorted(kind for kind in PAINTERS if "white" in BY_NAME[kind].colours))
def test_what_is_white_has_an_edge_that_shows_on_snow(kind: str) -> None:
    """Along most of its outline something within a pixel is darker than snow (but where the box's side cuts it)."""
    snow = 246
    for state, action in looks(kind):
        pixels = np.pad(paint(of(kind, "white", state=state, action=action)).astype(int), ((2, 2), (2, 2), (0, 0)))
        covered = pixels[..., 3] > 128
        seen = (pixels[..., :3].min(axis=-1) * pixels[..., 3] + snow * (255 - pixels[..., 3])) // 255
        around = np.stack([np.roll(seen, shift, (0, 1)) for shift in itertools.product((-1, 0, 1), repeat=2)])
        beside = [np.roll(covered, shift, (0, 1)) for shift in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        rim = covered & ~np.logical_and.reduce(beside)
        assert (around.min(axis=0)[rim] < snow - 20).mean() > 0.75, (state, action)


def test_skin_and_hair_come_from_the_style_and_nothing_else_moves() -> None:
    sheets = [
        paint(of("person", "blue", action="walking"), style=Style("none", 1.0, "flat", 0.0, 0.0, hue))
        for hue in (36, 36, 37)
    ]
    assert (sheets[0] == sheets[1]).all()
    changed = (sheets[0] != sheets[2]).any(axis=-1)
    shirt = near(sheets[0], PAINTS["blue"], 2)
    assert changed.any()
    assert (shirt & changed).sum() < 0.02 * shirt.sum()


@pytest.mark.parametrize("kind", sorted(animals.PAINTERS))
def test_eyes_show_on_a_black_coat(kind: str) -> None:
    """Something light is where everything else is dark."""
    if "black" in BY_NAME[kind].colours:
        for state, action in looks(kind):
            pixels = paint(of(kind, "black", state=state, action=action))
            light = (pixels[..., :3].min(axis=-1) > 130) & (pixels[..., 3] > 200)
            assert light.sum() >= 6, action
