from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.errors import UserError
from chiasm.scenes import dataset
from chiasm.scenes.dataset import WrittenWorld, write
from chiasm.scenes.draw import draw_scene
from chiasm.scenes.questions import SHORT_ANSWER
from chiasm.scenes.world import sample_scene

_NUMBERS = {"num_train": 30, "num_val": 20}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WrittenWorld:
    return write(tmp_path_factory.mktemp("scenes") / "world", seed=3, **_NUMBERS)


def test_the_same_seed_gives_the_same_bytes(world: WrittenWorld, tmp_path: Path) -> None:
    again, other = write(tmp_path / "again", seed=3, **_NUMBERS), write(tmp_path / "other", seed=4, **_NUMBERS)
    assert _bytes(again.folder) == _bytes(world.folder)
    assert not any(_bytes(other.folder)[name] == content for name, content in _bytes(world.folder).items())


def test_everything_named_is_there(world: WrittenWorld) -> None:
    for field in dataclasses.fields(world):
        assert getattr(world, field.name).exists(), field.name
    assert not [name for name in _bytes(world.folder) if name.endswith(".part")]
    for split, num in (("train", 30), ("val", 20)):
        names = sorted(file.name for file in (world.images / split).iterdir())
        assert names == [f"{number:06d}.png" for number in range(num)]


def test_coco_files_are_valid(world: WrittenWorld) -> None:
    image_ids = {}
    for split, num in (("train", 30), ("val", 20)):
        captions, instances = (_json(getattr(world, f"{what}_{split}")) for what in ("captions", "instances"))
        assert captions["images"] == instances["images"]
        assert len(captions["images"]) == num
        image_ids[split] = {image["id"] for image in captions["images"]}
        for image in captions["images"]:
            with Image.open(world.images / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"]) == (64, 64)
                assert picture.mode == "RGB"
        for content in (captions, instances):
            assert content["info"]["seed"] == 3
            ids = [annotation["id"] for annotation in content["annotations"]]
            assert len(set(ids)) == len(ids)
            assert {annotation["image_id"] for annotation in content["annotations"]} == image_ids[split]
        for image_id in image_ids[split]:
            texts = [a["caption"] for a in captions["annotations"] if a["image_id"] == image_id]
            assert len(set(texts)) >= 3
        categories = {category["id"]: category["name"] for category in instances["categories"]}
        for annotation in instances["annotations"]:
            x, y, w, h = annotation["bbox"]
            assert 0 <= x < x + w <= 64
            assert 0 <= y < y + h <= 64
            assert 0.3 * w * h < annotation["area"] <= w * h
            assert annotation["iscrowd"] == 0
            assert annotation["category_id"] in categories
            assert set(annotation["attributes"]) == {"colour", "size"}
    assert not image_ids["train"] & image_ids["val"]


def test_pictures_and_boxes_agree_with_the_scene_graph(world: WrittenWorld) -> None:
    instances = _json(world.instances_train)
    kinds = {category["id"]: category["name"] for category in instances["categories"]}
    files = {image["id"]: image["file_name"] for image in instances["images"]}
    for index in range(30):
        scene = sample_scene(3, index)
        said = [box for box in instances["annotations"] if files[box["image_id"]] == f"train/{index:06d}.png"]
        things = [(kinds[box["category_id"]], *box["attributes"].values(), *box["bbox"]) for box in said]
        boxes = [(thing.box.x, thing.box.y, thing.box.w, thing.box.h) for thing in scene.things]
        assert things == [(t.kind, t.colour, t.size, *box) for t, box in zip(scene.things, boxes, strict=True)]
        with Image.open(world.images / f"train/{index:06d}.png") as picture:
            assert picture.tobytes() == draw_scene(scene).tobytes()


@pytest.mark.parametrize("name", ["align_train", "instruct_train", "text_train"])
def test_llava_files_are_valid(world: WrittenWorld, name: str) -> None:
    records = _json(getattr(world, name))
    assert len(records) == len({record["id"] for record in records}) == 30
    for record in records:
        turns = record["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert all(turn["value"].strip() == turn["value"] != "" for turn in turns)
        text = json.dumps(turns)
        if name == "text_train":
            assert "image" not in record
            assert "<image>" not in text
        else:
            assert (world.images / record["image"]).is_file()
            assert turns[0]["value"].startswith("<image>\n")
            assert text.count("<image>") == 1
        asked_short = [human["value"].endswith(f"\n{SHORT_ANSWER}") for human in turns[::2]]
        is_short = [" " not in gpt["value"] for gpt in turns[1::2]]
        # Said once, at the first question that wants one word for an answer.
        assert asked_short == [short and True not in is_short[:i] for i, short in enumerate(is_short)]
    assert (len(records[0]["conversations"]) == 2) == (name == "align_train")


def test_questions_are_on_validation_pictures_one_of_a_kind_each(world: WrittenWorld) -> None:
    questions = _json(world.questions_val)
    assert set(questions[0]) == {"id", "image", "kind", "question", "answer"}
    assert len({(question["image"], question["kind"]) for question in questions}) == len(questions)
    assert {question["kind"] for question in questions} == {"colour", "existence", "count", "kind", "relation"}
    assert all((world.images / question["image"]).is_file() for question in questions)
    for kind in ("existence", "relation"):
        answers = [question["answer"] for question in questions if question["kind"] == kind]
        assert abs(answers.count("yes") - answers.count("no")) <= 1
    assert all(question["image"].startswith("val/") for question in questions)


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bytes(
    world: WrittenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, drawn = tmp_path / "world", []

    def draw_a_few(scene: Any) -> Image.Image:
        if len(drawn) == 17:
            raise KeyboardInterrupt
        drawn.append(scene.id)
        return draw_scene(scene)

    monkeypatch.setattr(dataset, "draw_scene", draw_a_few)
    with pytest.raises(KeyboardInterrupt):
        write(out, seed=3, **_NUMBERS)
    (out / "images/train/000005.png").write_bytes(b"")  # what a power cut may leave
    monkeypatch.setattr(dataset, "draw_scene", lambda scene: drawn.append(scene.id) or draw_scene(scene))
    write(out, seed=3, **_NUMBERS)
    assert _bytes(out) == _bytes(world.folder)
    assert len(drawn) == 50 + 1


def test_a_complete_world_is_left_alone_but_for_what_is_missing(world: WrittenWorld, tmp_path: Path) -> None:
    files = write(tmp_path / "world", seed=3, **_NUMBERS)
    files.align_train.unlink()
    files.instruct_train.write_text("mine")
    (files.images / "train/000001.png").write_bytes(b"mine")
    (files.images / "val/000002.png").unlink()
    write(files.folder, seed=3, **_NUMBERS)
    assert files.align_train.read_bytes() == world.align_train.read_bytes()
    assert (files.images / "val/000002.png").read_bytes() == (world.images / "val/000002.png").read_bytes()
    assert files.instruct_train.read_text() == "mine"
    assert (files.images / "train/000001.png").read_bytes() == b"mine"


def test_a_world_grows(world: WrittenWorld, tmp_path: Path) -> None:
    write(tmp_path / "world", seed=3, num_train=10, num_val=20)
    grown = write(tmp_path / "world", seed=3, **_NUMBERS)
    assert _bytes(grown.folder) == _bytes(world.folder)


def test_validation_does_not_depend_on_the_number_of_training_pictures(world: WrittenWorld, tmp_path: Path) -> None:
    other = write(tmp_path / "world", seed=3, num_train=2, num_val=20, num_text=5)
    for name in ("questions_val", "captions_val", "instances_val"):
        assert getattr(other, name).read_bytes() == getattr(world, name).read_bytes()
    assert len(_json(other.text_train)) == 5


def test_other_folders_are_refused(world: WrittenWorld, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"seed 3.*asked for.*seed 9"):
        write(world.folder, seed=9, **_NUMBERS)
    with pytest.raises(UserError, match="another drawn world"):
        write(world.folder, seed=3, size=96, **_NUMBERS)
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(UserError, match="not empty"):
        write(tmp_path, **_NUMBERS)
    with pytest.raises(UserError, match="cannot be used as a folder"):
        write(tmp_path / "holiday.jpg", **_NUMBERS)
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("wrong", [{"num_train": 0}, {"num_val": -1}, {"num_text": 0}, {"size": 16}])
def test_numbers_that_make_no_world_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    numbers = {"num_train": 2, "num_val": 2, **wrong}
    with pytest.raises(UserError, match=str(next(iter(wrong.values())))):
        write(tmp_path / "world", **numbers)
    assert not (tmp_path / "world").exists()


def test_other_sizes_are_drawn(tmp_path: Path) -> None:
    files = write(tmp_path / "world", num_train=2, num_val=1, size=96)
    with Image.open(files.images / "train/000000.png") as picture:
        assert picture.size == (96, 96)


def test_nothing_is_shown_where_there_is_no_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "world", num_train=2, num_val=1)
    assert capfd.readouterr() == ("", "")


def test_the_drawn_world_needs_no_torch() -> None:
    code = "import sys, chiasm.scenes.dataset; print('torch' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
