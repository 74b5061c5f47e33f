"""What counts as scores in a judge's reply, line by line."""

from __future__ import annotations

import time

import pytest

from chiasm.evals.judging.grammar import read_pair, read_single


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("8 7", (8, 7)),
        ("8, 7\nBoth are fine.", (8, 7)),
        ("8,7", (8, 7)),
        ("8; 7", (8, 7)),
        ("8 and 7", (8, 7)),
        ("8 | 7", (8, 7)),
        ("8/10 7/10", (8, 7)),
        ("8.5 / 10, 7 / 10", (8.5, 7)),
        ("\n\n  **8 7**  \nbecause", (8, 7)),
        ("`10 1`.", (10, 1)),
        ("Answer 1: 8, Answer 2: 7", (8, 7)),
        ("Assistant 1: 8/10 Assistant 2: 7/10", (8, 7)),
        ("８ ７", (8, 7)),  # full width
        ("8，7\n因为……", (8, 7)),
    ],
)
def test_pairs(reply: str, scores: tuple[float, float]) -> None:
    assert read_pair(reply) == scores


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " \n ",
        "8",
        "8 7 6",
        "0 7",  # below 1
        "11 7",
        "80 70",
        "-8 7",
        "8-7",  # a range
        "87",
        "8,5 7,5",  # could be four numbers
        "8/5 7/5",
        "nan 7",
        "8 7 because the first is better",
        "I would give 8 7",
        "Answer 2: 7, Answer 1: 8",  # the other way round
        "I'm sorry, but I can't help with that.",
        "Explanation first.\n8 7",
        "8\n7",
        "eight seven",
        "1e1 7",
    ],
)
def test_no_pairs(reply: str) -> None:
    assert read_pair(reply) is None


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("0.5", 0.5),
        ("1", 1),
        ("1.0\nright", 1),
        ("0", 0),
        (".5", 0.5),
        ("0.5/1", 0.5),
        ("Score: 0.3.", 0.3),
        ("Correctness: **0.7**", 0.7),
    ],
)
def test_single_scores(reply: str, score: float) -> None:
    assert read_single(reply) == (score,)


@pytest.mark.parametrize("reply", ["", "1.1", "-0.5", "50%", "0,5", "0.5 0.7", "7/10", "right", "The grade is 0.5"])
def test_no_single_score(reply: str) -> None:
    assert read_single(reply) is None


def test_a_long_reply_costs_no_time() -> None:
    start = time.monotonic()
    for reply in ("8 " * 500_000, "8" * 1_000_000, "Answer 1:" + " " * 1_000_000, "\n" * 1_000_000):
        assert read_pair(reply) is None
        assert read_single(reply) is None
    assert time.monotonic() - start < 5
