"""A drawn world on disk: its files in their formats, the same bytes again, stopped and gone on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.data.check import check
from chiasm.data.conversations import ConversationFile
from chiasm.errors import UserError
from chiasm.evals.tasks import caption, caption_zh, pope, scenes, scenes_zh, vqav2
from chiasm.evals.tasks._drawn import Truth
from chiasm.scenes import shards
from chiasm.scenes.drawing.compose import Drawn, draw
from chiasm.scenes.formats.drills import DRILLS
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.layout import WrittenWorld
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Scene
from chiasm.scenes.writing import WORLD_FORMAT, write_world

ROOT = Path(__file__).resolve().parents[2]
NUMBERS: dict[str, Any] = {"num": 30, "num_val": 20, "num_test": 7, "num_text": 9, "size": 64}
SPLITS = {"train": 30, "val": 20, "test": 7}
FIRST = {"train": 0, "val": 10_000_000, "test": 20_000_000}
TRAINING = ("align_train", "instruct_train", "mixture_train", "practice_train", "text_train")


@pytest.fixture(scope="module", autouse=True)
def small_shards() -> Iterator[None]:
    """Four shards of training pictures instead of one, so that there is something to stop between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PICTURES_A_SHARD", 8)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WrittenWorld:
    return write_world(tmp_path_factory.mktemp("drawn") / "world", seed=3, workers=1, **NUMBERS)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# ---- the same bytes --------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_from_any_number_of_processes(world: WrittenWorld, tmp_path: Path) -> None:
    again = write_world(tmp_path / "again", seed=3, workers=2, **NUMBERS)
    assert files_of(again.folder) == files_of(world.folder)


def test_another_seed_gives_other_bytes(world: WrittenWorld, tmp_path: Path) -> None:
    other = files_of(write_world(tmp_path / "other", seed=4, workers=1, **NUMBERS).folder)
    assert other.keys() == files_of(world.folder).keys()
    assert not [name for name, content in files_of(world.folder).items() if other[name] == content]


def test_held_out_pictures_do_not_depend_on_how_much_there_is_to_train_on(world: WrittenWorld, tmp_path: Path) -> None:
    numbers = {**NUMBERS, "num": 3, "num_text": 2}
    other = files_of(write_world(tmp_path / "world", seed=3, workers=1, **numbers).folder)
    same = [name for name in other if "val" in name or "test" in name]
    assert len(same) > 40
    assert all(other[name] == content for name, content in files_of(world.folder).items() if name in same)


def test_the_readme_says_which_command_writes_the_same_files_again(world: WrittenWorld) -> None:
    said = world.readme.read_text(encoding="utf-8")
    assert "--num 30 --num-val 20 --num-test 7 --num-text 9" in said
    assert "--seed 3 --size 64" in said
    for path in world.folder.rglob("*.json"):
        if path != world.manifest:
            assert f"`{path.relative_to(world.folder).as_posix()}` |" in said


# ---- COCO ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_boxes_and_areas_are_those_of_the_scenes(world: WrittenWorld, split: str) -> None:
    instances = read(world.instances(split))
    assert sorted(path.name for path in (world.images / split).iterdir()) == [
        f"{number:06d}.png" for number in range(SPLITS[split])
    ]
    kinds = {category["id"]: category["name"] for category in instances["categories"]}
    assert list(kinds.values()) == [kind.name for kind in KINDS]
    annotated: dict[int, list[dict[str, Any]]] = {}
    for annotation in instances["annotations"]:
        annotated.setdefault(annotation["image_id"], []).append(annotation)
    for number, image in enumerate(instances["images"]):
        scene = sample_scene(3, FIRST[split] + number, 64)
        drawn = draw(scene)
        assert image == {
            "id": scene.id,
            "file_name": f"{split}/{number:06d}.png",
            "width": scene.width,
            "height": scene.height,
        }
        with Image.open(world.images / image["file_name"]) as picture:
            assert picture.tobytes() == drawn.image.tobytes()
        for thing, area, said in zip(scene.things, drawn.areas, annotated[scene.id], strict=True):
            assert (kinds[said["category_id"]], said["area"], said["iscrowd"]) == (thing.kind, area, 0)
            x, y, w, h = said["bbox"]
            box = x / scene.width, y / scene.height, (x + w) / scene.width, (y + h) / scene.height
            assert box == pytest.approx((thing.box.x0, thing.box.y0, thing.box.x1, thing.box.y1), abs=1e-3)
            assert said["attributes"]["colour"] == thing.colour
            assert all(said["phrases"][language] for language in ("en", "zh"))
    ids = [annotation["id"] for annotation in instances["annotations"]]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 0


@pytest.mark.parametrize("split", SPLITS)
def test_every_picture_has_five_captions_in_each_language(world: WrittenWorld, split: str) -> None:
    for language in ("en", "zh"):
        captions = read(world.captions(split, language))
        assert captions["images"] == read(world.instances(split))["images"]
        assert captions["info"]["seed"] == 3
        by_picture = Counter(each["image_id"] for each in captions["annotations"])
        assert by_picture == {image["id"]: 5 for image in captions["images"]}
        is_chinese = ["\u4e00" <= each["caption"][0] <= "\u9fff" for each in captions["annotations"]]
        assert set(is_chinese) == {language == "zh"}
        assert len({each["id"] for each in captions["annotations"]}) == len(captions["annotations"])


def test_pycocotools_reads_the_annotations_and_finds_them_right(world: WrittenWorld) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    truth = coco.COCO(str(world.instances("val")))
    found = [
        {"image_id": each["image_id"], "category_id": each["category_id"], "bbox": each["bbox"], "score": 0.9}
        for each in truth.dataset["annotations"]
    ]
    measured = evaluation.COCOeval(truth, truth.loadRes(found), "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    assert measured.stats[0] == pytest.approx(1.0)
    captions = coco.COCO(str(world.captions("val", "zh")))
    assert len(captions.getAnnIds(imgIds=[10_000_000])) == 5


# ---- LLaVA's files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*TRAINING, *(f"drills/{drill}_train" for drill in DRILLS)])
def test_training_files_pass_the_check(world: WrittenWorld, name: str) -> None:
    path = world.folder / f"{name}.json"
    file = ConversationFile(path, world.images)
    report = check(file, None, lambda _: None)
    assert report.num_usable == report.num_samples > 0
    records = read(path)
    assert len({record["id"] for record in records}) == len(records)
    for record in records:
        for turn in record["conversations"]:
            assert turn["value"].strip() == turn["value"] != ""


def test_every_picture_comes_in_both_languages_and_in_every_file(world: WrittenWorld) -> None:
    for name, least in (("align_train", 60), ("instruct_train", 80), ("mixture_train", 90)):
        records = read(getattr(world, name))
        assert len(records) >= least
        chinese = sum(record["id"].endswith("_zh") for record in records)
        assert abs(chinese - len(records) / 2) <= 0.06 * len(records)
        for record in records:
            human = record["conversations"][0]["value"].removeprefix("<image>\n")
            if "region" not in record["id"]:
                assert any("\u4e00" <= letter <= "\u9fff" for letter in human) == record["id"].endswith("_zh")
    with_pictures = [r for n in TRAINING[:3] for r in read(getattr(world, n)) if isinstance(r.get("image"), str)]
    assert {record["image"] for record in with_pictures} == {f"train/{number:06d}.png" for number in range(30)}


def test_the_mixture_has_everything(world: WrittenWorld) -> None:
    records = read(world.mixture_train)
    text = json.dumps(records, ensure_ascii=False)
    for prompt in (
        "Answer the question using a single word or phrase.",
        "Answer with the option's letter from the given choices directly.",
        "Provide a short description for this region.",
        "Provide the bounding box coordinate of the region this sentence describes.",
        "请用一个词或短语回答。",
        "请直接回答选项的字母。",
    ):
        assert prompt in text
    two = [record for record in records if isinstance(record.get("image"), list)]
    assert two
    for record in two:
        first, second = (int(Path(name).stem) for name in record["image"])
        assert first ^ 1 == second
        assert record["conversations"][0]["value"].startswith("<image>\n<image>\n")
    assert any("image" not in record for record in records)
    assert all(("image" in record) == ("<image>" in json.dumps(record)) for record in records)


def test_texts_are_told_before_they_are_asked_about(world: WrittenWorld) -> None:
    records = read(world.text_train)
    assert "<image>" not in json.dumps(records)
    told = [record for record in records if record["id"].startswith("text_")]
    assert len(told) == 9
    assert all("\n" in record["conversations"][0]["value"] for record in told)
    assert any(record["id"].startswith("talk_") for record in records)


# ---- benchmarks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_are_one_of_a_kind_and_half_of_them_yes(world: WrittenWorld, language: str) -> None:
    questions = read(world.questions("val", language))
    named = [(question.get("image") or question["images"][0], question["kind"]) for question in questions]
    assert len(set(named)) == len(named)
    assert {"existence", "colour", "count", "option", "text_to_box", "compare", "describe"} <= {k for _, k in named}
    assert "count_none" not in {kind for _, kind in named}
    assert {name for name, _ in named} == {f"val/{number:06d}.png" for number in range(20)}
    answers = Counter(question["answer"] for question in questions if question["kind"] == "existence")
    yes, no = (("yes", "no"), ("有", "没有"))[language == "zh"]
    assert answers == {yes: 10, no: 10}
    for question in questions:
        if question["style"] == "option":
            assert "ABCD".index(question["answer"]) < len(question["options"])
        if question["style"] == "read":
            assert "OCR" not in question["question"]


@pytest.mark.parametrize(("task", "language"), [(scenes.TASK, "en"), (scenes_zh.TASK, "zh")])
def test_the_true_answers_are_all_right_and_keep_to_the_format(world: WrittenWorld, task: Any, language: str) -> None:
    questions = task.questions(world.folder)
    assert len(questions) == len(read(world.questions("test", language)))
    texts = {}
    for question in questions:
        assert isinstance(question.reference, Truth)
        assert all(Path(str(image)).is_file() for image in question.images)
        texts[question.key] = question.reference.answer
    metrics = task.metrics(task.mark(questions, texts, "published"))
    assert metrics == pytest.approx(dict.fromkeys(metrics, 100.0))
    assert {"accuracy", "accuracy_text_to_box", "existence_f1", "format"} <= metrics.keys()


@pytest.mark.parametrize("split", ["val", "test"])
def test_pope_asks_for_as_many_that_are_there_as_that_are_not(world: WrittenWorld, split: str) -> None:
    questions = pope.TASK.questions(world.pope(split))
    assert Counter(question.category for question in questions).keys() == {"random", "popular", "adversarial"}
    assert len(set(Counter((q.category, q.reference) for q in questions).values())) == 1
    for question in questions:
        path = Path(str(question.images[0]))
        assert path.is_file()
        kinds = {thing.kind for thing in sample_scene(3, FIRST[split] + int(path.stem), 64).things}
        named = question.text.split("\n")[0].removeprefix("Is there a").removesuffix(" in the image?")
        assert (named.removeprefix("n ").strip() in kinds) == (question.reference == "yes")


@pytest.mark.parametrize("split", ["val", "test"])
def test_vqa_and_captions_are_read_by_their_tasks(world: WrittenWorld, split: str) -> None:
    questions = vqav2.TASK.questions(world.vqa(split))
    assert all(Path(str(question.images[0])).is_file() for question in questions)
    marks = vqav2.TASK.mark(questions, {q.key: q.reference[0] for q in questions}, "published")  # type: ignore[index]
    assert vqav2.TASK.metrics(marks)["accuracy"] == 100
    for task, language in ((caption.TASK, "en"), (caption_zh.TASK, "zh")):
        captioned = task.questions(world.caption(split))
        assert len(captioned) == SPLITS[split]
        assert Path(str(captioned[0].images[0])).is_file()
        said = [each["caption"] for each in read(world.captions(split, language))["annotations"]]
        marks = task.mark(captioned, {q.key: said[5 * n] for n, q in enumerate(captioned)}, "published")
        assert task.metrics(marks)["bleu_1"] == pytest.approx(100)


# ---- stopped, gone on, refused ---------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_and_ends_in_the_same_bytes(
    world: WrittenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "world"
    drawn: list[int] = []
    most = 19

    def noted(scene: Scene) -> Drawn:
        if len(drawn) == most:
            raise KeyboardInterrupt
        drawn.append(scene.id)
        return draw(scene)

    monkeypatch.setattr(shards, "draw", noted)
    with pytest.raises(KeyboardInterrupt):
        write_world(out, seed=3, workers=1, **NUMBERS)
    (out / "images/train/000005.png").write_bytes(b"")  # what a power cut may leave of a finished shard of 8
    (out / "images/train/.000018.png.partial").write_bytes(b"half")
    drawn.clear()
    most = 1000
    write_world(out, seed=3, workers=1, **NUMBERS)
    # The first shard again, not the second; the third and fourth, and what is held out.
    assert sorted(drawn) == [*range(8), *range(16, 30), *range(10_000_000, 10_000_020), *range(20_000_000, 20_000_007)]
    left = files_of(out)
    assert left.pop("images/train/.000018.png.partial", None) is None
    assert left == files_of(world.folder)


def test_a_complete_world_is_left_alone_and_a_lost_file_written_again(
    world: WrittenWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = WrittenWorld(tmp_path / "world")
    shutil.copytree(world.folder, out.folder)
    monkeypatch.setattr(shards, "draw", lambda scene: pytest.fail("drawn again"))
    out.align_train.write_text("mine")
    write_world(out.folder, seed=3, workers=1, **NUMBERS)
    assert out.align_train.read_text() == "mine"
    monkeypatch.setattr(shards, "draw", draw)
    for lost in (out.questions("val"), out.images / "test/000003.png"):
        lost.unlink()
        write_world(out.folder, seed=3, workers=1, **NUMBERS)
        assert files_of(out.folder) == files_of(world.folder)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seed": 9}, r"seed 3; asked for seed 9"),
        ({"size": 96}, r"size 64; asked for size 96"),
        ({"num": 31}, r"train 30; asked for train 31"),
        ({"num_test": 8}, r"test 7; asked for test 8"),
    ],
)
def test_another_world_in_the_folder_is_refused(world: WrittenWorld, changed: dict[str, int], says: str) -> None:
    before = files_of(world.folder)
    with pytest.raises(UserError, match=says) as error:
        write_world(world.folder, workers=1, **{"seed": 3, **NUMBERS, **changed})
    assert "\n" not in str(error.value)
    assert files_of(world.folder) == before


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(UserError, match="not empty"):
        write_world(tmp_path, **NUMBERS)
    with pytest.raises(UserError, match="cannot be used as a folder"):
        write_world(tmp_path / "holiday.jpg", **NUMBERS)
    (tmp_path / "w").mkdir()
    (tmp_path / "w/world.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        write_world(tmp_path / "w", **NUMBERS)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"num": 0}, "0 pictures of the split train"),
        ({"num_val": -1}, "-1 pictures of the split val"),
        ({"num_text": 10_000_001}, "10000001 scenes in words"),
        ({"size": 16}, "pictures of 16 pixels"),
        ({"workers": 0}, "0 processes"),
    ],
)
def test_numbers_that_make_no_world(tmp_path: Path, changed: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=says):
        write_world(tmp_path / "w", **{**NUMBERS, **changed})
    assert not (tmp_path / "w").exists()


@pytest.mark.skipif(os.name == "nt", reason="no such locks")
def test_two_processes_do_not_write_one_world(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "w/.shards").mkdir(parents=True)
    (tmp_path / "w/world.json").write_text(
        json.dumps({"format": WORLD_FORMAT, "seed": 3, "size": 64, "train": 30, "val": 20, "test": 7, "text": 9})
    )
    with (tmp_path / "w/.shards/lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process"):
            write_world(tmp_path / "w", seed=3, workers=1, **NUMBERS)


def test_a_single_picture_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    world = write_world(tmp_path / "w", num=1, num_val=1, num_text=1, size=64, workers=1)
    assert not [record for record in read(world.mixture_train) if isinstance(record.get("image"), list)]
    assert not [question for question in read(world.questions("test")) if question["kind"] == "compare"]


def test_workers_import_no_torch_and_no_terminal() -> None:
    code = "import sys, chiasm.scenes.writing; print({'torch', 'rich', 'transformers'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    assert ran.stdout == "set()\n"
