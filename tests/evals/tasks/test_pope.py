"""POPE: both versions, LLaVA's ids, the published rule and its quirks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.task import Question
from chiasm.evals.tasks.pope import TASK

CATEGORIES = ("random", "popular", "adversarial")
OLD, NEW = "pope/2023-08_2910", "pope/2023-11_3000"


def write_lines(path: Path, records: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def record(number: int, label: str, image: str = "COCO_val2014_000000310196.jpg") -> dict[str, object]:
    return {"question_id": number, "image": image, "text": f"Is there a thing {number} in the image?", "label": label}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """LLaVA's bundle in small: two questions a category, one yes and one no."""
    for category in CATEGORIES:
        write_lines(tmp_path / f"pope/coco/coco_pope_{category}.json", [record(1, "yes"), record(2, "no")])
    return tmp_path


def answered(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, float]:
    texts = {question.key: answers[str(question.reference)] for question in questions}
    return TASK.metrics(TASK.mark(questions, texts, "published"))


# ---- questions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["pope", OLD, ""])
def test_questions_are_those_of_llavas_question_file(shared_data: Path, folder: str) -> None:
    official = read_lines(shared_data / "eval/pope/llava_pope_test.jsonl")
    questions = TASK.questions(shared_data / "eval" / folder)
    assert [(q.id, q.text, Path(str(q.images[0])).name, q.category) for q in questions] == [
        (line["question_id"], line["text"], line["image"], line["category"]) for line in official
    ]


def test_truths_are_those_of_the_label_files(shared_data: Path) -> None:
    for version, num_random in ((OLD, 2910), (NEW, 3000)):
        questions = TASK.questions(shared_data / "eval" / version)
        for category, num in (("random", num_random), ("popular", 3000), ("adversarial", 3000)):
            labels = read_lines(shared_data / f"eval/{version}/coco_pope_{category}.json")
            of_category = [q for q in questions if q.category == category]
            assert len(of_category) == num
            assert [(q.text.split("\n")[0], q.reference) for q in of_category] == [
                (line["text"], line["label"]) for line in labels
            ]


def test_prompt_is_llavas(release: Path, check_golden: Callable[[str, str], None]) -> None:
    question = TASK.questions(release)[0]
    check_golden("evals/pope.txt", f"{question.id}\n{question.text}\n{TASK.max_tokens} tokens\n")


def test_pictures_are_named_and_need_not_be_there(release: Path) -> None:
    name = "COCO_val2014_000000310196.jpg"
    assert TASK.questions(release)[0].images == (release / "pope/val2014" / name,)
    (release / "pope/val2014").mkdir()
    (release / "pope/val2014" / name).touch()
    assert TASK.questions(release)[0].images == (release / "pope/val2014" / name,)
    assert TASK.questions(release / "pope")[0].images == (release / "pope/val2014" / name,)


def test_pictures_of_coco_2017_have_shorter_names(release: Path) -> None:
    (release / "images").mkdir()
    (release / "images/000000310196.jpg").touch()
    assert TASK.questions(release)[0].images == (release / "images/000000310196.jpg",)


def test_questions_of_one_picture_are_one_group(release: Path) -> None:
    assert {question.group for question in TASK.questions(release)} == {"COCO_val2014_000000310196.jpg"}


def test_one_file_with_categories(shared_data: Path) -> None:
    questions = TASK.questions(shared_data / "coco")
    assert len(questions) == 18
    assert all(Path(str(question.images[0])).is_file() for question in questions)
    assert sorted({question.category for question in questions}) == sorted(CATEGORIES)
    metrics = answered(questions, {"yes": "Yes", "no": "No"})
    assert metrics["f1"] == metrics["accuracy_popular"] == 100


def test_a_drawn_world_is_read(tmp_path: Path) -> None:
    for category in CATEGORIES:
        write_lines(tmp_path / f"pope/coco_pope_{category}.json", [record(1, "yes", "val/000000.png")])
    (tmp_path / "images/val").mkdir(parents=True)
    (tmp_path / "images/val/000000.png").touch()
    assert TASK.questions(tmp_path)[0].images == (tmp_path / "images/val/000000.png",)


# ---- scores ----------------------------------------------------------------------------------------------------------

AWKWARD = [  # answer, by eval_pope.py, by the strict rule
    ("Yes", "yes", "yes"),
    ("Yes.", "yes", "yes"),
    ("yes, there is", "yes", "yes"),
    ("No", "no", "no"),
    ("No, there is not.", "no", "no"),
    ("no", "no", "no"),
    ("There is no dog. Yes.", "no", None),  # only the first sentence counts
    ("There is not", "no", None),
    ("", "yes", None),
    ("Nope", "yes", "no"),
    ("NO", "yes", "no"),
    ("No\n", "yes", "no"),  # split at spaces alone: "No\n" is not "No"
    ("no-one", "yes", None),
    ("not sure", "no", None),
    (". No", "yes", "no"),
    ("I do not know", "no", None),
    ("没有", "yes", "no"),
]


@pytest.mark.parametrize(("answer", "published", "strict"), AWKWARD)
def test_awkward_answers(release: Path, answer: str, published: str, strict: str | None) -> None:
    questions = TASK.questions(release)[:2]
    for rule, read in (("published", published), ("strict", strict)):
        yes, no = TASK.mark(questions, {question.key: answer for question in questions}, rule)  # type: ignore[arg-type]
        assert yes.read_as == no.read_as == (read or "neither")
        assert (yes.value, no.value) == (float(read == "yes"), float(read == "no"))
        assert yes.invalid is no.invalid is (read is None)


def by_hand(truths: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    """The formulas of the paper, over lines."""
    pairs = list(zip(truths, said, strict=True))
    tp, fp, tn, fn = (pairs.count(pair) for pair in (("yes", "yes"), ("no", "yes"), ("no", "no"), ("yes", "no")))
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return {
        "f1": 200 * precision * recall / (precision + recall),
        "accuracy": 100 * (tp + tn) / len(pairs),
        "precision": 100 * precision,
        "recall": 100 * recall,
        "yes_ratio": 100 * (tp + fp) / len(pairs),
    }


@pytest.mark.parametrize(("version", "question_file"), [(OLD, "pope"), (NEW, NEW)])
def test_scores_equal_the_papers_formulas(shared_data: Path, version: str, question_file: str) -> None:
    questions = TASK.questions(shared_data / "eval" / question_file)
    by_category = {each: [q for q in questions if q.category == each] for each in CATEGORIES}
    texts, expected = {}, {}
    for step, category in enumerate(CATEGORIES, start=3):
        truths = [line["label"] for line in read_lines(shared_data / f"eval/{version}/coco_pope_{category}.json")]
        said = ["no" if number % step else "yes" for number in range(len(truths))]
        texts |= {q.key: answer.capitalize() for q, answer in zip(by_category[category], said, strict=True)}
        expected |= {f"{name}_{category}": value for name, value in by_hand(truths, said).items()}
    metrics = TASK.metrics(TASK.mark(questions, texts, "published"))
    f1 = [expected[f"f1_{category}"] for category in CATEGORIES]
    assert metrics == pytest.approx({**expected, "f1": sum(f1) / 3})


def test_an_always_yes_model_says_yes_every_time(release: Path) -> None:
    metrics = answered(TASK.questions(release), {"yes": "Yes", "no": "Yes"})
    assert (metrics["yes_ratio_random"], metrics["recall_random"], metrics["precision_random"]) == (100, 100, 50)
    assert metrics["f1"] == pytest.approx(100 * 2 / 3)


def test_an_always_no_model_divides_by_nothing(release: Path) -> None:
    metrics = answered(TASK.questions(release), {"yes": "No", "no": "No"})
    assert (metrics["f1"], metrics["precision_random"], metrics["accuracy_random"]) == (0, 0, 50)


def test_an_unreadable_answer_is_a_missed_yes_and_never_a_false_one(release: Path) -> None:
    questions = TASK.questions(release)
    truths = {question.key: str(question.reference) for question in questions}
    silent = dict.fromkeys(truths, "")
    missed = TASK.metrics(TASK.mark(questions, {**truths, **{k: "" for k in truths if truths[k] == "yes"}}, "strict"))
    spared = TASK.metrics(TASK.mark(questions, {**truths, **{k: "" for k in truths if truths[k] == "no"}}, "strict"))
    assert (missed["recall_random"], missed["accuracy_random"], missed["f1"]) == (0, 50, 0)
    assert (spared["precision_random"], spared["accuracy_random"], spared["f1"]) == (100, 50, 100)
    assert TASK.metrics(TASK.mark(questions, silent, "strict"))["accuracy_random"] == 0


def test_no_questions_no_failure() -> None:
    assert TASK.metrics([]) == {"f1": 0}


# ---- answers files and broken input ----------------------------------------------------------------------------------


def test_answers_of_llavas_scripts_score_in_any_order(shared_data: Path, tmp_path: Path) -> None:
    questions = TASK.questions(shared_data / "eval/pope")
    truths = {str(question.id): str(question.reference) for question in questions}
    lines = [
        {"question_id": line["question_id"], "prompt": line["text"], "text": truths[str(line["question_id"])]}
        for line in read_lines(shared_data / "eval/pope/llava_pope_test.jsonl")
    ]
    path = write_lines(tmp_path / "answers.jsonl", lines[::-1])
    texts = read_answers(path, "pope", TASK, questions).texts
    assert TASK.metrics(TASK.mark(questions, texts, "published"))["f1"] == 100


@pytest.mark.parametrize(("asked", "labels", "count"), [(OLD, NEW, "90 of 9,000"), (NEW, OLD, "90 answers")])
def test_answers_to_the_other_version_are_refused(
    shared_data: Path, tmp_path: Path, asked: str, labels: str, count: str
) -> None:
    lines = [
        {"question_id": question.id, "prompt": question.text, "text": "Yes"}
        for question in TASK.questions(shared_data / "eval" / asked)
    ]
    path = write_lines(tmp_path / "answers.jsonl", lines)
    with pytest.raises(UserError, match=count):
        read_answers(path, "pope", TASK, TASK.questions(shared_data / "eval" / labels))


def test_a_question_file_of_another_version_is_refused(release: Path) -> None:
    asked = [
        {
            "question_id": 1,
            "image": "COCO_val2014_000000310196.jpg",
            "category": category,
            "text": "Is there a thing 1?\n",
        }
        for category in CATEGORIES
    ]
    write_lines(release / "pope/llava_pope_test.jsonl", asked)
    with pytest.raises(
        UserError, match=r"1 against 2 random, 1 against 2 popular, 1 against 2 adversarial, 6 labelled"
    ):
        TASK.questions(release)


def test_two_versions_side_by_side_need_a_choice(release: Path) -> None:
    (release / "pope/coco").rename(release / "pope/old")
    for category in CATEGORIES:
        write_lines(release / f"pope/new/coco_pope_{category}.json", [record(1, "yes")])
    with pytest.raises(UserError, match=r"2 versions of POPE \(new, old\)"):
        TASK.questions(release)
    assert len(TASK.questions(release / "pope/new")) == 3


def test_a_missing_file_is_named_with_counts(release: Path) -> None:
    (release / "pope/coco/coco_pope_popular.json").unlink()
    with pytest.raises(UserError, match=r"coco_pope_popular.json is missing, 2 of 3"):
        TASK.questions(release)


@pytest.mark.parametrize("broken", [{"label": "maybe"}, {"text": None}, {"image": 3}])
def test_a_broken_record_is_named(release: Path, broken: Mapping[str, object]) -> None:
    write_lines(release / "pope/coco/coco_pope_random.json", [record(1, "yes"), {**record(2, "no"), **broken}])
    with pytest.raises(UserError, match=r"coco_pope_random.json: record 1 needs"):
        TASK.questions(release)


def test_a_torn_file_is_refused(release: Path) -> None:
    path = release / "pope/coco/coco_pope_random.json"
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(UserError, match="torn"):
        TASK.questions(release)


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--data"):
        TASK.questions(tmp_path)
