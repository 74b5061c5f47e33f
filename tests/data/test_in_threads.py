"""A function over many things in threads: in order, bounded, and honest about what it raises."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from chiasm.data.in_threads import in_threads, num_cores


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 500])
def test_results_come_in_order(workers: int, count: int) -> None:
    def slow_for_some(number: int) -> int:
        time.sleep(0.002 if number % 50 == 0 else 0)
        return number * number

    assert list(in_threads(slow_for_some, range(count), workers)) == [number**2 for number in range(count)]


def test_things_are_taken_as_they_are_needed() -> None:
    taken = []

    def source() -> object:
        for number in range(100_000):
            taken.append(number)
            yield number

    results = in_threads(lambda number: number, source(), 2)  # type: ignore[arg-type, var-annotated]
    assert next(results) == 0
    assert len(taken) < 1000
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_at_its_place() -> None:
    def inverse(number: int) -> float:
        return 1 / (number - 40)

    results = in_threads(inverse, range(100), 2)
    assert next(results) == -1 / 40
    assert len(list(itertools.islice(results, 31))) == 31  # the tasks before the one with 40 in it
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_threads_work_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(number: int) -> int:
        if number in (0, 16):  # the first of two tasks
            meeting.wait()
        return number

    assert list(in_threads(meet, range(32), 2)) == list(range(32))
    assert num_cores() >= 1
