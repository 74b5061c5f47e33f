"""Scenes by chance keep what drawers and tellers rely on."""

from __future__ import annotations

from itertools import combinations

import pytest

from chiasm.scenes.kinds import BY_NAME, INSIDE, NAMES
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Scene, Thing


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(3, index) for index in range(600)]


def test_a_scene_is_a_function_of_seed_and_index() -> None:
    assert sample_scene(1, 5) == sample_scene(1, 5)
    assert sample_scene(1, 5).things != sample_scene(2, 5).things


def test_the_size_changes_no_content() -> None:
    assert sample_scene(1, 7, 112).things == sample_scene(1, 7, 448).things


def test_every_kind_and_every_place_comes(scenes: list[Scene]) -> None:
    assert {thing.kind for scene in scenes for thing in scene.things} == set(NAMES)
    assert len({scene.place for scene in scenes}) == 6


def test_things_lie_within_the_picture_and_are_mostly_seen(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.things:
            box = thing.box
            assert 0 <= box.x0 < box.x1 <= 1
            assert 0 <= box.y0 < box.y1 <= 1
            nearer = [other for other in scene.things[thing.number + 1 :] if not _together(thing, other)]
            assert sum(box.shared(other.box) for other in nearer) <= 0.34 * box.area, (scene.id, thing.kind)


def _together(first: Thing, second: Thing) -> bool:
    return first.number in (second.held_by, second.on)


def test_what_is_held_is_in_a_hand_and_what_is_on_a_table_is_on_it(scenes: list[Scene]) -> None:
    held = carried = 0
    for scene in scenes:
        for thing in scene.things:
            if thing.held_by is not None:
                holder = scene.things[thing.held_by]
                assert holder.kind == "person"
                assert holder.holds == thing.number
                assert holder.number < thing.number
                assert thing.box.shared(holder.box) > 0 or thing.box.x0 <= holder.box.x1
                held += 1
            if thing.on is not None:
                table = scene.things[thing.on]
                assert table.kind == "dining table"
                assert table.box.y0 < thing.box.y1 < table.box.y1
                carried += 1
    assert held > 20
    assert carried > 50


def test_kinds_are_where_they_belong(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert (scene.weather is None) == (scene.place in INSIDE)
        for thing in scene.things:
            kind = BY_NAME[thing.kind]
            assert scene.place in kind.places
            assert thing.colour in kind.colours
            assert (thing.state in kind.states) if kind.states else thing.state is None
            assert (thing.action in kind.actions) if kind.actions else thing.action is None


def test_there_are_groups_to_count_and_colours_to_confuse(scenes: list[Scene]) -> None:
    most = [max(len(scene.of_kind(thing.kind)) for thing in scene.things) for scene in scenes]
    assert {1, 2, 3, 4, 5} <= set(most)
    swaps = [
        any(a.colour == b.colour and a.kind != b.kind for a, b in combinations(scene.things, 2)) for scene in scenes
    ]
    assert sum(swaps) > 100


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="64 is the least"):
        sample_scene(0, 0, 32)
