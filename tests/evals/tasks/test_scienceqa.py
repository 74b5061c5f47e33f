"""ScienceQA: prompts, the split that is taken, the published parser, subsets, and stored results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.task import Question, Rule
from chiasm.evals.tasks.scienceqa import TASK, Reference

PROBLEMS: dict[str, dict[str, Any]] = {
    "4": {
        **{"question": "Which animal purrs?", "choices": ["dog", "cat", "fox"], "answer": 1, "hint": "Look at it."},
        **{"image": "image.png", "grade": "grade6", "subject": "natural science"},
    },
    "7": {
        **{"question": "Is it true?", "choices": ["yes", "no"], "answer": 0, "hint": ""},
        **{"image": None, "grade": "grade7", "subject": "language science"},
    },
    "8": {
        **{"question": "Which state is this?", "choices": ["Ohio", "Iowa"], "answer": 1, "hint": ""},
        **{"image": "choice_0.png", "grade": "grade12", "subject": "social science"},
    },
    "9": {
        **{"question": "Which word?", "choices": ["a", "b", "c", "d", "e"], "answer": 4, "hint": "Two\nlines."},
        **{"image": None, "grade": "grade1", "subject": "language science"},
    },
}
SPLITS = {"train": ["100"], "val": ["8", "9"], "test": ["7", "4"]}


def write(folder: Path, problems: Mapping[str, object] = PROBLEMS, splits: Mapping[str, object] = SPLITS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "problems.json").write_text(json.dumps(problems), encoding="utf-8")
    (folder / "pid_splits.json").write_text(json.dumps(splits), encoding="utf-8")
    return folder


def asked(identity: str, image: str | None, answer: str = "B") -> dict[str, object]:
    """A record in the form of llava_test_CQM-A.json."""
    value = f"{'<image>' if image else ''}\nContext: In LLaVA's words.\nWhich of {identity}?\nA. one\nB. two"
    turns = [{"from": "human", "value": value}, {"from": "gpt", "value": answer}]
    return {"id": identity, **({"image": image} if image else {}), "conversations": turns}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    write(tmp_path / "scienceqa")
    return tmp_path


def marks_of(questions: list[Question], texts: Mapping[str, str], rule: Rule = "published") -> dict[str, float]:
    return TASK.metrics(TASK.mark(questions, texts, rule))


# ---- questions -------------------------------------------------------------------------------------------------------


def test_prompt_is_llavas(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    questions = TASK.questions(write(tmp_path, splits={"test": list(PROBLEMS)}))
    shown = [f"{q.id} {q.options} {len(q.images)}\n{q.text}\n\n" for q in questions]
    check_golden("evals/scienceqa.txt", f"{''.join(shown)}{TASK.max_tokens} tokens\n")


def test_the_test_split_in_its_order(release: Path) -> None:
    questions = TASK.questions(release)
    assert [question.id for question in questions] == ["7", "4"]
    assert [question.images for question in questions] == [(), (release / "scienceqa/images/test/4/image.png",)]
    (release / "scienceqa/images/test/4").mkdir(parents=True)
    (release / "scienceqa/images/test/4/image.png").touch()
    assert TASK.questions(release)[1].images == (release / "scienceqa/images/test/4/image.png",)


def test_without_the_test_split_val_is_taken_then_train(tmp_path: Path) -> None:
    folder = write(tmp_path, {"8": PROBLEMS["8"], "100": PROBLEMS["7"]})
    assert [(q.id, q.images) for q in TASK.questions(folder)] == [("8", (tmp_path / "images/val/8/choice_0.png",))]
    write(tmp_path, {"100": PROBLEMS["7"]})
    assert [question.id for question in TASK.questions(folder)] == ["100"]


def test_the_real_part_of_val(shared_data: Path) -> None:
    folder = shared_data / "eval/scienceqa"
    problems = json.loads((folder / "problems_trainval_part.json").read_text(encoding="utf-8"))
    splits = json.loads((folder / "pid_splits.json").read_text(encoding="utf-8"))
    questions = TASK.questions(shared_data / "eval")
    assert [question.id for question in questions] == [pid for pid in splits["val"] if pid in problems]
    for question in questions:
        problem = problems[question.id]
        lines = [f"Context: {problem['hint']}"] if problem["hint"] else []
        lines += [problem["question"], *(f"{'ABCDE'[i]}. {choice}" for i, choice in enumerate(problem["choices"]))]
        suffix = "Answer with the option's letter from the given choices directly."
        assert question.text == "\n".join([*lines, suffix])
        assert bool(question.images) == (problem["image"] is not None)
    # Counted with nothing of ours: right on every natural-science problem, silent elsewhere.
    texts = {pid: "ABCDE"[problems[pid]["answer"]] if problems[pid]["subject"][0] == "n" else "" for pid in problems}
    metrics = marks_of(questions, texts)
    of_val = [problems[str(question.id)] for question in questions]
    natural = [problem["subject"] == "natural science" for problem in of_val]
    with_image = [right for problem, right in zip(of_val, natural, strict=True) if problem["image"]]
    young = [right for problem, right in zip(of_val, natural, strict=True) if int(problem["grade"][5:]) < 7]
    assert (metrics["nat"], metrics["soc"], metrics["lan"]) == (100, 0, 0)
    assert metrics["accuracy"] == pytest.approx(100 * sum(natural) / len(natural))
    assert metrics["accuracy_image"] == metrics["img"] == pytest.approx(100 * sum(with_image) / len(with_image))
    assert metrics["g1_6"] == pytest.approx(100 * sum(young) / len(young))


def test_llavas_question_file_has_the_last_word(release: Path) -> None:
    records = [asked("7", None), asked("4", "4/image.png")]
    (release / "scienceqa/llava_test_CQM-A.json").write_text(json.dumps(records), encoding="utf-8")
    question = TASK.questions(release)[1]
    assert question.text == (
        "Context: In LLaVA's words.\nWhich of 4?\nA. one\nB. two\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert isinstance(question.reference, Reference)
    assert question.reference.options == {"A": "dog", "B": "cat", "C": "fox"}


def test_llavas_question_file_alone_can_be_scored(tmp_path: Path) -> None:
    records = [asked("7", None, "The answer is A."), asked("4", "4/image.png")]
    (tmp_path / "llava_test_CQM-A.json").write_text(json.dumps(records), encoding="utf-8")
    questions = TASK.questions(tmp_path)
    assert questions[1].images == (tmp_path / "images/test/4/image.png",)
    assert marks_of(questions, {"7": "A", "4": "A"}) == {"accuracy": 50, "accuracy_image": 0}


# ---- scores ----------------------------------------------------------------------------------------------------------

AWKWARD = [  # answer to the problem with dog, cat, fox; by eval_science_qa.py; by the strict rule
    ("B", "B", "B"),
    ("B. cat", "B", "B"),
    ("B. ", "B", "B"),
    ("The answer is B.", "B", "B"),
    ("It purrs, so the tail is long. The answer is B.", "B", "B"),
    ("The answer is B", "FAILED", "B"),  # the script wants one character more
    ("The answer is B!", "B", "B"),
    ("The answer is A. The answer is B.", "FAILED", "FAILED"),
    ("B.", "FAILED", "B"),
    ("(B)", "FAILED", "B"),
    ("b", "FAILED", "B"),
    ("cat", "FAILED", "B"),
    ("", "FAILED", "FAILED"),
    ("I do not know", "FAILED", "FAILED"),
    ("E", "E", "FAILED"),  # a letter, and none of the choices
    ("The answer is Z.", "Z", "FAILED"),
]


@pytest.mark.parametrize(("answer", "published", "strict"), AWKWARD)
def test_awkward_answers(release: Path, answer: str, published: str, strict: str) -> None:
    question = TASK.questions(release)[1]
    for rule, read in (("published", published), ("strict", strict)):
        mark = TASK.mark([question], {"4": answer}, rule)[0]  # type: ignore[arg-type]
        assert (mark.read_as, mark.value, mark.invalid) == (read, float(read == "B"), read not in ("A", "B", "C"))


def test_subsets_of_the_papers_table(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path, splits={"test": list(PROBLEMS)}))
    metrics = marks_of(questions, {"4": "B", "7": "B", "8": "B", "9": "A"})  # 4 and 8 are right
    assert metrics == {
        **{"accuracy": 50, "accuracy_image": 100, "nat": 100, "soc": 100, "lan": 0},
        **{"txt": 50, "img": 100, "no": 0, "g1_6": 50, "g7_12": 50},
    }
    assert list(metrics)[:2] == ["accuracy", "accuracy_image"]
    assert TASK.metrics([]) == {}


# ---- answers and broken input ----------------------------------------------------------------------------------------


def test_a_stored_result_is_read(release: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    outputs = {"4": "The answer is B. BECAUSE: it purrs.", "7": "The answer is B."}
    path.write_text(json.dumps({"acc": 50.0, "results": {"4": 1, "7": 1}, "outputs": outputs}), encoding="utf-8")
    questions = TASK.questions(release)
    found = read_answers(path, "scienceqa", TASK, questions)
    assert marks_of(questions, found.texts)["accuracy"] == 50
    path.write_text(json.dumps({"outputs": {"4": "B"}}), encoding="utf-8")
    with pytest.raises(UserError, match=r"1 of 2 questions have no answer \(7\)"):
        read_answers(path, "scienceqa", TASK, questions)


def test_json_lines_of_llavas_script_are_read(release: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"  # JSON lines under the other name
    lines = [{"question_id": "4", "prompt": "<image>\n...", "text": "B"}, {"question_id": 7, "prompt": "", "text": "A"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    questions = TASK.questions(release)
    assert marks_of(questions, read_answers(path, "scienceqa", TASK, questions).texts)["accuracy"] == 100


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in PROBLEMS["4"].items() if key != name}


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (None, r"1 of the 2 problems of the test split"),
        (without("question"), r"problem 4 needs a question"),
        ({**PROBLEMS["4"], "answer": 3}, r"problem 4 needs"),
        ({**PROBLEMS["4"], "choices": ["one"]}, r"problem 4 needs"),
        ("text", r"problem 4 needs"),
    ],
)
def test_broken_problems_are_refused(tmp_path: Path, problem: object, message: str) -> None:
    problems = {"7": PROBLEMS["7"], **({"4": problem} if problem else {})}
    with pytest.raises(UserError, match=message):
        TASK.questions(write(tmp_path, problems))


def test_files_of_two_releases_are_refused(release: Path) -> None:
    records = [asked("7", None), asked("5", None)]
    (release / "scienceqa/llava_test_CQM-A.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UserError, match=r"asks 2 questions, the test split .* has 2, 1 are in both"):
        TASK.questions(release)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither problems.json nor llava_test_CQM-A.json"):
        TASK.questions(tmp_path)
    write(tmp_path)
    (tmp_path / "pid_splits.json").unlink()
    with pytest.raises(UserError, match=r"pid_splits.json is missing"):
        TASK.questions(tmp_path)
    write(tmp_path, splits={"test": ["1000"]})
    with pytest.raises(UserError, match=r"none of its 4 problems is in a split"):
        TASK.questions(tmp_path)


def test_a_question_file_without_answers_needs_the_problems(tmp_path: Path) -> None:
    (tmp_path / "llava_test_CQM-A.json").write_text(json.dumps([asked("7", None, "unknown")]), encoding="utf-8")
    with pytest.raises(UserError, match=r"problem 7 .* has no readable answer"):
        TASK.questions(tmp_path)
    (tmp_path / "llava_test_CQM-A.json").write_text(json.dumps([{"id": "7"}]), encoding="utf-8")
    with pytest.raises(UserError, match=r"record 0 needs an id and a conversation"):
        TASK.questions(tmp_path)
