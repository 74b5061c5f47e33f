"""Threads that hang are waited for as long as one likes, and keep nobody from leaving."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from chiasm.data.daemon_pool import DaemonPool, Late, came_within
from chiasm.data.in_threads import in_threads


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What a thread waits for in vain until the test is over."""
    event = threading.Event()
    yield event
    event.set()


class _Value:
    pass


def test_results_and_errors_come_where_they_are_asked_for() -> None:
    with DaemonPool(3, "test") as pool:
        assert list(pool.map(lambda number: number**2, range(100))) == [number**2 for number in range(100)]
        failing = pool.submit(lambda number: 1 / number, 0)
        assert pool.submit(lambda number: 1 / number, 2).result(10) == 0.5
        with pytest.raises(ZeroDivisionError):
            failing.result(10)


def test_what_does_not_come_is_named_after_what_came(never: threading.Event) -> None:
    def waits(number: int) -> int:
        if number == 5:
            never.wait()
        return number

    with DaemonPool(2, "test") as pool:
        results = pool.map(waits, range(8), patience=0.3)
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(Late) as late:
            next(results)
    assert late.value.thing == 5
    with pytest.raises(Late) as late:
        list(in_threads(lambda number: waits(number % 30), range(60, 100), 2, patience=0.3))
    assert late.value.thing == 65


def test_many_things_may_take_longer_than_one() -> None:
    """A task of `in_threads` is sixteen things."""
    assert list(in_threads(lambda number: time.sleep(0.05) or number, range(20), 2, patience=0.4)) == list(range(20))


def test_a_closed_pool_forgets_what_has_not_begun(never: threading.Event) -> None:
    pool = DaemonPool(1, "test")
    begun, waiting = pool.submit(lambda _: never.wait(), 0), pool.submit(lambda _: None, 1)
    while not begun.running():
        time.sleep(0.001)
    pool.close()
    assert not begun.done()
    with pytest.raises(CancelledError):
        waiting.result(0)


def test_threads_end_with_their_pool_and_hold_no_result() -> None:
    with DaemonPool(2, "ending") as pool:
        held = weakref.ref(pool.submit(lambda _: _Value(), 0).result(10))
        # The thread lets go a moment after the result is there.
        deadline = time.monotonic() + 10
        while held() is not None and time.monotonic() < deadline:
            gc.collect()
        assert held() is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ending")]


def test_waiting_is_not_counted_by_the_clock(monkeypatch: pytest.MonkeyPatch, never: threading.Event) -> None:
    """As when a job system suspends a program: whatever time passed, it has waited for a second."""
    from chiasm.data import daemon_pool

    waits: list[float] = []

    def suspended(futures: object, timeout: float) -> None:
        waits.append(timeout)

    monkeypatch.setattr(daemon_pool, "wait", suspended)
    with DaemonPool(1, "test") as pool:
        assert not came_within(pool.submit(lambda _: never.wait(), 0), 3.5)
    assert waits == [1.0, 1.0, 1.0, 0.5]


_HANGS = """
import threading
from chiasm.data.daemon_pool import DaemonPool, came_within
pool = DaemonPool(2, "test")
print(came_within(pool.submit(lambda _: threading.Event().wait(), 0), 0.1))
pool.close()
"""


def test_a_program_ends_though_a_thread_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
