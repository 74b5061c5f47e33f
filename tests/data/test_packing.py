"""Which samples share a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.data.packing import Size, rows


def sizes(*tokens: int) -> list[Size]:
    return [Size(count, 1) for count in tokens]


@pytest.mark.parametrize(
    ("tokens", "max_tokens", "expected"),
    [
        ([], 10, []),
        ([10], 10, [[0]]),
        ([4, 3, 3], 10, [[0, 1, 2]]),
        ([6, 6, 4, 4], 10, [[0, 2], [1, 3]]),
        ([3, 9, 1, 7], 10, [[0, 3], [1, 2]]),
        ([12, 5], 10, [[0], [1]]),  # longer than a row: alone in one
        ([5, 5, 5], 10, [[0, 1], [2]]),  # equals keep their order
    ],
)
def test_rows_by_hand(tokens: list[int], max_tokens: int, expected: list[list[int]]) -> None:
    assert rows(sizes(*tokens), max_tokens) == expected


def test_pictures_fill_a_row_as_well() -> None:
    crowded = [Size(1, 3), Size(1, 2), Size(1, 0), Size(1, 9)]
    assert rows(crowded, 100, max_pictures=4) == [[0, 2], [1], [3]]


@given(
    st.lists(st.builds(Size, st.integers(1, 40), st.integers(0, 4)), max_size=40), st.integers(1, 60), st.integers(1, 5)
)
def test_every_sample_once_and_no_row_overfull(drawn: list[Size], tokens: int, pictures: int) -> None:
    packed = rows(drawn, tokens, pictures)
    assert sorted(i for row in packed for i in row) == list(range(len(drawn)))
    for row in packed:
        if len(row) > 1:
            assert sum(drawn[i].tokens for i in row) <= tokens
            assert sum(drawn[i].pictures for i in row) <= pictures


@pytest.mark.parametrize(("tokens", "pictures"), [(0, 1), (5, 0)])
def test_a_row_of_nothing_is_refused(tokens: int, pictures: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        rows([], tokens, pictures)
