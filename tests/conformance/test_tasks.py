"""What holds of every benchmark in the folder. A new file is tested here without an edit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest

from chiasm import evals
from chiasm.errors import UserError
from chiasm.evals.published import published
from chiasm.evals.task import Rule, Task

NAMES = evals.REGISTRY.names()


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture
def task(name: str) -> Task:
    return evals.find(name)


def test_it_says_in_one_line_what_it_is(task: Task) -> None:
    assert task.about.strip() == task.about != ""
    assert "\n" not in task.about
    assert len(task.about) <= 120


def test_its_file_says_where_its_rules_come_from(name: str) -> None:
    module = evals.REGISTRY.find(name).module
    assert module.__doc__
    assert len(module.__doc__.strip().splitlines()[0]) <= 120


def test_its_rules_are_known_and_different(task: Task) -> None:
    assert set(task.rules) <= set(get_args(Rule))
    assert len(set(task.rules)) == len(task.rules) > 0
    assert task.max_tokens >= 1


def test_no_answers_are_no_error(task: Task) -> None:
    metrics = task.metrics([])
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in metrics.values())
    if task.judging is None:
        assert list(task.mark([], {}, task.rules[0])) == []


def test_the_headline_is_a_metric(task: Task) -> None:
    metrics = task.metrics([])
    assert not metrics or task.headline in metrics
    assert task.headline.isidentifier()


def test_published_numbers_use_its_metrics(name: str, task: Task) -> None:
    known = published(name)
    if known is not None:
        # Subsets without questions may be left out; the metric that is printed alone never is, or nothing compares.
        assert any(task.headline in metrics for metrics in known.values.values())


def test_a_folder_without_its_files_is_a_users_mistake(task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        task.questions(tmp_path)
    assert str(tmp_path) in str(raised.value)
    with pytest.raises(UserError):
        task.questions(tmp_path / "nowhere")


def test_a_line_that_is_no_answer_has_no_key(task: Task) -> None:
    for record in ({}, {"text": "a"}, {"question_id": None, "text": "a"}, {"question_id": ["a"], "prompt": 3}):
        assert task.answer_key(record) is None


def test_the_folder_is_not_empty() -> None:
    assert "pope" in NAMES
