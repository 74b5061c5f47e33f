"""VQA v2: the official files, LLaVA's test questions and the server's file, the published chain of two forms."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import answer_record, read_answers
from chiasm.evals.run import check_keys
from chiasm.evals.task import Rule
from chiasm.evals.tasks.vqav2 import TASK, agreement

SHORT = "Answer the question using a single word or phrase."
QUESTIONS = "v2_OpenEnded_mscoco_val2014_questions.json"
ANNOTATIONS = "v2_mscoco_val2014_annotations.json"


def ten(*answers: str) -> list[dict[str, object]]:
    """Ten people's answers, the last of those given as often as it takes."""
    said = [*answers, *[answers[-1]] * (10 - len(answers))]
    return [{"answer": each, "answer_confidence": "yes", "answer_id": n + 1} for n, each in enumerate(said)]


def annotation(number: int, kind: str, *answers: str) -> dict[str, object]:
    return {"question_id": number, "image_id": 139, "answer_type": kind, "answers": ten(*answers)}


def write_release(folder: Path, suffix: str = "", **changes: object) -> Path:
    """A release in small: two questions about one picture."""
    folder.mkdir(parents=True, exist_ok=True)
    questions = {
        "data_subtype": "val2014",
        "questions": [
            {"question_id": 139000, "image_id": 139, "question": "Is it a cat?"},
            {"question_id": 139001, "image_id": 139, "question": "How many?"},
        ],
    }
    annotations = [annotation(139000, "yes/no", "yes"), annotation(139001, "number", "2", "2", "2", "3")]
    files: dict[str, object] = {QUESTIONS: questions, ANNOTATIONS: {"annotations": annotations}, **changes}
    for name, value in files.items():
        content = json.dumps(value).encode()
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return folder


def write_test_set(folder: Path) -> Path:
    """LLaVA's bundle in small: two of three test questions are of test-dev."""
    folder.mkdir(parents=True)
    for name, numbers in (("test-dev2015", (2, 3)), ("test2015", (1, 2, 3))):
        lines = [
            {
                "question_id": n,
                "image": f"COCO_test2015_{n:012d}.jpg",
                "text": f"Question {n}?\n{SHORT}",
                "category": "d",
            }
            for n in numbers
        ]
        (folder / f"llava_vqav2_mscoco_{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    return folder


# ---- questions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "suffix"), [("", ""), ("", ".gz"), ("vqav2", ""), ("vqav2/v2", ".gz")])
def test_a_release_wherever_it_lies(tmp_path: Path, place: str, suffix: str) -> None:
    write_release(tmp_path / place, suffix)
    questions = TASK.questions(tmp_path)
    assert [(q.id, q.key, q.category, q.group) for q in questions] == [
        (139000, "139000", "yes_no", "COCO_val2014_000000000139.jpg"),
        (139001, "139001", "number", "COCO_val2014_000000000139.jpg"),
    ]
    assert questions[1].reference == ("2", "2", "2", *["3"] * 7)
    check_keys("vqav2", TASK, questions)


def test_prompt_is_llavas(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    question = TASK.questions(write_release(tmp_path))[0]
    check_golden("evals/vqav2.txt", f"{question.id}\n{question.text}\n{TASK.max_tokens} tokens\n")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("val2014", "COCO_val2014_000000000139.jpg"),
        ("images/val2014", "COCO_val2014_000000000139.jpg"),
        ("images", "000000000139.jpg"),
    ],
)
def test_pictures_by_either_of_cocos_names(tmp_path: Path, place: str, name: str) -> None:
    write_release(tmp_path)
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / name).touch()
    assert TASK.questions(tmp_path)[0].images == (tmp_path / place / name,)


def test_pictures_need_not_be_there(tmp_path: Path) -> None:
    assert TASK.questions(write_release(tmp_path))[0].images == (tmp_path / "val2014/COCO_val2014_000000000139.jpg",)


def test_a_drawn_world(micro_world: Path) -> None:
    """Its questions name their pictures themselves."""
    for folder in (micro_world / "vqav2_val", micro_world / "vqav2_test"):
        questions = TASK.questions(folder)
        assert questions
        assert all(Path(str(q.images[0])).is_file() for q in questions)
    right = {q.key: q.reference[0] for q in questions if isinstance(q.reference, tuple)}
    assert TASK.metrics(TASK.mark(questions, right, "published"))["accuracy"] == 100


def test_real_questions_with_answers_inside(shared_data: Path) -> None:
    questions = TASK.questions(shared_data / "coco")
    assert len(questions) == 138
    assert all(Path(str(q.images[0])).is_file() for q in questions)
    assert {q.category for q in questions} == {"yes_no", "number", "other"}


def test_real_questions_of_the_validation_set(shared_data: Path) -> None:
    """Of people's first answers: what the official rule gives them, summed here in another way."""
    questions = TASK.questions(shared_data / "vqav2")
    assert len(questions) == 8977
    yes = TASK.metrics(TASK.mark(questions, {q.key: "yes" for q in questions}, "published"))
    right = 0.0
    for question in questions:
        assert isinstance(question.reference, tuple)
        said = sum(each.strip().lower() in ("yes", "yes.") for each in question.reference)
        right += (0, 0.3, 0.6, 0.9, 1, 1, 1, 1, 1, 1, 1)[said]
    assert yes["accuracy"] == pytest.approx(100 * right / len(questions), abs=0.02)
    assert yes["accuracy_number"] < 1 < yes["accuracy"] < yes["accuracy_yes_no"]


# ---- the rule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "human", "published", "strict"),
    [
        ("Yes.", ["yes"] * 10, 1.0, 1.0),
        ("yes, there is", ["yes"] * 10, 0.0, 0.0),
        ("", ["yes"] * 10, 0.0, 0.0),
        ("two", ["2"] * 10, 1.0, 1.0),
        ("The answer is two.", ["2"] * 10, 0.0, 0.0),
        ("2", ["two"] * 10, 0.0, 1.0),  # all alike: people's answers stay as they are, and ours became a digit
        ("2", ["two"] * 9 + ["3"], 1.0, 1.0),
        ("A dog", ["dog"] * 3 + ["cat"] * 7, 0.9, 0.9),
        ("dog", ["a dog"] * 3 + ["cat"] * 7, 0.9, 0.9),
        ("dog", ["A dog"] * 10, 0.0, 1.0),
        ("the man's hat", ["man's hat"] * 9 + ["hat"], 0.0, 1.0),  # ours was cut into "man 's hat" before it was sent
        ("black/white", ["black white"] * 10, 1.0, 1.0),
        ("yes", [" yes\n"] * 10, 1.0, 1.0),
    ],
)
def test_awkward_answers(text: str, human: Sequence[str], published: float, strict: float) -> None:
    assert agreement(text, human, "published")[1] == pytest.approx(published)
    assert agreement(text, human, "strict")[1] == pytest.approx(strict)


@pytest.mark.parametrize("rule", ["published", "strict"])
def test_by_answer_type(tmp_path: Path, rule: Rule) -> None:
    questions = TASK.questions(write_release(tmp_path))
    marks = TASK.mark(questions, {"139000": "yes", "139001": "2"}, rule)
    assert TASK.metrics(marks) == pytest.approx({"accuracy": 95.0, "accuracy_yes_no": 100.0, "accuracy_number": 90.0})
    assert [mark.invalid for mark in TASK.mark(questions, {"139000": " .", "139001": "no"}, rule)] == [True, False]
    assert TASK.metrics([]) == {"accuracy": 0.0}


# ---- files -----------------------------------------------------------------------------------------------------------


def test_answers_of_llavas_scripts_and_official_results(tmp_path: Path) -> None:
    questions = TASK.questions(write_release(tmp_path / "data"))
    lines = tmp_path / "merge.jsonl"
    lines.write_text("".join(json.dumps(answer_record(q, "two", "m", {})) + "\n" for q in reversed(questions)))
    assert read_answers(lines, "vqav2", TASK, questions).texts == {"139000": "two", "139001": "two"}
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{"question_id": q.id, "answer": "two"} for q in questions]))
    assert read_answers(results, "vqav2", TASK, questions).texts == {"139000": "two", "139001": "two"}


def test_the_servers_file_has_all_questions_of_the_test_set(tmp_path: Path) -> None:
    questions = TASK.questions(write_test_set(tmp_path / "vqav2").parent)
    assert [(q.id, q.text) for q in questions] == [(n, f"Question {n}?\n{SHORT}") for n in (2, 3)]
    assert TASK.metrics(TASK.mark(questions, {"2": "a", "3": "b"}, "published")) == {}, "only the server knows"
    assert TASK.submit is not None
    path = TASK.submit(questions, {"2": "The Two dogs.", "3": ""}, tmp_path / "out")
    assert json.loads(path.read_text()) == [
        {"question_id": 1, "answer": ""},
        {"question_id": 2, "answer": "2 dogs"},
        {"question_id": 3, "answer": ""},
    ]


def test_the_official_test_questions(tmp_path: Path) -> None:
    asked = [{"question_id": n, "image_id": n, "question": f"Question {n}?"} for n in (1, 2)]
    for name, count in (("test-dev2015", 1), ("test2015", 2)):
        path = tmp_path / f"v2_OpenEnded_mscoco_{name}_questions.json"
        path.write_text(json.dumps({"questions": asked[:count]}))
    questions = TASK.questions(tmp_path)
    assert [q.text for q in questions] == [f"Question 1?\n{SHORT}"]
    assert Path(str(questions[0].images[0])).name == "COCO_test2015_000000000001.jpg"
    assert TASK.submit is not None
    assert len(json.loads(TASK.submit(questions, {"1": "a"}, tmp_path / "out").read_text())) == 2


def test_no_half_of_a_submission(tmp_path: Path) -> None:
    folder = write_test_set(tmp_path / "vqav2")
    whole = folder / "llava_vqav2_mscoco_test2015.jsonl"
    whole.write_text(whole.read_text().splitlines()[0] + "\n")
    questions = TASK.questions(tmp_path)
    assert TASK.submit is not None
    with pytest.raises(UserError, match="2 of 2 answered questions are not in the whole test set"):
        TASK.submit(questions, {"2": "a", "3": "b"}, tmp_path / "out")
    whole.unlink()
    with pytest.raises(UserError, match=r"put llava_vqav2_mscoco_test2015.jsonl"):
        TASK.submit(TASK.questions(tmp_path), {"2": "a", "3": "b"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({ANNOTATIONS: {"annotations": [annotation(139000, "yes/no", "yes")]}}, "1 of 2 questions .* no answers"),
        ({QUESTIONS: {"questions": [{"question_id": 1}]}}, "1 of 1 records are no questions"),
        ({QUESTIONS: [1]}, "list of objects 'questions'"),
        ({QUESTIONS: {"questions": [{"question_id": 139000, "image_id": 1, "question": "?"}] * 2}}, "1 ids come again"),
    ],
)
def test_broken_releases(tmp_path: Path, changes: Mapping[str, object], said: str) -> None:
    write_release(tmp_path, **changes)
    with pytest.raises(UserError, match=said):
        TASK.questions(tmp_path)


def test_files_that_are_missing_or_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vqav2: none of v2_OpenEnded"):
        TASK.questions(tmp_path)
    write_release(tmp_path, ".gz")
    path = tmp_path / f"{ANNOTATIONS}.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=r"cannot read .*annotations"):
        TASK.questions(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"its answers v2_mscoco_val2014_annotations.json .* are not"):
        TASK.questions(tmp_path)
