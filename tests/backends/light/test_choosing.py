"""Drawing a token: what may be drawn, and which draw gives which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from chiasm.backends.light.choosing import choose, draw_of
from chiasm.chat import Sampling

LOGITS = np.log(np.array([0.2, 0.5, 0.0001, 0.2999], np.float32))


@dataclass
class Always:
    number: float

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(
    ("temperature", "top_p", "number", "chosen"),
    [
        (1.0, 1.0, 0.0, 0),
        (1.0, 1.0, 0.19, 0),
        (1.0, 1.0, 0.21, 1),
        (1.0, 1.0, 0.69, 1),
        (1.0, 1.0, 0.71, 3),
        (1.0, 1.0, 1 - 2**-53, 3),
        # From the likeliest on: 0.5, then 0.2999, then 0.2.
        (1.0, 0.5, 1 - 2**-53, 1),
        (1.0, 0.6, 0.62, 1),  # 0.5 of 0.7999
        (1.0, 0.6, 0.63, 3),
        (1.0, 0.9, 0.81, 0),
        (1.0, 0.9, 1 - 2**-53, 0),
        # Squared and made to sum to one: 0.105, 0.658, 0, 0.237.
        (0.5, 1.0, 0.11, 1),
        (0.5, 1.0, 0.77, 3),
        (1e-9, 1.0, 0.5, 1),
        (1e-320, 1.0, 0.999, 1),
    ],
)
def test_the_draw_goes_along_the_probabilities(temperature: float, top_p: float, number: float, chosen: int) -> None:
    assert choose(LOGITS, Sampling(temperature=temperature, top_p=top_p), Always(number)) == chosen


def test_what_is_impossible_is_never_drawn() -> None:
    logits = np.array([-np.inf, 0.0, -np.inf], np.float32)
    for number in (0.0, 0.5, 1 - 2**-53):
        for top_p in (0.3, 1.0):
            assert choose(logits, Sampling(temperature=1, top_p=top_p), Always(number)) == 1


def test_greedy_takes_the_first_of_the_likeliest() -> None:
    assert draw_of(Sampling(seed=3)) is None
    assert choose(np.array([1, 2, 2, 0], np.float32), Sampling(), None) == 1


def test_a_seed_makes_draws_repeatable() -> None:
    def numbers(seed: int | None) -> list[float]:
        draw = draw_of(Sampling(temperature=1, seed=seed))
        assert draw is not None
        return [draw.random() for _ in range(3)]

    assert numbers(5) == numbers(5) != numbers(6)
    assert numbers(None) != numbers(None)
    assert numbers(-1)  # any whole number will do
