"""Concurrency that follows the provider."""

from __future__ import annotations

import pytest

from chiasm.dispatch.pace import Pace, Patience, WallClock


def test_half_when_asked_to_slow_down_and_one_more_a_round() -> None:
    pace = Pace(16, Patience())
    pace.overloaded(now=10, sent_at=9, retry_after=None)
    assert pace.limit == 8
    for _ in range(8):
        pace.replied()
    assert pace.limit == 9
    for _ in range(9 + 10):
        pace.replied()
    assert pace.limit == 11


def test_requests_sent_before_slowing_down_say_nothing_new() -> None:
    pace = Pace(16, Patience())
    for sent_at in (1, 2, 3):
        pace.overloaded(now=10, sent_at=sent_at, retry_after=None)
    assert pace.limit == 8
    pace.overloaded(now=12, sent_at=11, retry_after=None)
    assert pace.limit == 4


def test_never_below_one_nor_above_what_was_allowed() -> None:
    pace = Pace(3, Patience())
    for now in range(5):
        pace.overloaded(now=now, sent_at=now, retry_after=None)
    assert pace.limit == 1
    for _ in range(100):
        pace.replied()
    assert pace.limit == 3


@pytest.mark.parametrize(
    ("retry_after", "until"),
    [(None, float("-inf")), (5.0, 15.0), (0.0, 10.0), (1e9, float("-inf")), (-1.0, float("-inf"))],
)
def test_the_pause_a_provider_asks_for(retry_after: float | None, until: float) -> None:
    pace = Pace(2, Patience())
    pace.overloaded(now=10, sent_at=0, retry_after=retry_after)
    assert pace.paused_until == until


def test_waits_stop_growing() -> None:
    pace = Pace(2, Patience(first_wait=1, longest_wait=60))
    assert all(30 <= pace.wait_before(attempts, None) <= 60 for attempts in (7, 50, 5000))


def test_none_at_once_is_misuse() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pace(0, Patience())


def test_the_machines_clock_goes_on() -> None:
    clock = WallClock()
    assert clock.now() <= clock.now()
