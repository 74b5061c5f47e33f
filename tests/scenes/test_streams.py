"""The streams of the drawn world are Python's own, to the last number."""

from __future__ import annotations

import random

import pytest

from chiasm.scenes.streams import Stream, random_stream


@pytest.mark.parametrize("seed", range(20))
def test_choices_and_the_state_they_leave_are_pythons(seed: int) -> None:
    ours, python = Stream(seed), random.Random(seed)
    for number in (1, 2, 3, 5, 8, 21, 22, 30, 46, 100, 300):
        items = list(range(number))
        assert ours.choice(items) == python.choice(items)
        for k in {0, 1, 4, 5, 6, 7, number // 2, number}:
            if k <= number:
                assert ours.sample(items, k) == python.sample(items, k)
        shuffled, theirs = items.copy(), items.copy()
        ours.shuffle(shuffled)
        python.shuffle(theirs)
        assert shuffled == theirs
        assert ours.choices(items, k=3) == python.choices(items, k=3)
        assert ours.sample(items, 1, counts=[2] * number) == python.sample(items, 1, counts=[2] * number)
    assert ours.getstate() == python.getstate()


def test_what_cannot_be_drawn_is_refused_as_python_refuses_it() -> None:
    with pytest.raises(IndexError):
        Stream(0).choice([])
    with pytest.raises(ValueError, match="larger than population"):
        Stream(0).sample([1, 2], 3)


def test_every_purpose_has_a_stream_of_its_own() -> None:
    assert random_stream(1, 2, "a").random() == random_stream(1, 2, "a").random()
    assert len({random_stream(*of).random() for of in ((1, 2, "a"), (1, 2, "b"), (1, 3, "a"), (2, 2, "a"))}) == 4
