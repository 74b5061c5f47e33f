"""TextVQA: LLaVA's question file with OCR tokens, the release alone without, matching by picture and question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import answer_record, read_answers
from chiasm.evals.run import check_keys
from chiasm.evals.tasks.textvqa import TASK, answer_key
from chiasm.evals.tasks.textvqa_plain import TASK as PLAIN

SHORT = "Answer the question using a single word or phrase."
ANNOTATIONS = [
    {"image_id": "0054c91397f2fe05", "question": "What is the brand?", "question_id": 34602, "answers": ["nokia"] * 10},
    {
        "image_id": "0054c91397f2fe05",
        "question": "What time is it?",
        "question_id": 34603,
        "answers": ["10:10", "10:10", "10.10", *["ten past ten"] * 7],
    },
]
LINES = [
    ("What is the brand?", "Reference OCR token: NOKIA, 8"),
    ("What time is it?", "Reference OCR token: "),
]


def write(folder: Path, lines: list[tuple[str, str]] = LINES, annotations: object = ANNOTATIONS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": annotations}))
    records = [
        {"question_id": "0054c91397f2fe05", "image": "0054c91397f2fe05.jpg", "text": f"{question}\n{ocr}\n{SHORT}"}
        for question, ocr in lines
    ]
    path = folder / "llava_textvqa_val_v051_ocr.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return folder


@pytest.mark.parametrize("place", ["", "textvqa"])
def test_with_tokens(tmp_path: Path, place: str, check_golden: Callable[[str, str], None]) -> None:
    write(tmp_path / place)
    questions = TASK.questions(tmp_path)
    assert [q.id for q in questions] == ["0054c91397f2fe05"] * 2
    assert questions[0].images == (tmp_path / place / "train_images/0054c91397f2fe05.jpg",)
    check_keys("textvqa", TASK, questions)
    check_golden("evals/textvqa.txt", "".join(f"{q.id}\n{q.text}\n\n" for q in questions))


def test_without_tokens(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    (write(tmp_path) / "llava_textvqa_val_v051_ocr.jsonl").unlink()
    questions = PLAIN.questions(tmp_path)
    check_keys("textvqa_plain", PLAIN, questions)
    check_golden("evals/textvqa_plain.txt", f"{questions[0].id}\n{questions[0].text}\n")
    with pytest.raises(UserError, match=r"textvqa: none of its files \(llava_textvqa_val_v051_ocr.jsonl\)"):
        TASK.questions(tmp_path)


def test_people_vote(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path))
    marks = TASK.mark(questions, {questions[0].key: "Nokia.", questions[1].key: "10:10"}, "published")
    assert [mark.value for mark in marks] == pytest.approx([1.0, 0.6])  # two of ten say 10:10
    assert TASK.metrics(marks) == pytest.approx({"accuracy": 80.0})
    marks = TASK.mark(questions, {questions[0].key: "", questions[1].key: "10 past 10"}, "published")
    assert [(mark.value, mark.invalid) for mark in marks] == [(0.0, True), (1.0, False)]


@pytest.mark.parametrize(
    ("prompt", "question"),
    [
        (f"What Time?\nReference OCR token: A, B\n{SHORT}", "what time?"),
        (f"Reference OCR token: A, B\nWhat Time?\n{SHORT}", "what time?"),
        (f"What Time?\n{SHORT}", "what time?"),
        (f"<image>\nWhat Time?\n{SHORT}", "what time?"),
        ("OCR tokens: A. Question: What Time? Short answer:", "what time?"),
    ],
)
def test_the_question_inside_a_prompt(prompt: str, question: str) -> None:
    assert answer_key({"question_id": "x", "prompt": prompt}) == f"x {question}"


def test_lines_that_answer_nothing() -> None:
    assert answer_key({"question_id": "x"}) is None
    assert answer_key({"prompt": "What?"}) is None


def test_answers_of_llavas_scripts(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path))
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(answer_record(q, q.text[5:9], "m", {})) + "\n" for q in reversed(questions)))
    assert read_answers(path, "textvqa", TASK, questions).texts == {q.key: q.text[5:9] for q in questions}


def test_a_question_said_twice_is_asked_and_counted_twice(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path, [*LINES, LINES[0]], [*ANNOTATIONS, ANNOTATIONS[0]]))
    assert len({q.key for q in questions}) == 3
    assert [q.key for q in PLAIN.questions(tmp_path)] == [q.key for q in questions]
    check_keys("textvqa", TASK, questions)
    path = tmp_path / "answers.jsonl"
    lines = [answer_record(q, text, "m", {}) for q, text in zip(questions, ("Nokia", "noon", "LG"), strict=True)]
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    texts = read_answers(path, "textvqa", TASK, questions).texts
    assert [texts[q.key] for q in questions] == ["Nokia", "noon", "LG"]
    assert TASK.metrics(TASK.mark(questions, texts, "published")) == pytest.approx({"accuracy": 100 / 3})
    path.write_text("".join(json.dumps(each) + "\n" for each in [*lines, lines[0]]))
    with pytest.raises(
        UserError, match=r"1 questions are answered twice or more \(0054c91397f2fe05 what is the brand\?\)"
    ):
        read_answers(path, "textvqa", TASK, questions)
    path.write_text("".join(json.dumps(each) + "\n" for each in lines[:2]))
    with pytest.raises(UserError, match="1 of 3 questions have no answer"):
        read_answers(path, "textvqa", TASK, questions)


def test_a_release_with_fewer_lines_than_annotations(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"asks 2 questions and .* answers 3"):
        TASK.questions(write(tmp_path, LINES, [*ANNOTATIONS, ANNOTATIONS[0]]))


def test_broken_releases(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="textvqa: none of its files"):
        TASK.questions(tmp_path)
    with pytest.raises(UserError, match=r"asks 1 questions and .* answers 2"):
        TASK.questions(write(tmp_path, LINES[:1]))
    with pytest.raises(UserError, match="1 of those asked have no answer"):
        TASK.questions(write(tmp_path, [LINES[0], ("Who?", "Reference OCR token: ")]))
    with pytest.raises(UserError, match="1 of 2 records lack"):
        TASK.questions(write(tmp_path, LINES, [ANNOTATIONS[0], {"image_id": "x", "question": "?"}]))
    with pytest.raises(UserError, match="list 'data'"):
        TASK.questions(write(tmp_path, LINES, 3))
