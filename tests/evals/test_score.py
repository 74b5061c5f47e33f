"""Scores of answers that are there, and the JSON programs read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.published import published
from chiasm.evals.score import score
from tests.evals.colours import TASK, knowing, questions, write_data

ROOT = Path(__file__).resolve().parents[2]


def test_both_rules(tmp_path: Path) -> None:
    asked = questions(write_data(tmp_path / "data"))
    texts = {question.key: knowing(question.conversation) for question in asked} | {"0": " ", "1": "Blue"}
    found = score("colours", TASK, asked, texts, "published")
    # 12 questions: 0 is empty, 1 is wrong; "It is ..., I think." is what pictures 2 and 5 get, which strict refuses.
    assert found.to_json() == {
        "task": "colours",
        "rule": "published",
        "num_questions": 12,
        "num_invalid": 1,
        "metrics": {"accuracy": 83.3333, "accuracy_is": 83.3333, "accuracy_name": 83.3333},
    }
    assert score("colours", TASK, asked, texts, "strict").metrics["accuracy"] == 50
    assert found.extent == "12 questions"


def test_the_extent_of_a_part_says_so(tmp_path: Path) -> None:
    asked = questions(write_data(tmp_path / "data"))
    found = score("colours", TASK, asked[:3], {"0": "yes", "1": "", "2": ""}, "published", 12_000)
    assert found.extent == "first 3 of 12,000 questions"
    assert found.to_json()["num_questions"] == 3


def test_no_questions_are_no_error() -> None:
    assert score("colours", TASK, [], {}, "strict").metrics["accuracy"] == 0


def test_an_unknown_rule(tmp_path: Path) -> None:
    from dataclasses import replace

    task = replace(TASK, rules=("published",))
    with pytest.raises(UserError, match="colours has no rule 'strict', only published"):
        score("colours", task, [], {}, "strict")


def test_published_numbers_are_those_of_the_papers() -> None:
    def value(task: str, model: str, metric: str) -> float:
        found = published(task)
        assert found is not None
        return found.values[model][metric]

    assert value("mme", "LLaVA-1.5-7B", "perception") == 1510.7
    assert value("pope", "LLaVA-1.5-13B", "f1_adversarial") == 84.5
    assert value("pope", "LLaVA-1.6-34B", "f1") == 87.7
    assert value("scienceqa", "LLaVA-1.5-13B", "accuracy_image") == 71.6
    assert value("gqa", "LLaVA-1.6-Mistral-7B", "accuracy") == 64.8
    assert value("vqav2", "LLaVA-1.5-13B-HD", "accuracy") == 81.8
    assert value("mm_vet", "LLaVA-1-7B", "total") == 25.5
    assert published("chair") is None


def test_scoring_loads_no_torch_no_numpy_no_pillow() -> None:
    code = (
        "import sys, chiasm.evals.score, chiasm.evals.answers, chiasm.evals.run, chiasm.evals.statistics;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    assert not {"torch", "transformers", "numpy", "PIL", "pydantic"} & set(ran.stdout.split())
