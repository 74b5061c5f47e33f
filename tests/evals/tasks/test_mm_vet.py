"""MM-Vet: its real file, what the judge is told, the sums, both forms of answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm import evals
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.judging import judge_answers, marks_from_reviews
from chiasm.evals.run import check_keys

TASK = evals.find("mm_vet")
RECORDS = {
    "v1_0": {"imagename": "a.png", "question": "x?", "answer": "1<AND>-5", "capability": ["ocr", "math"]},
    "v1_1": {"imagename": "a.png", "question": "who?", "answer": "a<OR>b", "capability": ["rec"]},
    "v1_2": {"imagename": "b.png", "question": "why?", "answer": "so", "capability": ["rec", "know", "gen"]},
    "extra": {"imagename": "b.png", "question": "where?", "answer": "left", "capability": ["rec", "spat"]},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "mm-vet").mkdir()
    (tmp_path / "mm-vet" / "mm-vet.json").write_text(json.dumps(RECORDS))
    return tmp_path


def test_real_questions(shared_data: Path) -> None:
    questions = TASK.questions(shared_data / "eval")
    asked = [json.loads(line) for line in (shared_data / "eval/mm-vet/llava-mm-vet.jsonl").read_text().splitlines()]
    assert [(q.id, q.text, Path(str(q.images[0])).name) for q in questions] == [
        (line["question_id"], line["text"], line["image"]) for line in asked
    ]
    check_keys("mm_vet", TASK, questions)
    assert TASK.judging is not None
    told = TASK.judging.ask(questions[0], "MINE", "alone").turns[0].text
    assert told.endswith(
        "[Question]\nWhat is x in the equation?\n\n[Truth]\n-1<AND>-5\n\n[Answer]\nMINE\n[End of the answer]"
    )


def test_totals_and_capabilities(data: Path, tmp_path: Path) -> None:
    questions = TASK.questions(data)
    check_keys("mm_vet", TASK, questions)
    grades = {"x?": "0.5", "who?": "1.0", "why?": "0.25", "where?": "0"}
    judge = ScriptedChatModel(
        lambda each: next(grade for text, grade in grades.items() if f"[Question]\n{text}\n" in each.turns[0].text)
    )
    texts = dict.fromkeys(RECORDS, "MINE")
    judge_answers(TASK, questions, texts, judge, tmp_path / "reviews.jsonl", "j")
    assert len(judge.asked) == 4
    found = TASK.metrics(marks_from_reviews(TASK, questions, texts, tmp_path / "reviews.jsonl"))
    assert found == pytest.approx(
        {"total": 43.75, "rec": 125 / 3, "ocr": 50, "know": 25, "gen": 25, "spat": 0, "math": 50}
    )


def test_answers_in_both_forms(data: Path, tmp_path: Path) -> None:
    questions = TASK.questions(data)
    expected = {"v1_0": "A", "v1_1": "B", "v1_2": "C", "extra": "D"}
    (tmp_path / "r.json").write_text(json.dumps(expected))
    assert read_answers(tmp_path / "r.json", "mm_vet", TASK, questions).texts == expected
    ids = [0, "1", "v1_2", "extra"]
    lines = [{"question_id": key, "text": text} for key, text in zip(ids, expected.values(), strict=True)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_answers(tmp_path / "r.jsonl", "mm_vet", TASK, questions).texts == expected
    assert TASK.submit is not None
    assert json.loads(TASK.submit(questions, expected, tmp_path).read_text()) == expected
    (tmp_path / "r.json").write_text(json.dumps({"v1_0": "A", "v1_9": "B"}))
    with pytest.raises(UserError, match=r"3 of 4 questions have no answer .* 1 answers are to questions"):
        read_answers(tmp_path / "r.json", "mm_vet", TASK, questions)


def test_broken_releases(data: Path) -> None:
    path = data / "mm-vet" / "mm-vet.json"
    path.write_text(json.dumps(RECORDS | {"v1_1": {**RECORDS["v1_1"], "capability": ["flying"]}}))
    with pytest.raises(UserError, match=r"1 of 4 records lack .* \(first: v1_1\)"):
        TASK.questions(data)
    path.write_text("[]")
    with pytest.raises(UserError, match="expected an object"):
        TASK.questions(data)
