"""Boxes on patches: which patches are whose."""

from __future__ import annotations

import pytest
import torch

from chiasm.training.boxes import Box, Grid, box_of, regions


def painted(*rows: str) -> list[bool]:
    return [letter == "#" for row in rows for letter in row]


def test_a_box_covers_the_patches_whose_middles_it_holds() -> None:
    # 40 x 20 pixels padded to 40 x 40: ten rows of pad above. Four patches of ten pixels a side.
    grid = Grid.of(40, 20, 4)
    mine, rest = regions(grid, [Box(10, 0, 20, 20)])
    assert mine.tolist() == painted("....", ".##.", ".##.", "....")
    assert rest.tolist() == [not patch for patch in mine.tolist()]


def test_of_two_boxes_the_smaller_owns_what_both_cover() -> None:
    large, small, rest = regions(Grid.of(40, 40, 4), [Box(0, 0, 40, 40), Box(20, 20, 10, 10)])
    assert small.tolist() == painted("....", "....", "..#.", "....")
    assert large.tolist() == [not patch for patch in small.tolist()]
    assert not rest.any()


def test_a_box_of_which_nothing_is_left_keeps_all_it_covers() -> None:
    first, second, third, _ = regions(Grid.of(20, 10, 2), [Box(0, 0, 20, 10), Box(0, 0, 9, 10), Box(11, 0, 9, 10)])
    assert (first | second | third).tolist() == first.tolist() == [True, True, False, False]


@pytest.mark.parametrize("box", [Box(12, 12, 1, 1), Box(12, 12, 0, 0)])
def test_the_smallest_box_has_one_patch(box: Box) -> None:
    mine, _ = regions(Grid.of(40, 40, 4), [box])
    assert mine.tolist() == painted("....", ".#..", "....", "....")


@pytest.mark.parametrize(
    ("bbox", "is_box"),
    [([1, 2, 3, 4], True), ([0.5, 0, 0, 0], True), ([1, 2, 3], False), ([1, 2, -3, 4], False), (None, False)],
)
def test_what_is_a_box(bbox: object, is_box: bool) -> None:
    assert (box_of({"bbox": bbox}) is not None) == is_box
    assert box_of({"bbox": [1, 2, float("nan"), 4]}) is None
    assert box_of({}) is None


def test_every_patch_is_somebodys() -> None:
    parts = torch.stack([*regions(Grid.of(100, 60, 7), [Box(3, 5, 40, 50), Box(30, 10, 60, 20), Box(80, 50, 9, 9)])])
    assert parts.any(0).all()
