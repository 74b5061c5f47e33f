"""SEED-Bench: exact letters, abilities, frames of videos, and files of answers that carry their own truths."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.task import Rule
from chiasm.evals.tasks.seed_bench import TASK

TYPES = {"Scene Understanding": 1, "Instances Counting": 5, "Action Recognition": 10}
QUESTIONS: list[dict[str, Any]] = [
    {
        **{"answer": "B", "choice_a": "dog", "choice_b": "cat", "choice_c": "fox", "choice_d": "hen"},
        **{"data_id": "1454426_2591111986", "data_type": "image", "question": "What is it?"},
        **{"question_id": "101669", "question_type_id": 1},
    },
    {
        **{"answer": "A", "choice_a": "One", "choice_b": "Two", "choice_c": "Three", "choice_d": 4},
        **{"data_id": "1454426_2591111986", "data_type": "image", "question": "How many?"},
        **{"question_id": "104933", "question_type_id": 5},
    },
    {
        **{"answer": "D", "choice_a": "sit", "choice_b": "run", "choice_c": "eat", "choice_d": "hop"},
        **{"data_id": "98765.webm", "data_type": "video", "question": "What happens?"},
        **{"question_id": "v77", "question_type_id": 10},
    },
]


def write(folder: Path, questions: Sequence[object] = QUESTIONS, types: object = TYPES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SEED-Bench.json").write_text(
        json.dumps({"questions": questions, "question_type": types}), encoding="utf-8"
    )
    return folder


def write_lines(path: Path, records: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def own(identity: str, prediction: str, truth: str) -> dict[str, object]:
    return {"question_id": identity, "prediction": prediction, "gt_answer": truth}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    write(tmp_path / "seed_bench")
    return tmp_path


def test_prompt_is_llavas(release: Path, check_golden: Callable[[str, str], None]) -> None:
    shown = [
        f"{q.id} {q.options} {Path(*Path(str(q.images[0])).parts[-2:])}\n{q.text}\n\n" for q in TASK.questions(release)
    ]
    check_golden("evals/seed_bench.txt", f"{''.join(shown)}{TASK.max_tokens} tokens\n")


def test_pictures_lie_where_llavas_evaluation_puts_them(release: Path) -> None:
    folder = release / "seed_bench"
    assert [question.images for question in TASK.questions(release)] == [
        (folder / "SEED-Bench-image/1454426_2591111986",),
        (folder / "SEED-Bench-image/1454426_2591111986",),
        (folder / "SEED-Bench-video-image/10_v77.png",),
    ]
    assert [question.id for question in TASK.questions(folder)] == [101669, 104933, "v77"]


def test_scores_by_kind_and_ability(release: Path) -> None:
    questions = TASK.questions(release)
    metrics = TASK.metrics(TASK.mark(questions, {"101669": "B", "104933": "B", "v77": "D"}, "published"))
    assert metrics == pytest.approx(
        {
            **{"accuracy": 200 / 3, "accuracy_image": 50, "accuracy_video": 100, "accuracy_action_recognition": 100},
            **{"accuracy_instances_counting": 0, "accuracy_scene_understanding": 100},
        }
    )
    assert TASK.metrics([]) == {}


AWKWARD = [  # answer to dog, cat, fox, hen; by LLaVA's script; by the strict rule
    ("B", "B", "B"),
    ("B.", "", "B"),
    ("(B)", "", "B"),
    ("B. cat", "", "B"),
    ("b", "", "B"),
    (" B", "", "B"),
    ("The answer is B.", "", "B"),
    ("cat", "", "B"),
    ("", "", ""),
    ("A or B", "", ""),
    ("E", "", ""),
]


@pytest.mark.parametrize(("answer", "published", "strict"), AWKWARD)
def test_awkward_answers(release: Path, answer: str, published: str, strict: str) -> None:
    question = TASK.questions(release)[0]
    for rule, read in (("published", published), ("strict", strict)):
        mark = TASK.mark([question], {question.key: answer}, rule)[0]  # type: ignore[arg-type]
        assert (mark.read_as, mark.value, mark.invalid) == (read, float(read == "B"), not read)


@pytest.mark.parametrize("rule", TASK.rules)
def test_gpt4vs_answers_score_as_their_own_truths_say(shared_data: Path, rule: Rule) -> None:
    folder = shared_data / "eval/seed_bench"
    path = folder / "gpt4v_seed1_first2000.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    num_right = sum(line["prediction"] == line["gt_answer"] for line in lines)
    questions = TASK.questions(folder)
    texts = read_answers(path, "seed_bench", TASK, questions).texts
    assert len(questions) == len(lines) == 2000
    assert TASK.metrics(TASK.mark(questions, texts, rule)) == {"accuracy": pytest.approx(num_right / 20)}


def test_such_a_file_can_be_scored_and_not_asked(tmp_path: Path) -> None:
    write_lines(tmp_path / "gpt.jsonl", [own("1", "A", "A")])
    question = TASK.questions(tmp_path)[0]
    with pytest.raises(UserError, match="has no text"):
        _ = question.conversation


def test_a_question_answered_twice_in_such_a_file_counts_twice(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "gpt.jsonl", [own("1", "A", "A"), own("2", "B", "A"), own("1", "B", "A")])
    questions = TASK.questions(tmp_path)
    assert [question.key for question in questions] == ["1", "2", "1#2"]
    texts = read_answers(path, "seed_bench", TASK, questions).texts
    assert TASK.metrics(TASK.mark(questions, texts, "published")) == {"accuracy": pytest.approx(100 / 3)}


def test_such_a_file_must_agree_with_the_benchmark(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    good = [own("101669", "B", "B"), own("104933", "C", "A"), own("v77", "D", "D")]
    path = write_lines(tmp_path / "gpt.jsonl", good)
    texts = read_answers(path, "seed_bench", TASK, questions).texts
    assert TASK.metrics(TASK.mark(questions, texts, "published"))["accuracy"] == pytest.approx(200 / 3)
    with pytest.raises(UserError, match="1 of 3 answers name another truth"):
        read_answers(write_lines(path, [*good[:2], own("v77", "D", "C")]), "seed_bench", TASK, questions)
    with pytest.raises(UserError, match="1 of 3 questions have no answer"):
        read_answers(write_lines(path, good[:2]), "seed_bench", TASK, questions)
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    with pytest.raises(UserError, match="torn"):
        read_answers(path, "seed_bench", TASK, questions)


def test_the_file_llavas_converter_uploads_is_read(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    lines = [
        {"question_id": each, "prediction": said} for each, said in (("v77", "D"), ("104933", "C"), ("101669", "B"))
    ]
    path = write_lines(tmp_path / "upload.jsonl", lines)
    texts = read_answers(path, "seed_bench", TASK, questions).texts
    assert TASK.metrics(TASK.mark(questions, texts, "published"))["accuracy"] == pytest.approx(200 / 3)
    with pytest.raises(UserError, match="1 of 3 questions have no answer"):
        read_answers(write_lines(path, lines[:2]), "seed_bench", TASK, questions)
    with pytest.raises(UserError, match="1 answers are to questions the benchmark does not have"):
        read_answers(write_lines(path, [*lines, lines[0]]), "seed_bench", TASK, questions)
    with pytest.raises(UserError, match="1 of 3 answers name another truth"):
        read_answers(write_lines(path, [*lines[:2], own("101669", "B", "C")]), "seed_bench", TASK, questions)


def test_answers_of_llavas_script_are_matched(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    lines = [{"question_id": q.id, "prompt": q.text, "text": text} for q, text in zip(questions, "BAD", strict=True)]
    texts = read_answers(write_lines(tmp_path / "answers.jsonl", lines[::-1]), "seed_bench", TASK, questions).texts
    assert TASK.metrics(TASK.mark(questions, texts, "published"))["accuracy"] == 100


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([], r"must hold an object with a list 'questions'"),
        (["text"], r"question 0 needs question_id"),
        ([{**QUESTIONS[0], "choice_d": None}], r"question 0 needs .*choice_d"),
        ([{**QUESTIONS[0], "answer": "E"}], r"question 101669 has the answer 'E'"),
        ([{**QUESTIONS[0], "data_type": "sound"}], r"data_type 'sound'"),
        ([QUESTIONS[0], QUESTIONS[0]], r"1 of 2 question ids stand there twice"),
    ],
)
def test_broken_releases_are_refused(tmp_path: Path, questions: Sequence[object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TASK.questions(write(tmp_path, questions))


def test_truths_must_be_letters_and_one_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"SEED-Bench.json"):
        TASK.questions(tmp_path)
    write_lines(tmp_path / "a.jsonl", [own("1", "A", "A"), own("2", "A", "?")])
    with pytest.raises(UserError, match="1 of 2 records have no gt_answer"):
        TASK.questions(tmp_path)
    write_lines(tmp_path / "b.jsonl", [own("1", "A", "A")])
    with pytest.raises(UserError, match="2 files of answers with truths"):
        TASK.questions(tmp_path)
