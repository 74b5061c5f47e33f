from __future__ import annotations

from itertools import combinations

import pytest

from chiasm.evals.soft_vote import accuracies, category, human_answers, vote
from chiasm.evals.task import Mark, Question


@pytest.mark.parametrize(("agreeing", "value"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0), (10, 1.0)])
def test_ten_people(agreeing: int, value: float) -> None:
    """Three of ten who agree: in 3 of the 10 sets of nine two are left, in 7 all three: 0.3 * 2/3 + 0.7 = 0.9."""
    assert vote("cat", ["cat"] * agreeing + ["dog"] * (10 - agreeing)) == pytest.approx(value)


@pytest.mark.parametrize("num", range(1, 12))
def test_as_defined(num: int) -> None:
    """Against the definition: all sets of people that leave one out."""
    for agreeing in range(num + 1):
        human = ["cat"] * agreeing + ["dog"] * (num - agreeing)
        sets = list(combinations(human, num - 1))
        expected = sum(min(1, each.count("cat") / 3) for each in sets) / len(sets)
        assert vote("cat", human) == pytest.approx(expected)


def test_nobody_was_asked() -> None:
    assert vote("cat", []) == 0


def test_accuracies_by_category() -> None:
    def mark(key: str, kind: str, value: float, reference: object = ("yes",)) -> Mark:
        return Mark(Question(key, key, "?", reference=reference, category=kind), "", value, "")

    marks = [mark("1", "yes_no", 1.0), mark("2", "yes_no", 0.0), mark("3", "number", 0.3)]
    assert accuracies(marks) == pytest.approx(
        {"accuracy": 100 * 1.3 / 3, "accuracy_number": 30.0, "accuracy_yes_no": 50.0}
    )
    assert accuracies([]) == {"accuracy": 0.0}
    assert accuracies([*marks, mark("4", "", 0.0, None)]) == {}, "only the server knows"


def test_records() -> None:
    assert category("yes/no") == "yes_no"
    assert category(None) == ""
    assert human_answers({"answers": [{"answer": "a"}, "b"]}) == ("a", "b")
    for broken in ({}, {"answers": []}, {"answers": "a"}, {"answers": [3]}, {"answers": [{"text": "a"}]}):
        assert human_answers(broken) is None
