"""How far a score can be trusted: bootstrap intervals, and paired tests between two runs.

Questions that share a `group` (one picture, one video) are resampled together, since their answers are not independent.
All random numbers are seeded: the same marks give the same figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chiasm.evals.task import Mark

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

# Ours. 1,000 resamples fix the ends of a 95 % interval to some 3 % of its width; sets above 9,000 questions get fewer,
# for time, and every table says how many.
_RESAMPLES, _FEWEST = 1000, 100
_MARKS_IN_ALL = 9_000_000
_LONGEST_SECONDS = 60.0
_FLIPS = 10_000  # of a permutation test: the smallest p-value it can tell is 1 in as many
_NORMAL_95 = 1.959964  # the normal distribution has 95 % within so many standard deviations

Metrics = Callable[[Sequence[Mark]], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 95 % of what a metric was on resampled questions."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals by metric, from `num_resamples` resamples of `num_groups` groups of questions."""

    of: dict[str, Interval]
    num_resamples: int
    num_groups: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run against another, question by question: where the first was better, worse, equal.

    `p_value` is two-sided, by `test`. `differences` are first minus second, by metric.
    """

    num_won: int
    num_lost: int
    num_tied: int
    p_value: float
    test: str
    differences: dict[str, float]
    intervals: Intervals


def bootstrap(marks: Sequence[Mark], metrics: Metrics, seed: int = 0) -> Intervals:
    """95 % percentile intervals of every metric (Efron 1979), resampling groups of questions with replacement."""
    return _bootstrap(marks, lambda rows: metrics([marks[row] for row in rows]), seed)


def compare(first: Sequence[Mark], second: Sequence[Mark], metrics: Metrics, seed: int = 0) -> Comparison:
    """Two runs' marks of the same questions, in the same order; raises `ValueError` when they are not.

    Where all values are 0 or 1, McNemar's exact test over questions (McNemar 1947); where they are graded, a paired
    permutation test over groups. Neither says more than that one run answered these questions better.
    """
    if [mark.question.key for mark in first] != [mark.question.key for mark in second]:
        raise ValueError("the two runs were not asked the same questions in the same order")
    differences = [a.value - b.value for a, b in zip(first, second, strict=True)]
    won, lost = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    if all(mark.value in (0, 1) for mark in (*first, *second)):
        p_value, test = mcnemar(won, lost), "McNemar's exact test"
    else:
        sums: dict[str, float] = {}
        for mark, difference in zip(first, differences, strict=True):
            group = _group(mark)
            sums[group] = sums.get(group, 0.0) + difference
        p_value, test = sign_flips(list(sums.values()), seed), f"paired permutation test, {_FLIPS:,} permutations"

    def both(rows: Sequence[int]) -> dict[str, float]:
        a, b = metrics([first[row] for row in rows]), metrics([second[row] for row in rows])
        return {name: a[name] - b[name] for name in a if name in b}

    intervals = _bootstrap(first, both, seed)
    return Comparison(won, lost, len(differences) - won - lost, p_value, test, both(range(len(first))), intervals)


def wilson(num_right: int, num: int) -> Interval:
    """The 95 % score interval of a share, in percent (Wilson 1927); sound for few questions and for all right.

    It takes questions as independent, which those about one picture are not quite.
    """
    if not num:
        return Interval(0.0, 100.0)
    share, squared = num_right / num, _NORMAL_95**2
    middle = (share + squared / (2 * num)) / (1 + squared / num)
    half = _NORMAL_95 / (1 + squared / num) * math.sqrt(share * (1 - share) / num + squared / (4 * num**2))
    return Interval(100 * max(0.0, middle - half), 100 * min(1.0, middle + half))


def mcnemar(won: int, lost: int) -> float:
    """How likely a split at least as uneven as `won` to `lost` is between equals: twice the tail of the binomial."""
    num = won + lost
    most = math.lgamma(num + 1) - num * math.log(2)  # logarithms: 0.5**num is 0 from 1,075 on
    tail = math.fsum(math.exp(most - math.lgamma(k + 1) - math.lgamma(num - k + 1)) for k in range(min(won, lost) + 1))
    return min(1.0, 2 * tail)


def sign_flips(differences: Sequence[float], seed: int = 0) -> float:
    """How often differences with signs drawn by a coin sum up at least as far from 0 as these do."""
    import numpy as np

    sizes: dict[float, int] = {}
    for difference in differences:
        if size := abs(round(difference, 9)):
            sizes[size] = sizes.get(size, 0) + 1
    observed = abs(math.fsum(differences))
    generator = np.random.default_rng(seed)
    sums = np.zeros(_FLIPS)
    for size, count in sorted(sizes.items()):  # so many coins at once: their sum is binomial
        sums += size * (2.0 * generator.binomial(count, 0.5, size=_FLIPS) - count)
    as_far = int((np.abs(sums) >= observed - 1e-9).sum())
    return (as_far + 1) / (_FLIPS + 1)


def _group(mark: Mark) -> str:
    # A group and a lone question may bear the same name.
    return f"group {mark.question.group}" if mark.question.group else f"key {mark.question.key}"


def _bootstrap(marks: Sequence[Mark], metrics: Callable[[Sequence[int]], Mapping[str, float]], seed: int) -> Intervals:
    """`metrics` of resampled rows of `marks`, seeded; as many resamples as their number allows."""
    import numpy as np

    rows: dict[str, list[int]] = {}
    for row, mark in enumerate(marks):
        rows.setdefault(_group(mark), []).append(row)
    if len(rows) < 2:
        return Intervals({}, 0, len(rows))
    members = np.concatenate([np.array(each) for each in rows.values()])  # the rows, group after group
    sizes = np.array([len(each) for each in rows.values()])
    generator = np.random.default_rng(seed)
    seen: dict[str, list[float]] = {}
    num = max(_FEWEST, min(_RESAMPLES, _MARKS_IN_ALL // len(marks)))
    start = time.monotonic()
    for count in range(num):
        if count >= _FEWEST and time.monotonic() - start > _LONGEST_SECONDS:
            num = count
            break
        for name, value in metrics(_drawn(members, sizes, generator)).items():
            seen.setdefault(name, []).append(value)
    ends = {name: np.percentile(values, (2.5, 97.5)) for name, values in seen.items()}
    return Intervals({name: Interval(float(low), float(high)) for name, (low, high) in ends.items()}, num, len(rows))


def _drawn(members: Integers, sizes: Integers, generator: np.random.Generator) -> list[int]:
    """Rows of as many groups as there are, drawn with replacement. Group i is `sizes[i]` rows of `members`."""
    import numpy as np

    picked = generator.integers(0, len(sizes), size=len(sizes))
    taken = sizes[picked]
    # Where each drawn group begins in `members`, less where it begins among what is drawn.
    shifts = (np.cumsum(sizes) - sizes)[picked] - (np.cumsum(taken) - taken)
    rows: list[int] = members[np.repeat(shifts, taken) + np.arange(taken.sum())].tolist()
    return rows
