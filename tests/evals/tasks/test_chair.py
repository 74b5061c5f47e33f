"""CHAIR: what is there by boxes and by captions, mentions of what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.run import check_keys
from chiasm.evals.tasks.chair import TASK

IMAGES = [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}]
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}, {"id": 62, "name": "chair"}]
INSTANCES = {
    "images": IMAGES,
    "categories": CATEGORIES,
    "annotations": [
        {"image_id": 1, "category_id": 18, "bbox": [0, 0, 1, 1], "segmentation": [[1, 2, 3, 4, 5, 6]]},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": 1, "segmentation": {"counts": [1]}},
    ],
}
CAPTIONS = {
    "images": IMAGES,
    "annotations": [{"image_id": 1, "caption": "A dog on a bench."}, {"image_id": 2, "caption": "An empty street."}],
}


def write(folder: Path, instances: object = INSTANCES, captions: object = CAPTIONS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "instances_val2014.json").write_text(json.dumps(instances))
    (folder / "captions_val2014.json").write_text(json.dumps(captions))
    return folder


@pytest.mark.parametrize("place", ["", "annotations", "coco/annotations"])
def test_what_is_there(tmp_path: Path, place: str) -> None:
    write(tmp_path / place)
    questions = TASK.questions(tmp_path)
    assert [(q.id, q.reference) for q in questions] == [(1, ("person", "bench", "dog")), (2, ())]
    check_keys("chair", TASK, questions)


def test_prompt(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    question = TASK.questions(write(tmp_path))[0]
    check_golden("evals/chair.txt", f"{question.id}\n{question.text}\n{TASK.max_tokens} tokens\n")


def test_mentions(tmp_path: Path) -> None:
    """Four mentions, one of an absent chair; one of two descriptions has it; two of three objects are mentioned."""
    questions = TASK.questions(write(tmp_path))
    texts = {"1": "A man with his dog. The dog lies beside a chair.", "2": "A street."}
    marks = TASK.mark(questions, texts, "published")
    assert [(mark.value, mark.read_as) for mark in marks] == [(0.0, "person, dog, chair (absent)"), (1.0, "")]
    assert TASK.metrics(marks) == pytest.approx({"chair_i": 25.0, "chair_s": 50.0, "recall": 100 * 2 / 3})


def test_saying_nothing_is_no_hallucination_but_is_counted(tmp_path: Path) -> None:
    marks = TASK.mark(TASK.questions(write(tmp_path)), {"1": " ", "2": ""}, "published")
    assert all(mark.invalid for mark in marks)
    assert TASK.metrics(marks) == TASK.metrics([]) == {"chair_i": 0.0, "chair_s": 0.0, "recall": 0.0}


def test_real_captions_mention_what_is_there(shared_data: Path) -> None:
    """A person's caption is part of the truth; that of another picture mentions much that is not there."""
    questions = TASK.questions(shared_data / "coco")
    assert len(questions) == 80
    file = json.loads((shared_data / "coco/annotations/captions_val.json").read_text("utf-8"))
    said = {str(each["image_id"]): each["caption"] for each in file["annotations"]}
    assert TASK.metrics(TASK.mark(questions, said, "published"))["chair_i"] == 0
    keys = list(said)
    moved = {key: said[keys[place - 1]] for place, key in enumerate(keys)}
    assert TASK.metrics(TASK.mark(questions, moved, "published"))["chair_i"] > 60


def test_results_in_cocos_form_are_read(tmp_path: Path) -> None:
    questions = TASK.questions(write(tmp_path))
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"image_id": 1, "caption": "A dog"}, {"image_id": 2, "caption": "x"}]))
    assert TASK.read_answers is not None
    assert TASK.read_answers(path, questions) == {"1": "A dog", "2": "x"}


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        ({**INSTANCES, "images": IMAGES[:1]}, "1 of 2 pictures of captions_val2014.json are not in its instances"),
        (
            {**INSTANCES, "categories": [*CATEGORIES, {"id": 7, "name": "heart"}]},
            r"1 of 4 .* not COCO's \(first: heart",
        ),
        ({**INSTANCES, "categories": CATEGORIES[:1]}, "a box is in no listed picture or category"),
        ({"images": IMAGES}, "a list of objects 'categories'"),
    ],
)
def test_broken_files(tmp_path: Path, instances: object, said: str) -> None:
    write(tmp_path, instances)
    with pytest.raises(UserError, match=said):
        TASK.questions(tmp_path)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="chair: none of its files"):
        TASK.questions(tmp_path)
    (write(tmp_path) / "instances_val2014.json").unlink()
    with pytest.raises(UserError, match=r"instances_val2014.json is missing"):
        TASK.questions(tmp_path)
