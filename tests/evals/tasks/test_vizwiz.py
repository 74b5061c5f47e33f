"""VizWiz: the validation set scored, the test set written for the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import answer_record, read_answers
from chiasm.evals.run import check_keys
from chiasm.evals.tasks.vizwiz import TASK

UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."
SHORT = "Answer the question using a single word or phrase."


def record(number: int, kind: str, *answers: str) -> dict[str, object]:
    said = [*answers, *[answers[-1]] * (10 - len(answers))]
    return {
        "image": f"VizWiz_val_{number:08d}.jpg",
        "question": "What is this?",
        "answers": [{"answer_confidence": "yes", "answer": each} for each in said],
        "answer_type": kind,
        "answerable": int(kind != "unanswerable"),
    }


VAL = [record(0, "unanswerable", "unanswerable"), record(1, "other", "soda", "soda", "soda", "A soda can.")]


def write(path: Path, content: object = VAL) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_test_set(folder: Path) -> Path:
    folder.mkdir(parents=True)
    lines = [
        {"question_id": n, "image": f"VizWiz_test_{n:08d}.jpg", "text": f"What?\n{UNANSWERABLE}\n{SHORT}"}
        for n in (0, 1)
    ]
    (folder / "llava_test.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    return folder


@pytest.mark.parametrize(
    "place", ["val.json", "Annotations/val.json", "vizwiz/val.json", "vizwiz/Annotations/val.json"]
)
def test_the_validation_set_wherever_it_lies(tmp_path: Path, place: str) -> None:
    write(tmp_path / place)
    questions = TASK.questions(tmp_path)
    assert [(q.id, q.category) for q in questions] == [
        ("VizWiz_val_00000000.jpg", "unanswerable"),
        ("VizWiz_val_00000001.jpg", "other"),
    ]
    check_keys("vizwiz", TASK, questions)


def test_prompt_is_llavas(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    write(tmp_path / "val.json")
    question = TASK.questions(tmp_path)[0]
    check_golden("evals/vizwiz.txt", f"{question.id}\n{question.text}\n{TASK.max_tokens} tokens\n")
    (tmp_path / "val.json").unlink()
    asked = TASK.questions(write_test_set(tmp_path / "vizwiz").parent)[0]
    assert asked.text == question.text.replace("What is this?", "What?"), "LLaVA's file and ours ask alike"


def test_people_vote_and_their_answers_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path / "val.json")
    questions = TASK.questions(tmp_path)
    texts = dict(zip((q.key for q in questions), ("Unanswerable", "a soda can"), strict=True))
    published = TASK.mark(questions, texts, "published")
    assert [mark.value for mark in published] == [1.0, 0.0], "nobody's answer reads 'soda can'"
    assert TASK.metrics(published) == {"accuracy": 50.0, "accuracy_other": 0.0, "accuracy_unanswerable": 100.0}
    assert [mark.value for mark in TASK.mark(questions, texts, "strict")] == [1.0, 1.0]
    few = TASK.mark(questions, {q.key: "soda" for q in questions}, "published")
    assert [mark.value for mark in few] == pytest.approx([0.0, 0.9])


def test_the_servers_file(tmp_path: Path) -> None:
    questions = TASK.questions(write_test_set(tmp_path / "vizwiz").parent)
    assert questions[0].images == (tmp_path / "vizwiz/test/VizWiz_test_00000000.jpg",)
    assert TASK.metrics(TASK.mark(questions, {"0": "a", "1": "b"}, "published")) == {}
    assert TASK.submit is not None
    path = TASK.submit(questions, {"0": "Unanswerable", "1": "The Two."}, tmp_path / "out")
    assert json.loads(path.read_text()) == [
        {"image": "VizWiz_test_00000000.jpg", "answer": "unanswerable"},
        {"image": "VizWiz_test_00000001.jpg", "answer": "2"},
    ]
    assert read_answers(path, "vizwiz", TASK, questions).texts == {"0": "unanswerable", "1": "2"}
    lines = tmp_path / "answers.jsonl"
    lines.write_text("".join(json.dumps(answer_record(q, "x", "m", {})) + "\n" for q in questions))
    assert read_answers(lines, "vizwiz", TASK, questions).texts == {"0": "x", "1": "x"}


def test_broken_releases(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vizwiz: none of val.json"):
        TASK.questions(tmp_path)
    for content, said in (
        ([*VAL, VAL[0]], "1 pictures come again"),
        ([{"image": "a.jpg"}], "1 of 1 records are no questions"),
        ([VAL[0], {"image": "a.jpg", "question": "?"}], "1 of 2 questions have no answers"),
    ):
        write(tmp_path / "val.json", content)
        with pytest.raises(UserError, match=said):
            TASK.questions(tmp_path)
