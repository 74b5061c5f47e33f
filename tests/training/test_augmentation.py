"""Pictures that change each time they are shown: by seed and place alone, whoever prepares them and however often."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageStat

from chiasm.processing.images import ImageProcessing
from chiasm.training import objectives
from chiasm.training.augmentation import Augmentation
from chiasm.training.config import Augment, Recipe
from chiasm.training.origin import build_model
from chiasm.training.plan import Machine, plan
from chiasm.training.run import run, stage_processor
from tests.training import captioned, micro
from tests.training.processes import Job, start

_ALL = Augment(brightness=0.4, contrast=0.4, saturation=0.4, crop=0.2)
_WRITTEN = "{brightness: 0.4, contrast: 0.4, saturation: 0.4, crop: 0.2}"


def _picture() -> Image.Image:
    """Each pixel says where it is: red its column, green its row."""
    picture = Image.new("RGB", (100, 50))
    picture.putdata([(x, y, 200) for y in range(50) for x in range(100)])
    return picture


def _same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


# ---- one picture -----------------------------------------------------------------------------------------------------


def test_what_is_drawn_depends_on_seed_stage_epoch_sample_and_number() -> None:
    seen = Augmentation(_ALL, 3, "align").of(_picture(), 1, 17, 0)
    assert _same(Augmentation(_ALL, 3, "align").of(_picture(), 1, 17, 0), seen)
    others = [
        Augmentation(_ALL, 4, "align").of(_picture(), 1, 17, 0),
        Augmentation(_ALL, 3, "instruct").of(_picture(), 1, 17, 0),
        Augmentation(_ALL, 3, "align").of(_picture(), 2, 17, 0),
        Augmentation(_ALL, 3, "align").of(_picture(), 1, 18, 0),
        Augmentation(_ALL, 3, "align").of(_picture(), 1, 17, 1),
        Augmentation(_ALL, 3, "align").of(_picture(), 11, 7, 0),  # as digits in a row they would be the same
    ]
    assert not any(_same(other, seen) for other in others)


def test_nothing_asked_for_is_nothing_changed() -> None:
    for epoch in range(20):
        assert _same(Augmentation(Augment(), 0, "align").of(_picture(), epoch, 0), _picture())


def test_each_edge_loses_up_to_its_share() -> None:
    cut = []
    for epoch in range(300):
        shown = Augmentation(Augment(crop=0.25), 0, "align").of(_picture(), epoch, 0)
        (left, top, _), (right, bottom, _) = shown.getpixel((0, 0)), shown.getpixel((shown.width - 1, shown.height - 1))
        assert shown.size == (right - left + 1, bottom - top + 1)
        cut.append((left, 99 - right, top, 49 - bottom))
    for amounts, side in zip(zip(*cut, strict=True), (100, 100, 50, 50), strict=True):
        assert min(amounts) == 0
        assert 0.23 * side < max(amounts) <= 0.25 * side
        assert sum(amounts) / 300 == pytest.approx(side * 0.125 - 0.5, rel=0.15)  # rounded down


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 3)])
def test_a_tiny_picture_stays_one(size: tuple[int, int]) -> None:
    for epoch in range(100):
        shown = Augmentation(Augment(crop=0.25), 0, "align").of(Image.new("RGB", size), epoch, 0)
        assert min(shown.size) >= 1


def _brightness(picture: Image.Image) -> float:
    return ImageStat.Stat(picture.convert("L")).mean[0]


def _spread(picture: Image.Image) -> float:
    return ImageStat.Stat(picture.convert("L")).stddev[0]


@pytest.mark.parametrize(
    ("setting", "measure", "tolerance"),
    [("brightness", _brightness, 0.02), ("contrast", _spread, 0.05)],
)
def test_factors_lie_around_one(setting: str, measure: Callable[[Image.Image], float], tolerance: float) -> None:
    """On a grey picture of two halves neither brightness nor contrast is cut off at black or white."""
    picture = Image.new("RGB", (40, 40), (90, 90, 90))
    picture.paste((130, 130, 130), (0, 0, 20, 40))
    augmentation = Augmentation(Augment(**{setting: 0.3}), 0, "align")
    factors = [measure(augmentation.of(picture, epoch, 0)) / measure(picture) for epoch in range(200)]
    assert 0.7 - tolerance < min(factors) < 0.75
    assert 1.25 < max(factors) < 1.3 + tolerance
    assert sum(factors) / 200 == pytest.approx(1, abs=0.05)


def test_saturation_changes_colours_and_leaves_grey() -> None:
    augmentation = Augmentation(Augment(saturation=0.5), 0, "align")
    grey, red = Image.new("RGB", (8, 8), (120, 120, 120)), Image.new("RGB", (8, 8), (160, 100, 100))
    assert all(_same(augmentation.of(grey, epoch, 0), grey) for epoch in range(20))
    shown = [augmentation.of(red, epoch, 0).getpixel((0, 0)) for epoch in range(100)]
    redder = [red - green for red, green, _ in shown]  # by 60 before
    assert 30 <= min(redder) < 36
    assert 84 < max(redder) <= 90


def test_what_one_setting_draws_does_not_depend_on_the_others() -> None:
    for epoch in range(10):
        alone = Augmentation(Augment(crop=0.2), 0, "align").of(_picture(), epoch, 0)
        assert Augmentation(_ALL, 0, "align").of(_picture(), epoch, 0).size == alone.size


# ---- samples ---------------------------------------------------------------------------------------------------------


def _changing(recipe: Recipe) -> Any:
    """The objective of a recipe's last stage as a run would ask it for samples."""
    model, processor = build_model(recipe)
    name, stage = list(recipe.stages.items())[-1]
    objective: Any = objectives.build(stage, model, stage_processor(processor, stage))
    if stage.augment is not None:
        objective.change_pictures(Augmentation(stage.augment, recipe.seed, name))
    return objective


def test_a_conversation_keeps_its_words_and_its_pictures_change_with_the_epoch(
    micro_world: Path, tmp_path: Path
) -> None:
    first, second = micro.records(micro_world)[:2]
    turns = [{"from": "human", "value": "<image>\n<image>\nThe same?"}, {"from": "gpt", "value": "Yes."}]
    twice = {"id": "twice", "image": [first["image"]] * 2, "conversations": turns}
    (tmp_path / "records.json").write_text(json.dumps([second, twice]))
    changes = (f"stages.instruct.data.records={tmp_path / 'records.json'}", "stages.instruct.data.order=shuffled")
    recipe = micro.recipe(micro_world, *changes, f"stages.instruct.augment={_WRITTEN}")
    changed, plain = _changing(recipe), _changing(micro.recipe(micro_world, *changes))
    for index in (0, 1):
        one, again, other = changed.sample(index, 0), changed.sample(index, 0), changed.sample(index, 1)
        assert torch.equal(one.pixels, again.pixels)
        assert not torch.equal(one.pixels, other.pixels)
        assert not torch.equal(one.pixels, plain.sample(index, 0).pixels)
        for each in (one, other):
            assert torch.equal(each.input_ids, plain.sample(index).input_ids)
            assert torch.equal(each.labels, plain.sample(index).labels)
    same, different = plain.sample(1).pixels, changed.sample(1).pixels
    assert torch.equal(same[0], same[1])
    assert not torch.equal(different[0], different[1])  # each picture of a sample has draws of its own


def test_captioned_pictures_change_and_their_boxes_stay(tmp_path: Path) -> None:
    world = captioned.write(tmp_path / "world")
    colours = "stages.clip.augment={brightness: 0.3, saturation: 0.3}"
    changed, plain = _changing(captioned.recipe(world, colours)), _changing(captioned.recipe(world))
    one, other, before = changed.sample(4, 0), changed.sample(4, 1), plain.sample(4, 1)
    assert not torch.equal(one.pixels, other.pixels)
    assert not torch.equal(one.pixels, before.pixels)
    assert one.ids == other.ids == before.ids
    boxes = [[region.box for region in sample.regions] for sample in (one, other, before)]
    assert boxes[0] == boxes[1] == boxes[2]


# ---- runs ------------------------------------------------------------------------------------------------------------


def _recipe(world: Path, *changes: str) -> Recipe:
    """Two stages with changed pictures, the second into its second epoch and with dropout."""
    pytest.importorskip("peft")
    return micro.recipe(
        world,
        f"stages.align.augment={_WRITTEN}",
        f"stages.instruct.augment={_WRITTEN}",
        "stages.instruct.steps=12",
        "stages.instruct.lora={rank: 2, alpha: 4, dropout: 0.2}",
        "save_every=2",
        *changes,
    )


@pytest.fixture(scope="module")
def unbroken(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("augmentation") / "unbroken"
    run(_recipe(micro_world), folder)
    return folder


def _alike(one: Path, other: Path) -> bool:
    return micro.weights(one) == micro.weights(other) and micro.metrics(one) == micro.metrics(other)


def test_no_number_of_threads_changes_anything(micro_world: Path, tmp_path: Path, unbroken: Path) -> None:
    run(_recipe(micro_world, "workers=5"), tmp_path / "five")
    assert _alike(tmp_path / "five", unbroken)
    run(_recipe(micro_world, "stages.align.augment=null", "stages.instruct.augment=null"), tmp_path / "plain")
    assert not _alike(tmp_path / "plain", unbroken)
    run(_recipe(micro_world, "stages.align.augment={}", "stages.instruct.augment={}"), tmp_path / "zero")
    assert _alike(tmp_path / "zero", tmp_path / "plain")


def test_a_run_that_was_killed_sees_the_same_pictures(micro_world: Path, tmp_path: Path, unbroken: Path) -> None:
    """With dropout, and killed in both epochs of the last stage."""
    recipe, folder = _recipe(micro_world), tmp_path / "run"
    for number, at in enumerate([("align", 3), ("instruct", 4), ("instruct", 11), ("instruct", 12)]):
        with pytest.raises(micro.Killed):
            run(recipe, folder, resume=number > 0, reporter=micro.Recorder(fail_at=at))
    run(recipe, folder, resume=True)
    assert _alike(folder, unbroken)


def test_two_processes_see_what_one_sees(micro_world: Path, tmp_path: Path) -> None:
    """To the last bit where each has one micro-batch of a step; without dropout, which follows the process."""
    halves = [f"stages.{stage}.micro_batch_size=2" for stage in ("align", "instruct")]
    recipe = _recipe(micro_world, *halves, "stages.instruct.lora=null", "workers=2")
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    run(recipe, tmp_path / "one")
    start([(2, [Job(str(tmp_path / "recipe.yaml"), str(tmp_path / "two"))])], tmp_path / "jobs")
    assert _alike(tmp_path / "one", tmp_path / "two")


def test_held_out_pictures_stay_as_they_are(micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the first look nor validation changes any: the stage's 16 samples have a picture each."""
    changed: list[tuple[int, int]] = []
    original = Augmentation.of

    def counted(self: Augmentation, picture: Image.Image, epoch: int, index: int, number: int = 0) -> Image.Image:
        changed.append((epoch, index))
        return original(self, picture, epoch, index, number)

    monkeypatch.setattr(Augmentation, "of", counted)
    held_out = f"stages.align.validation={{records: {micro_world / 'instruct_train.json'}, every: 2, answers: 2}}"
    recipe = micro.recipe(micro_world, f"stages.align.augment={_WRITTEN}", held_out, stages=("align",))
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", reporter=recorder)
    assert len(recorder.validations) == 2
    assert len(changed) == len(set(changed)) == 16
    assert {epoch for epoch, _ in changed} == {0}


def test_a_plan_keeps_no_features_of_changed_pictures(micro_world: Path) -> None:
    before = plan(micro.recipe(micro_world, stages=("align",)), Machine()).as_json()["stages"][0]
    augment = f"stages.align.augment={_WRITTEN}"
    after = plan(micro.recipe(micro_world, augment, stages=("align",)), Machine()).as_json()["stages"][0]
    assert before["cache_bytes"] > 0
    assert after == {**before, "cache_bytes": 0}


def test_a_policy_sees_the_changed_picture(monkeypatch: pytest.MonkeyPatch, micro_world: Path) -> None:
    """Its layout and its pixels are of one size."""
    sizes: dict[str, list[tuple[int, int]]] = {"layout": [], "pixels": []}
    layout, pixels = ImageProcessing.layout, ImageProcessing.pixels

    def layout_of(self: ImageProcessing, width: int, height: int) -> Any:
        sizes["layout"].append((width, height))
        return layout(self, width, height)

    def pixels_of(self: ImageProcessing, picture: Image.Image) -> torch.Tensor:
        sizes["pixels"].append(picture.size)
        return pixels(self, picture)

    objective = _changing(micro.recipe(micro_world, f"stages.instruct.augment={_WRITTEN}"))
    monkeypatch.setattr(ImageProcessing, "layout", layout_of)
    monkeypatch.setattr(ImageProcessing, "pixels", pixels_of)
    for epoch in range(5):
        objective.sample(0, epoch)
    assert sizes["pixels"]
    assert sizes["layout"][: len(sizes["pixels"])] == sizes["pixels"] != [(64, 64)] * len(sizes["pixels"])
