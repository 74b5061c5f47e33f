"""Answers files: what is read, and what is refused in one line with counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.task import Question
from tests.evals.colours import TASK

QUESTIONS = [Question(n, str(n), f"What is in picture {n}?\nAnswer with one word.") for n in range(6)]


def line(number: object, text: object = "a cat", **more: object) -> dict[str, object]:
    return {"question_id": number, "text": text, **more}


ALL = [line(n) for n in range(6)]


def write(path: Path, records: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def refusal(path: Path, wanted: int | None = None) -> str:
    with pytest.raises(UserError) as raised:
        read_answers(path, "colours", TASK, QUESTIONS, wanted)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_matched_by_id_never_by_line(tmp_path: Path) -> None:
    records = [line(n, f"answer {n}", prompt=QUESTIONS[n].text, model_id="m") for n in (3, 1, 5, 0, 4, 2)]
    answers = read_answers(write(tmp_path / "a.jsonl", records), "colours", TASK, QUESTIONS)
    assert answers.texts == {str(n): f"answer {n}" for n in range(6)}
    assert not answers.notes


def test_ids_may_be_numbers_or_text_and_the_file_a_list(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([line(str(n)) for n in range(6)]))
    assert len(read_answers(path, "colours", TASK, QUESTIONS).texts) == 6


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (ALL[:2] + ALL[3:5], "2 of 6 questions have no answer (first: 2, 5)"),
        ([*ALL, line(4)], "1 questions are answered twice or more (4)"),
        ([*ALL, line(4), line(4), line(1, "other")], "2 questions are answered twice or more (first: 4, 1)"),
        ([*ALL, line(7), line("x")], "2 answers are to questions the benchmark does not have (first: 7, x)"),
        ([*ALL[1:], {"text": "a"}], "1 records are no objects with a question_id; 1 of 6 questions have no answer (0)"),
        ([*ALL, 3, None, [], "a"], "4 records are no objects with a question_id"),
        ([*ALL, line(True), line(None), line(1.5)], "3 records are no objects with a question_id"),
        ([*ALL[1:], line(0, None)], "1 answers hold no 'text' (0)"),
        ([*ALL[1:], {"question_id": 0}], "1 answers hold no 'text' (0)"),
        ([*ALL[1:], line(0, ["a"])], "1 answers hold no 'text' (0)"),
        (
            [line(n + 90) for n in range(6)],
            "6 of 6 questions have no answer (first: 0, 1, 2); 6 answers are to questions",
        ),
        ([*ALL[2:], line(0, prompt="What is in picture 1?\nAnswer with one word."), line(1)], "1 answers stand under"),
    ],
)
def test_what_does_not_fit_is_counted(tmp_path: Path, records: Sequence[object], said: str) -> None:
    assert said in refusal(write(tmp_path / "a.jsonl", records))


def test_answers_to_the_first_questions_name_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ALL[:4])
    assert refusal(path).endswith("They are the first 4: --limit 4 scores those")
    assert len(read_answers(path, "colours", TASK, QUESTIONS, 4).texts) == 4
    assert "--limit" not in refusal(write(path, [ALL[0], ALL[2]]))


def test_with_a_limit_later_answers_may_be_there_but_not_unknown_ones(tmp_path: Path) -> None:
    assert len(read_answers(write(tmp_path / "a.jsonl", ALL), "colours", TASK, QUESTIONS, 2).texts) == 6
    assert "does not have (9)" in refusal(write(tmp_path / "b.jsonl", [*ALL, line(9)]), 2)


def test_prompts_in_other_words_are_noted_and_mixed_up_ones_refused(tmp_path: Path) -> None:
    reworded = [line(n, prompt=f"Say what picture {n} shows.") for n in range(3)]
    format_only = [line(n, prompt=f"<image>\nwhat is in  picture {n}? Be brief.") for n in range(3, 6)]
    answers = read_answers(write(tmp_path / "a.jsonl", reworded + format_only), "colours", TASK, QUESTIONS)
    assert answers.notes == ("3 answers were given to another wording than the benchmark's (first: 0, 1, 2)",)
    shifted = [line(n, prompt=QUESTIONS[(n + 1) % 6].text) for n in range(6)]
    said = refusal(write(tmp_path / "b.jsonl", shifted))
    assert "6 answers stand under the id of another question (first: 0, 1, 2)" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b'{"question_id": 0, "text": "a"}\n{"question_id": 1, "te', "cut off: 1 whole answers"),
        (b'[{"question_id": 0, "text": "a"}, {"quest', "is not JSON"),
        (b'{"question_id": 0, "text": "a"}\nhello\n{"question_id": 1, "text": "a"}\n', "line 2"),
        (b"\xff\xfe\x00", "line 1"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    assert said in refusal(tmp_path / "a.jsonl")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nothing.jsonl")
    assert "holds no answers*.jsonl of colours" in refusal(tmp_path)


def test_the_shards_of_a_run_are_one_set_of_answers(tmp_path: Path) -> None:
    folder = tmp_path / "colours"
    folder.mkdir()
    write(folder / "answers.0-of-2.jsonl", ALL[:4])
    (folder / "answers.1-of-2.jsonl").write_bytes(b"")
    with (folder / "answers.jsonl").open("wb") as file:  # a killed process's torn line is not what others must pay for
        file.write(json.dumps(ALL[4]).encode() + b"\n" + json.dumps(ALL[5]).encode() + b'\n{"question_id": 5, "te')
    assert len(read_answers(folder, "colours", TASK, QUESTIONS).texts) == 6
    assert len(read_answers(tmp_path, "colours", TASK, QUESTIONS).texts) == 6
    write(folder / "answers.1-of-2.jsonl", [line(5)])
    assert "1 questions are answered twice or more (5)" in refusal(folder)


def test_a_task_may_read_another_form(tmp_path: Path) -> None:
    def mm_vet_like(path: Path, questions: Sequence[Question]) -> Mapping[str, str] | None:
        value = json.loads(path.read_text())
        return {key.removeprefix("v1_"): text for key, text in value.items()} if isinstance(value, dict) else None

    task = replace(TASK, read_answers=mm_vet_like)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({f"v1_{n}": "cat" for n in range(6)}))
    assert read_answers(path, "colours", task, QUESTIONS).texts == {str(n): "cat" for n in range(6)}
    path.write_text(json.dumps({f"v1_{n}": "cat" for n in range(1, 8)}))
    with pytest.raises(UserError, match=r"1 of 6 questions have no answer \(0\); 2 answers are to questions .* 6, 7"):
        read_answers(path, "colours", task, QUESTIONS)
    path.write_text(json.dumps([line(n) for n in range(6)]))
    assert len(read_answers(path, "colours", task, QUESTIONS).texts) == 6
