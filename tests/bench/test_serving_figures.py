"""What the serving benchmarks make of what they measured."""

from __future__ import annotations

import pytest

from bench.hostile import CLOSED, UNANSWERED, Sent, cases, requests, verdict
from bench.serving import medians

GOOD = [Sent(1.9, "slow, but not too slow", 400), Sent(0.1, "left", CLOSED), Sent(0.1, "good", 200, is_good=True)]


def test_memory_is_a_median_around_the_first_third_and_of_the_last_tenth() -> None:
    # Of 0 to 59: 17 to 22, and 54 to 59.
    assert medians([float(i) for i in range(60)]) == (19.5, 56.5)
    assert medians([5.0]) == (5.0, 5.0)
    assert medians([1.0, 2.0]) == (1.0, 2.0)
    spiked = [100.0] * 60
    spiked[19] = spiked[-1] = 900.0
    assert medians(spiked) == (100.0, 100.0)


@pytest.mark.parametrize(
    ("bad", "after", "said"),
    [
        (None, 120.0, ""),
        (None, 121.0, "MEMORY 21 MB"),
        (Sent(2.1, "too slow", 400), 100.0, "SLOW 2.10 s: too slow"),
        (Sent(0.1, "broke it", 500), 100.0, "FAULT 500: broke it"),
        (Sent(0.1, "silence", UNANSWERED), 100.0, "FAULT -1: silence"),
        (Sent(0.1, "turned away", 429, is_good=True), 100.0, "FAULT 429: turned away"),
    ],
)
def test_whatever_does_not_hold_is_said_and_fails(
    bad: Sent | None, after: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict(GOOD + ([bad] if bad else []), 100.0, after) == bool(said)
    told = capsys.readouterr().out
    assert said in told
    assert ("FAULT" in told, "SLOW" in told, "MEMORY" in told) == tuple(said.startswith(w) for w in ("F", "S", "M"))


def test_pictures_and_requests_of_every_kind_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.hostile.HARMFUL", [lambda rng: rng.randbytes(9)])  # the real ones take seconds
    kinds = list(requests())
    found = [what for what, _ in cases(200, seed=1)]
    asked = found[1::2]
    assert found[::2] == [found[0]] * 100
    assert found[0].startswith("picture: ")
    assert [what.partition(":")[0] for what in asked[:20]] == kinds * 2
    assert len(kinds) == 10
    assert len(set(asked)) > 95  # cut to 60 signs, a few look alike
