from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from chiasm.scenes.draw import draw_scene, silhouette
from chiasm.scenes.shapes import PAINTS
from chiasm.scenes.world import BACKGROUNDS, COLOURS, KINDS, Background, Box, Scene, Thing

_WALL = Background("plain", (245, 245, 245), (245, 245, 245), 0.5)


def _alone(kind: str, colour: str, box: Box) -> Scene:
    return Scene(0, 64, 64, (Thing(kind, colour, "large", box),), _WALL)


def test_a_picture_is_the_same_each_time_and_of_the_scene_s_size(scenes: list[Scene]) -> None:
    picture = draw_scene(scenes[0])
    assert picture.mode == "RGB"
    assert picture.size == (64, 64)
    assert picture.tobytes() == draw_scene(scenes[0]).tobytes()


@pytest.mark.parametrize(("kind", "colour"), list(product(KINDS, COLOURS)))
@pytest.mark.parametrize("box", [Box(10, 20, 15, 14), Box(21, 9, 27, 25)])
def test_boxes_are_tight_to_what_is_drawn(kind: str, colour: str, box: Box) -> None:
    drawn = np.asarray(draw_scene(_alone(kind, colour, box)), dtype=int)
    changed = np.abs(drawn - 245).max(axis=2) > 60  # more than the shadow on the floor
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert columns[0] == pytest.approx(box.x, abs=1)
    assert columns[-1] + 1 == pytest.approx(box.x + box.w, abs=1)
    assert rows[0] == pytest.approx(box.y, abs=1)
    assert rows[-1] + 1 == pytest.approx(box.y + box.h, abs=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_silhouette_is_where_the_picture_changes(kind: str) -> None:
    thing = Thing(kind, "black", "large", Box(8, 8, 28, 28))
    drawn = np.asarray(draw_scene(_alone(kind, "black", thing.box)), dtype=int)[8:36, 8:36]
    changed = np.abs(drawn - 245).max(axis=2) > 60
    assert (changed == (silhouette(thing) > 0.5)).mean() > 0.93


def test_colours_can_be_told_from_the_pixels_of_small_things() -> None:
    for kind, colour in product(KINDS, COLOURS):
        box = Box(20, 20, 15, 15)
        drawn = np.asarray(draw_scene(_alone(kind, colour, box)), dtype=float)[20:35, 20:35]
        inside = np.median(drawn[silhouette(Thing(kind, colour, "small", box)) > 0.9], axis=0)
        distances = {name: np.linalg.norm(inside - paint) for name, paint in PAINTS.items()}
        nearest, second = sorted(distances, key=lambda name: distances[name])[:2]
        assert nearest == colour, kind
        assert distances[second] - distances[nearest] > 20, (kind, colour, second)


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_backgrounds_stay_pale_and_show_both_their_colours(kind: str) -> None:
    background = Background(kind, (250, 240, 240), (210, 225, 240), 0.7)
    pixels = np.asarray(draw_scene(Scene(0, 64, 64, (), background)))
    assert pixels.min() >= 209
    assert (len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1) == (kind != "plain")


def test_what_is_drawn_last_is_in_front() -> None:
    box = Box(20, 20, 24, 24)
    behind, front = Thing("box", "red", "large", box), Thing("box", "blue", "large", box)
    red, _, blue = draw_scene(Scene(0, 64, 64, (behind, front), _WALL)).getpixel((28, 36))
    assert blue > red
