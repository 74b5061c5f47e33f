"""GQA: the release's questions, the exact comparison after LLaVA's conversion, accuracies by type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.run import check_keys
from chiasm.evals.tasks.gqa import TASK

FILE = "testdev_balanced_questions.json"


def question(answer: str, structural: str, semantic: str, image: str = "n161313") -> dict[str, object]:
    return {
        "imageId": image,
        "question": "Is it overcast?",
        "answer": answer,
        "types": {"structural": structural, "semantic": semantic, "detailed": "weatherVerify"},
    }


RELEASE = {
    "201307251": question("no", "verify", "global"),
    "201307252": question("traffic light", "query", "obj"),
    "201307253": question("left", "choose", "rel"),
    "201307254": question("dog", "query", "obj", "n2"),
}


def write(folder: Path, content: object = RELEASE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("place", ["", "questions1.2", "gqa/data", "gqa/data/questions1.2", "gqa"])
def test_a_release_wherever_it_lies(tmp_path: Path, place: str) -> None:
    write(tmp_path / place)
    (tmp_path / place / "images").mkdir()
    (tmp_path / place / "images/n161313.jpg").touch()
    questions = TASK.questions(tmp_path)
    assert [q.id for q in questions] == list(RELEASE)
    assert questions[0].images == (tmp_path / place / "images/n161313.jpg",)
    assert questions[0].group == questions[1].group != questions[3].group
    check_keys("gqa", TASK, questions)


def test_prompt_is_llavas(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    asked = TASK.questions(write(tmp_path))[0]
    check_golden("evals/gqa.txt", f"{asked.id}\n{asked.text}\n{TASK.max_tokens} tokens\n")


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("Traffic Light.", 1, 1),
        ("traffic light...", 1, 1),
        ("a traffic light", 0, 1),
        ("traffic light ", 0, 1),
        ("traffic", 0, 0),
        ("", 0, 0),
    ],
)
def test_awkward_answers(tmp_path: Path, text: str, published: float, strict: float) -> None:
    asked = TASK.questions(write(tmp_path))[1]
    assert [TASK.mark([asked], {asked.key: text}, rule)[0].value for rule in TASK.rules] == [published, strict]
    assert TASK.mark([asked], {asked.key: text}, "published")[0].invalid == (text == "")


def test_accuracies_by_type(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path))
    texts = {"201307251": "no", "201307252": "traffic light", "201307253": "right", "201307254": "cat"}
    assert TASK.metrics(TASK.mark(questions, texts, "published")) == {
        "accuracy": 50.0,
        "accuracy_binary": 50.0,
        "accuracy_choose": 0.0,
        "accuracy_global": 100.0,
        "accuracy_obj": 50.0,
        "accuracy_open": 50.0,
        "accuracy_query": 50.0,
        "accuracy_rel": 0.0,
        "accuracy_verify": 100.0,
    }
    assert TASK.metrics([]) == {"accuracy": 0.0}


def test_predictions_are_written_and_read(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path))
    assert TASK.submit is not None
    path = TASK.submit(questions, {q.key: "Dog." for q in questions}, tmp_path / "out")
    assert json.loads(path.read_text())[0] == {"questionId": "201307251", "prediction": "dog"}
    assert read_answers(path, "gqa", TASK, questions).texts == {q.key: "dog" for q in questions}


def test_broken_releases(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gqa: none of its files"):
        TASK.questions(tmp_path)
    for content in ([], {}, {"1": {"imageId": "n", "question": "?"}}):
        with pytest.raises(UserError, match="expected an object of questions by id"):
            TASK.questions(write(tmp_path, content))
