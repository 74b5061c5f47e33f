from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chiasm.scenes import dataset
from chiasm.scenes.dataset import WrittenWorld

_SPLITS = ("random", "popular", "adversarial")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WrittenWorld:
    return dataset.write(tmp_path_factory.mktemp("scenes") / "world", num_train=1, num_val=60, seed=5)


def _things(world: WrittenWorld) -> dict[str, set[str]]:
    """Picture to the kinds of things in it, from the COCO file."""
    instances = json.loads(world.instances_val.read_text())
    names = {category["id"]: category["name"] for category in instances["categories"]}
    files = {image["id"]: image["file_name"] for image in instances["images"]}
    things: dict[str, set[str]] = {file: set() for file in files.values()}
    for annotation in instances["annotations"]:
        things[files[annotation["image_id"]]].add(names[annotation["category_id"]])
    return things


def _pope(world: WrittenWorld, split: str) -> list[dict[str, Any]]:
    lines = (world.pope_val / f"coco_pope_{split}.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _asked_for(record: dict[str, Any]) -> str:
    return str(record["text"]).removesuffix(" in the image?").split()[-1]


@pytest.mark.parametrize("split", _SPLITS)
def test_pope_tells_the_truth_about_each_picture_half_yes_half_no(world: WrittenWorld, split: str) -> None:
    things = _things(world)
    records = _pope(world, split)
    for record in records:
        assert (_asked_for(record) in things[record["image"]]) == (record["label"] == "yes")
        assert (world.images / record["image"]).is_file()
    assert Counter(record["label"] for record in records) == {"yes": len(records) // 2, "no": len(records) // 2}
    assert [record["question_id"] for record in records] == list(range(1, len(records) + 1))


def test_popes_splits_ask_for_other_absent_things_and_the_same_present_ones(world: WrittenWorld) -> None:
    frequency = Counter(kind for kinds in _things(world).values() for kind in kinds)
    asked = {split: _pope(world, split) for split in _SPLITS}
    yes = [[r["text"] for r in asked[split] if r["label"] == "yes"] for split in _SPLITS]
    assert yes[0] == yes[1] == yes[2]
    means = {
        split: sum(frequency[_asked_for(r)] for r in asked[split] if r["label"] == "no") / len(asked[split])
        for split in _SPLITS
    }
    assert means["popular"] > means["random"]


def test_vqa_files_have_the_official_form_and_belong_together(world: WrittenWorld) -> None:
    questions = json.loads(world.vqa_questions_val.read_text())["questions"]
    annotations = json.loads(world.vqa_annotations_val.read_text())["annotations"]
    assert [q["question_id"] for q in questions] == [a["question_id"] for a in annotations]
    assert len({q["question_id"] for q in questions}) == len(questions)
    own = json.loads(world.questions_val.read_text())
    assert [(q["image"], a["multiple_choice_answer"]) for q, a in zip(questions, annotations, strict=True)] == [
        (one["image"], one["answer"]) for one in own
    ]
    assert all(len(annotation["answers"]) == 10 for annotation in annotations)
    types = {a["answer_type"] for a in annotations}
    assert types == {"yes/no", "number", "other"}


def test_a_world_written_before_these_files_gets_them(tmp_path: Path) -> None:
    world = dataset.write(tmp_path / "world", num_train=1, num_val=2, seed=5)
    wanted = world.vqa_questions_val.read_bytes()
    world.vqa_questions_val.unlink()
    dataset.write(tmp_path / "world", num_train=1, num_val=2, seed=5)
    assert world.vqa_questions_val.read_bytes() == wanted
