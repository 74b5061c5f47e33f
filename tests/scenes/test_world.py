from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from chiasm.scenes.draw import silhouette
from chiasm.scenes.world import COLOURS, KINDS, SIZES, Scene, Thing, random_stream, sample_scene


def test_a_scene_is_a_function_of_seed_and_index() -> None:
    assert sample_scene(3, 7) == sample_scene(3, 7)
    assert sample_scene(3, 7) != sample_scene(3, 8)
    assert sample_scene(3, 7) != sample_scene(4, 7)


def test_streams_of_different_purposes_are_independent() -> None:
    assert random_stream(0, 0, "captions").random() != random_stream(0, 0, "scene").random()


def test_no_two_things_share_kind_and_colour(scenes: list[Scene]) -> None:
    for scene in scenes:
        looks = [(thing.kind, thing.colour) for thing in scene.things]
        assert len(set(looks)) == len(looks)


def test_things_lie_inside_and_apart_from_left_to_right(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.things:
            box = thing.box
            assert 0 < box.x < box.x + box.w < scene.width
            assert 0 < box.y < box.y + box.h < scene.height
        for a, b in combinations(scene.things, 2):
            assert abs((a.box.x + a.box.w / 2) - (b.box.x + b.box.w / 2)) >= scene.width / 8
            assert scene.left_of(a, b) != scene.left_of(b, a)


def test_three_quarters_of_everything_can_be_seen(scenes: list[Scene]) -> None:
    covered_ever = False
    for scene in scenes:
        masks = [_mask(scene, thing) for thing in scene.things]
        for i, mask in enumerate(masks):
            in_front = np.maximum.reduce([np.zeros_like(mask), *masks[i + 1 :]])
            visible = (mask * (1 - in_front)).sum() / mask.sum()
            covered_ever |= visible < 1
            assert visible >= 0.75
    assert covered_ever, "things never overlap: the test sees nothing"


def _mask(scene: Scene, thing: Thing) -> np.ndarray:
    mask = np.zeros((scene.height, scene.width))
    mask[thing.box.y : thing.box.y + thing.box.h, thing.box.x : thing.box.x + thing.box.w] = silhouette(thing)
    return mask


def test_kinds_colours_sizes_and_numbers_are_balanced(scenes: list[Scene]) -> None:
    things = [thing for scene in scenes for thing in scene.things]
    for names, values in (
        (KINDS, [thing.kind for thing in things]),
        (COLOURS, [thing.colour for thing in things]),
        (SIZES, [thing.size for thing in things]),
        ((1, 2, 3), [len(scene.things) for scene in scenes]),
    ):
        counts = Counter(values)
        for name in names:
            assert counts[name] == pytest.approx(len(values) / len(names), rel=0.25), name


@pytest.mark.parametrize("size", [32, 100, 224])
def test_small_is_smaller_than_large_in_pictures_of_any_size(size: int) -> None:
    longest = {"small": 0, "large": 0}
    shortest = {"small": size, "large": size}
    for index in range(100):
        for thing in sample_scene(0, index, size).things:
            side = max(thing.box.w, thing.box.h)
            longest[thing.size] = max(longest[thing.size], side)
            shortest[thing.size] = min(shortest[thing.size], side)
    assert longest["small"] * 1.2 < shortest["large"]


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="31 pixels"):
        sample_scene(0, 0, 31)
