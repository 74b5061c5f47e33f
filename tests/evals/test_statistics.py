"""Intervals and paired tests against scipy, formulas and hand-made cases."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence

import pytest
import scipy.stats

from chiasm.evals.statistics import bootstrap, compare, mcnemar, sign_flips
from chiasm.evals.task import Mark, Question, percent


def marks(values: Sequence[float], group_of: int = 1) -> list[Mark]:
    """One mark a value; `group_of` neighbours are one group."""
    groups = ["" if group_of == 1 else f"g{n // group_of}" for n in range(len(values))]
    return [Mark(Question(n, str(n), "", group=groups[n]), "", value, "") for n, value in enumerate(values)]


def accuracy(some: Sequence[Mark]) -> dict[str, float]:
    return {"accuracy": percent(sum(mark.value for mark in some), len(some))}


def coins(num: int, share: float, seed: int = 1) -> list[float]:
    generator = random.Random(seed)
    return [float(generator.random() < share) for _ in range(num)]


def test_the_interval_of_a_share_is_the_textbooks() -> None:
    values = coins(2000, 0.7)
    share = sum(values) / len(values)
    half = 1.96 * 100 * math.sqrt(share * (1 - share) / len(values))
    interval = bootstrap(marks(values), accuracy)
    assert (interval.num_resamples, interval.num_groups) == (1000, 2000)
    found = interval.of["accuracy"]
    assert found.low == pytest.approx(100 * share - half, abs=0.25)
    assert found.high == pytest.approx(100 * share + half, abs=0.25)


def test_questions_of_a_group_stand_or_fall_together() -> None:
    # Ten questions a picture, all right or all wrong: as wide as a tenth of as many questions, sqrt(10) times wider.
    values = [value for value in coins(100, 0.5) for _ in range(10)]
    alone, together = bootstrap(marks(values), accuracy), bootstrap(marks(values, group_of=10), accuracy)
    assert (alone.num_groups, together.num_groups) == (1000, 100)
    narrow, wide = (each.of["accuracy"].high - each.of["accuracy"].low for each in (alone, together))
    assert wide / narrow == pytest.approx(math.sqrt(10), rel=0.15)


def test_a_group_and_a_key_of_one_name_are_two() -> None:
    some = [*marks([1, 0]), Mark(Question(9, "9", "", group="0"), "", 1.0, "")]
    assert bootstrap(some, accuracy).num_groups == 3


def test_the_same_marks_give_the_same_figures() -> None:
    some = marks([number % 97 / 97 for number in range(300)])
    assert bootstrap(some, accuracy) == bootstrap(some, accuracy)
    assert bootstrap(some, accuracy).of != bootstrap(some, accuracy, seed=7).of


@pytest.mark.parametrize(("num", "resamples"), [(0, 0), (1, 0), (2, 1000), (18_000, 500), (100_000, 100)])
def test_how_many_resamples_is_told_and_bounded(num: int, resamples: int) -> None:
    def constant(some: Sequence[Mark]) -> dict[str, float]:
        return {"a": 5.0}

    found = bootstrap(marks([1.0] * num), constant)
    assert found.num_resamples == resamples
    assert all((each.low, each.high) == (5, 5) for each in found.of.values())
    assert bool(found.of) == (num > 1)


def test_nine_thousand_marks_take_seconds() -> None:
    some = marks(coins(9000, 0.9), group_of=18)
    start = time.process_time()
    assert bootstrap(some, accuracy).num_resamples == 1000
    assert time.process_time() - start < 10


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (5, 5), (3, 11), (40, 20), (900, 1000), (30_000, 30_500)])
def test_mcnemar_is_the_binomial_test(won: int, lost: int) -> None:
    expected = scipy.stats.binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(expected, rel=1e-7)
    assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-7)


def test_sign_flips_of_few_are_counted_out() -> None:
    # 2**4 sign patterns of (1, 1, 1, 0.5): sums at least 3.5 from 0 are 2 of 16.
    assert sign_flips([1, 1, 1, 0.5]) == pytest.approx(2 / 16, abs=0.01)
    assert sign_flips([0.3, -0.3, 0.6, -0.6]) == 1.0
    assert sign_flips([]) == 1.0


def test_sign_flips_are_scipys_permutation_test() -> None:
    generator = random.Random(3)
    differences = [generator.choice((-1, -0.6, -0.3, 0, 0, 0.3, 0.3, 0.6, 1)) for _ in range(300)]
    expected = scipy.stats.permutation_test(
        (differences, [0.0] * 300), lambda a, b: sum(a - b), permutation_type="samples", vectorized=False, rng=5
    ).pvalue
    assert 0.005 < expected < 0.9
    assert sign_flips(differences) == pytest.approx(expected, abs=0.015)


def test_one_run_against_another() -> None:
    first, second = marks([1, 1, 1, 1, 0, 0, 1, 1]), marks([0, 0, 0, 1, 0, 1, 0, 0])
    found = compare(first, second, accuracy)
    assert (found.num_won, found.num_lost, found.num_tied) == (5, 1, 2)
    assert found.p_value == pytest.approx(14 / 64)  # 2 * (1 + 6) / 2**6
    assert found.test == "McNemar's exact test"
    assert found.differences == {"accuracy": 50.0}
    interval = found.intervals.of["accuracy"]
    assert interval.low < 50 < interval.high <= 100


def test_graded_answers_are_permuted() -> None:
    first, second = marks([1, 0.6, 0.3, 1]), marks([0.3, 0.6, 0, 0.9])
    found = compare(first, second, accuracy)
    assert (found.num_won, found.num_lost, found.num_tied) == (3, 0, 1)
    assert found.test == "paired permutation test, 10,000 permutations"
    assert found.p_value == pytest.approx(2 / 8, abs=0.02)


def test_graded_answers_of_a_group_are_flipped_together() -> None:
    first, second = marks([0.5] * 12, group_of=4), marks([0.2] * 12, group_of=4)
    assert compare(first, second, accuracy).p_value == pytest.approx(2 / 2**3, abs=0.02)


def test_the_difference_is_surer_than_each_of_two_like_runs() -> None:
    values = coins(400, 0.5)
    better = [1.0 if n % 20 == 0 else value for n, value in enumerate(values)]
    found = compare(marks(better), marks(values), accuracy).intervals.of["accuracy"]
    alone = bootstrap(marks(values), accuracy).of["accuracy"]
    assert found.low > 0
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_runs_of_other_questions_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same questions"):
        compare(marks([1, 0]), marks([1]), accuracy)


def test_groups_are_drawn_whole() -> None:
    # Groups of one, two and three questions, not side by side.
    groups = ["a", "b", "c", "b", "c", "c"]
    some = [Mark(Question(n, str(n), "", group=group), "", 1.0, "") for n, group in enumerate(groups)]
    num_groups = set()

    def look(drawn: Sequence[Mark]) -> dict[str, float]:
        keys = [mark.question.key for mark in drawn]
        assert keys.count("1") == keys.count("3")
        assert keys.count("2") == keys.count("4") == keys.count("5")
        num_groups.add(keys.count("0") + keys.count("1") + keys.count("2"))
        return {"n": float(len(keys))}

    found = bootstrap(some, look)
    assert num_groups == {3}
    assert (found.num_groups, found.of["n"].low, found.of["n"].high) == (3, 3, 9)
