"""MME: the published score of a real model, pairs of questions, LLaVA's ids and MME's own result files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.task import Mark, Question, Rule
from chiasm.evals.tasks.mme import COGNITION, PERCEPTION, TASK

ALL = (*PERCEPTION, *COGNITION)
# The row of LaVIN in tables 1 to 3 of the paper (arXiv 2306.13394).
LAVIN = {
    **{"existence": 185.00, "count": 88.33, "position": 63.33, "color": 75.00, "posters": 79.59, "celebrity": 47.35},
    **{"scene": 136.75, "landmark": 93.50, "artwork": 87.25, "OCR": 107.50, "commonsense_reasoning": 87.14},
    **{"numerical_calculation": 65.00, "text_translation": 47.50, "code_reasoning": 50.00},
}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A template with two pictures a task: 1.jpg and 2.jpg, each asked for a yes and for a no."""
    folder = tmp_path / "MME/eval_tool/Your_Results"
    folder.mkdir(parents=True)
    for task in ALL:
        lines = [
            f"{number}.jpg\tIs it {what}?{' ' * number}Please answer yes or no.\t{truth}\n"
            for number in (1, 2)
            for what, truth in (("here", "Yes"), ("there", "No"))
        ]
        (folder / f"{task}.txt").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def marks_of(questions: Sequence[Question], answers: Sequence[str], rule: Rule = "published") -> list[Mark]:
    return TASK.mark(questions, {q.key: text for q, text in zip(questions, answers, strict=True)}, rule)


def truth(question: Question) -> str:
    assert isinstance(question.reference, tuple)
    return str(question.reference[0])


def test_lavin_scores_what_was_published(shared_data: Path) -> None:
    questions = TASK.questions(shared_data / "eval/mme")
    texts = read_answers(shared_data / "eval/mme/LaVIN", "mme", TASK, questions).texts
    metrics = TASK.metrics(TASK.mark(questions, texts, "published"))
    assert {task: round(metrics[task], 2) for task in ALL} == LAVIN
    assert round(metrics["perception"], 1) == 963.6
    assert metrics["perception"] == pytest.approx(sum(metrics[task] for task in PERCEPTION))
    assert metrics["cognition"] == pytest.approx(sum(metrics[task] for task in COGNITION))


def test_questions_are_those_of_llavas_question_file(shared_data: Path) -> None:
    lines = (shared_data / "eval/mme/llava_mme.jsonl").read_text(encoding="utf-8").splitlines()
    official = [json.loads(line) for line in lines]
    questions = TASK.questions(shared_data / "eval")
    ours = {(question.id, question.text, question.category) for question in questions}
    assert len(ours) == len(questions) == 2374
    assert ours == {(line["question_id"], line["text"], line["category"]) for line in official}


@pytest.mark.parametrize("rule", TASK.rules)
def test_right_answers_of_llavas_script_score_everything(shared_data: Path, tmp_path: Path, rule: Rule) -> None:
    questions = TASK.questions(shared_data / "eval/mme")
    truths = {(question.id, question.text): truth(question) for question in questions}
    lines = (shared_data / "eval/mme/llava_mme.jsonl").read_text(encoding="utf-8").splitlines()
    with (tmp_path / "answers.jsonl").open("w", encoding="utf-8") as file:
        for line in map(json.loads, lines):
            text = truths[line["question_id"], line["text"]]
            file.write(json.dumps({"question_id": line["question_id"], "prompt": line["text"], "text": text}) + "\n")
    texts = read_answers(tmp_path / "answers.jsonl", "mme", TASK, questions).texts
    metrics = TASK.metrics(TASK.mark(questions, texts, rule))
    assert (metrics["perception"], metrics["cognition"]) == (2000, 800)


def test_prompt_is_llavas(release: Path, check_golden: Callable[[str, str], None]) -> None:
    shown = [f"{q.id}\n{q.text}\n" for q in TASK.questions(release) if q.category in ("existence", "artwork")][:5:4]
    check_golden("evals/mme.txt", "".join(shown) + f"{TASK.max_tokens} tokens\n")


def test_a_task_scores_by_questions_and_by_pictures(release: Path) -> None:
    questions = TASK.questions(release)
    # Picture 1 all right, picture 2 half: 3 of 4 questions, 1 of 2 pictures.
    answers = ["Yes" if question.id == "count/2.jpg" else truth(question) for question in questions]
    metrics = TASK.metrics(marks_of(questions, answers))
    assert metrics["count"] == 75 + 50
    assert metrics["existence"] == 200
    assert metrics["perception"] == 9 * 200 + 125
    assert metrics["cognition"] == 800


def test_both_questions_of_a_picture_need_the_right_answer(release: Path) -> None:
    questions = TASK.questions(release)
    metrics = TASK.metrics(marks_of(questions, ["yes"] * len(questions)))
    assert {metrics[task] for task in ALL} == {50}  # half of the questions, no picture


def test_pairs_hold_in_any_order_and_in_resamples(release: Path) -> None:
    questions = TASK.questions(release)
    answers = ["Yes" if question.id == "count/2.jpg" else truth(question) for question in questions]
    marks = marks_of(questions, answers)
    assert TASK.metrics(marks[::-1]) == TASK.metrics(marks)
    assert TASK.metrics(marks + marks) == TASK.metrics(marks)
    of_count = [mark for mark in marks if mark.question.category == "count"]
    first, second = of_count[:2], of_count[2:]
    assert TASK.metrics([*first, *first, *second])["count"] == pytest.approx(100 * 5 / 6 + 100 * 2 / 3)
    assert TASK.metrics(first) == {"perception": 200.0, "count": 200.0}  # nothing was asked of the other 13 tasks


def test_no_questions_no_failure() -> None:
    assert TASK.metrics([])["perception"] == 0


AWKWARD = [  # answer, by calculation.py, by the strict rule
    ("Yes", "yes", "yes"),
    ("yes.", "yes", "yes"),
    ("Yes, there is", "yes", "yes"),
    (" yes", "yes", "yes"),
    ("No", "no", "no"),
    ("NO.", "no", "no"),
    ("Nope", "no", "no"),
    ("not sure", "no", "other"),  # "no" is in the first four characters
    ("I know", "other", "other"),
    ("The answer is yes", "other", "yes"),
    ("I say no", "other", "no"),
    ("Eyes", "yes", "other"),
    ("", "other", "other"),
    ("是", "other", "yes"),
]


@pytest.mark.parametrize(("answer", "published", "strict"), AWKWARD)
def test_awkward_answers(release: Path, answer: str, published: str, strict: str) -> None:
    questions = TASK.questions(release)[:2]
    for rule, read in (("published", published), ("strict", strict)):
        yes, no = marks_of(questions, [answer, answer], rule)  # type: ignore[arg-type]
        assert yes.read_as == no.read_as == read
        assert (yes.value, no.value) == (float(read == "yes"), float(read == "no"))
        assert yes.invalid is no.invalid is (read == "other")


# ---- files -----------------------------------------------------------------------------------------------------------


def write_release(root: Path) -> None:
    """The release's own folders: five tasks with subfolders, nine without."""
    for task in ALL:
        nested = task in ("artwork", "celebrity", "landmark", "posters", "scene")
        pictures, texts = (
            root / task / ("images" if nested else ""),
            root / task / ("questions_answers_YN" if nested else ""),
        )
        for folder in (pictures, texts):
            folder.mkdir(parents=True, exist_ok=True)
        for stem, suffix in (("a", "jpg"), ("b", "png")):
            (pictures / f"{stem}.{suffix}").touch()
            (texts / f"{stem}.txt").write_text(
                "Is it here? Please answer yes or no.\tYes\nIs it there?  Please answer yes or no.\tNo\n",
                encoding="utf-8",
            )


@pytest.mark.parametrize("place", ["MME/MME_Benchmark_release_version", "MME_Benchmark_release_version", ""])
def test_the_releases_own_folders_are_read(tmp_path: Path, place: str) -> None:
    root = tmp_path / place
    write_release(root)
    questions = TASK.questions(tmp_path)
    assert len(questions) == 14 * 4
    assert questions[0].id == "existence/a.jpg"
    assert questions[0].images == (root / "existence/a.jpg",)
    artwork = next(question for question in questions if question.id == "artwork/images/b.png")
    assert artwork.images == (root / "artwork/images/b.png",)
    assert artwork.text.startswith("Is it here?\n")
    assert all(Path(str(question.images[0])).is_file() for question in questions)


def test_a_flat_copy_of_the_release_is_found(release: Path) -> None:
    for name in ("existence/1.jpg", "artwork/1.jpg"):
        path = release / "MME/MME_Benchmark_release_version" / name
        path.parent.mkdir(parents=True)
        path.touch()
    by_id = {question.id: question.images for question in TASK.questions(release)}
    root = release / "MME/MME_Benchmark_release_version"
    assert by_id["artwork/images/1.jpg"] == (root / "artwork/1.jpg",)
    assert by_id["existence/1.jpg"] == (root / "existence/1.jpg",)


def test_results_written_for_calculation_read_back(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    texts = {question.key: f"Yes,\tindeed\n{number}" for number, question in enumerate(questions)}
    assert TASK.submit is not None
    folder = TASK.submit(questions, texts, tmp_path / "out")
    line = (folder / "artwork.txt").read_text(encoding="utf-8").splitlines()[0].split("\t")
    assert line[:3] == ["1.jpg", "Is it here? Please answer yes or no.", "Yes"]
    assert read_answers(folder, "mme", TASK, questions).texts == {
        key: " ".join(text.split()) for key, text in texts.items()
    }


def test_answers_that_are_cut_off_are_counted(shared_data: Path, tmp_path: Path) -> None:
    questions = TASK.questions(shared_data / "eval/mme")
    for path in (shared_data / "eval/mme/LaVIN").glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / path.name).write_text("".join(lines[:-1] if path.stem == "OCR" else lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"1 of 2,374 questions have no answer"):
        read_answers(tmp_path, "mme", TASK, questions)
    (tmp_path / "OCR.txt").write_text("0001.jpg\tIs the wo", encoding="utf-8")
    with pytest.raises(UserError, match=r"OCR.txt: line 1 has 2 fields between tabs, expected 4"):
        read_answers(tmp_path, "mme", TASK, questions)


def test_results_with_another_truth_are_refused(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    line = "1.jpg\tIs it here? Please answer yes or no.\tNo\tno\n"
    (tmp_path / "count.txt").write_text(line, encoding="utf-8")
    with pytest.raises(UserError, match=r"another truth \(No\)"):
        read_answers(tmp_path / "count.txt", "mme", TASK, questions)
    (tmp_path / "count.txt").write_text(line.replace("No\tno", "Yes\tyes") * 2, encoding="utf-8")
    with pytest.raises(UserError, match="answered twice"):
        read_answers(tmp_path / "count.txt", "mme", TASK, questions)


def test_an_answer_without_its_prompt_cannot_be_matched() -> None:
    assert TASK.answer_key({"question_id": "count/1.jpg", "text": "Yes"}) is None
    assert TASK.answer_key({"question_id": 17, "prompt": "Is it?"}) is None
    key = TASK.answer_key({"question_id": "artwork/images/1.jpg", "prompt": "<image>\nIs it? Please answer yes or no."})
    assert key == TASK.answer_key(
        {"question_id": "artwork/1.jpg", "prompt": "Is it?\nAnswer the question using a single word or phrase."}
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "OCR.txt").unlink(), r"13 of 14 tasks .* missing: OCR"),
        (lambda folder: (folder / "OCR.txt").write_text("1.jpg\tIs it?\n"), r"line 1 has 2 fields"),
        (lambda folder: (folder / "OCR.txt").write_text("1.jpg\tIs it?\tMaybe\n"), r"Yes or No, not 'Maybe'"),
        (lambda folder: (folder / "OCR.txt").write_text("1.jpg\tIs it?\tYes\n"), r"1 of 27 pictures .* OCR/1.jpg"),
        (lambda folder: (folder / "OCR.txt").write_text("1.jpg\tIs it?\tYes\n" * 2), r"the same question twice"),
        (lambda folder: (folder / "OCR.txt").write_bytes(b"\xff\xfe\x00"), r"cannot read"),
    ],
)
def test_a_broken_release_is_refused(release: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(release / "MME/eval_tool/Your_Results")
    with pytest.raises(UserError, match=message):
        TASK.questions(release)


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Your_Results"):
        TASK.questions(tmp_path)
