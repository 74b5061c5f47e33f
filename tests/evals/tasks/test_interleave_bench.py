"""LLaVA-Interleave-Bench: pictures inside questions, choices and open answers by its script's rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chiasm.conversation import Image
from chiasm.errors import UserError
from chiasm.evals.answers import answer_record, read_answers
from chiasm.evals.run import check_keys
from chiasm.evals.task import Mark, Rule
from chiasm.evals.tasks.interleave_bench import TASK


def sample(number: int, question: str, answer: str, dataset: str, kind: str) -> dict[str, object]:
    return {
        "sample_id": number,
        "image": [f"Split1/{dataset}/{number}_{n}.jpg" for n in (0, 1)],
        "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}],
        "metadata": {"dataset": dataset, "question_type": kind},
    }


CHOICE = "Image 1: <image>, image 2: <image>.\nWhich has a dog?\nA. the first\nB. the second\nC. both"
SAMPLES = [
    sample(0, CHOICE, "B", "Mantis", "multi-choice"),
    sample(0, "<image><image>True or false: both show dogs.", "True", "NLVR2", "multi-choice"),
    sample(1, "<image>\n<image>\nWhat is different?", "The dog is gone. A cat came.", "Spot", "open-ended"),
]


def write(folder: Path, samples: object = SAMPLES, name: str = "multi_image_in_domain.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(samples))
    return folder


def marked(folder: Path, number: int, text: str, rule: Rule) -> Mark:
    question = TASK.questions(folder)[number]
    return TASK.mark([question], {question.key: text}, rule)[0]


def test_samples(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    questions = TASK.questions(write(tmp_path / "interleave_data").parent)
    assert [(q.id, q.category) for q in questions] == [
        ("Mantis/0", "Mantis"),
        ("NLVR2/0", "NLVR2"),
        ("Spot/1", "Spot"),
    ]
    assert questions[0].images[1] == tmp_path / "interleave_data/Split1/Mantis/0_1.jpg"
    check_keys("interleave_bench", TASK, questions)
    check_golden("evals/interleave_bench.txt", "".join(f"{q.id}\n{q.text}\n\n" for q in questions))


def test_pictures_stand_where_the_text_has_them(tmp_path: Path) -> None:
    question = TASK.questions(write(tmp_path))[0]
    (message,) = question.conversation.messages
    assert [part.source if isinstance(part, Image) else part.text for part in message.parts] == [
        "Image 1: ",
        tmp_path / "Split1/Mantis/0_0.jpg",
        ", image 2: ",
        tmp_path / "Split1/Mantis/0_1.jpg",
        ".\nWhich has a dog?\nA. the first\nB. the second\nC. both",
    ]


def test_all_files_of_the_release_are_asked(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, [{**SAMPLES[0], "sample_id": 5}], "multi_view_in_domain.json")
    assert [q.key for q in TASK.questions(tmp_path)][-1] == "Mantis/5"


@pytest.mark.parametrize(
    ("text", "published", "strict"),
    [
        ("B", 1, 1),
        ("b.", 1, 1),
        ("(B)", 1, 1),
        ("Answer: B", 1, 1),
        ("B: the second", 1, 1),
        ("The answer is B.", 0, 1),
        ("B. the second", 0, 1),
        ("A", 0, 0),
        ("A or B", 0, 0),
        ("", 0, 0),
    ],
)
def test_choices(tmp_path: Path, text: str, published: float, strict: float) -> None:
    write(tmp_path)
    assert marked(tmp_path, 0, text, "published").value == published
    assert marked(tmp_path, 0, text, "strict").value == strict


@pytest.mark.parametrize(("text", "value"), [("True", 1), ("true.", 1), ("False", 0), ("t", 0)])
def test_choices_without_letters(tmp_path: Path, text: str, value: float) -> None:
    write(tmp_path)
    assert marked(tmp_path, 1, text, "published").value == marked(tmp_path, 1, text, "strict").value == value


def test_open_answers(tmp_path: Path) -> None:
    """The truth becomes "the dog is gone a cat came", seven words; "A dog is gone." has three of its four in order."""
    write(tmp_path)
    mark = marked(tmp_path, 2, "A dog is gone.", "published")
    precision, recall = 3 / 4, 3 / 7
    assert mark.value == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-6)
    assert marked(tmp_path, 2, "", "published").invalid
    long = "x " * 256 + "the dog is gone a cat came"
    assert marked(tmp_path, 2, long, "published").value == 0, "only the first 512 characters are scored"
    assert marked(tmp_path, 2, long, "strict").value > 0


def test_score_is_the_mean_over_data_sets(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path, [*SAMPLES, {**SAMPLES[0], "sample_id": 9}]))
    texts = {q.key: "B" for q in questions} | {"Spot/1": "The dog is gone. A cat came.", "Mantis/9": "A"}
    assert TASK.metrics(TASK.mark(questions, texts, "published")) == pytest.approx(
        {
            "score": 50.0,
            "accuracy": 100 / 3,
            "accuracy_Mantis": 50.0,
            "accuracy_NLVR2": 0.0,
            "rouge_l": 100.0,
            "rouge_l_Spot": 100.0,
        }
    )
    assert TASK.metrics([]) == {}


def test_answers_of_llava_next_and_ours(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path / "data"))
    path = tmp_path / "result.jsonl"
    lines: list[Mapping[str, object]] = [
        {
            "dataset": each["metadata"]["dataset"],
            "sample_id": each["sample_id"],
            "pred_response": "B",
            "gt_response": "x",
        }  # type: ignore[index]
        for each in SAMPLES
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_answers(path, "interleave_bench", TASK, questions).texts == {q.key: "B" for q in questions}
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0]]))
    with pytest.raises(UserError, match="1 answer a sample again"):
        read_answers(path, "interleave_bench", TASK, questions)
    path.write_text("".join(json.dumps(answer_record(q, "C", "m", {})) + "\n" for q in questions))
    assert read_answers(path, "interleave_bench", TASK, questions).texts == {q.key: "C" for q in questions}


def test_real_conversations(shared_data: Path) -> None:
    questions = TASK.questions(shared_data / "mantis")
    assert len(questions) == 88
    assert sum(len(q.images) for q in questions) == 333
    assert all(Path(str(image)).is_file() for q in questions for image in q.images)
    assert all(len(q.conversation.images) == len(q.images) for q in questions)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": []}, "1 of 3 records are no samples"),
        ({"image": ["a.jpg"]}, "1 of 3 records are no samples"),
        ({"conversations": [{"from": "human", "value": "?"}]}, "1 of 3 records are no samples"),
        ({"sample_id": None}, "1 of 3 records are no samples"),
    ],
)
def test_broken_samples(tmp_path: Path, change: Mapping[str, object], said: str) -> None:
    write(tmp_path, [*SAMPLES[:2], {**SAMPLES[2], **change}])
    with pytest.raises(UserError, match=said):
        TASK.questions(tmp_path)


def test_missing_and_repeated_samples(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"interleave_bench: none of multi_image_in_domain\.json"):
        TASK.questions(tmp_path)
    with pytest.raises(UserError, match="1 of 4 samples"):
        TASK.questions(write(tmp_path, [*SAMPLES, SAMPLES[0]]))
