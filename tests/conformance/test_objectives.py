"""What the loop expects of any objective, asked of every file in the folder."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from chiasm.conversation import RecordError
from chiasm.errors import UserError
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.pictures import PictureError
from chiasm.training import objectives
from chiasm.training.loop import freeze, trained_parameters
from chiasm.training.objectives import Objective
from chiasm.training.objectives.patches import Patches
from chiasm.training.origin import build_model
from chiasm.training.run import stage_processor
from tests.training import micro

# The stage of the recipe `tiny` that uses the objective; a new objective needs its own here.
# `clip` compares samples with each other, so that a batch does not lose what they lose alone: its tests are its own.
_STAGES = {"answers": "instruct", "patches": "see"}


@pytest.fixture(params=[name for name in objectives.REGISTRY.names() if name != "clip"])
def built(request: pytest.FixtureRequest, micro_world: Path) -> tuple[Objective, Llava]:
    """An objective on the drawn world, and a model whose parts train as its stage says."""
    recipe = micro.recipe(micro_world, stages=(_STAGES[request.param],))
    model, processor = build_model(recipe)
    (stage,) = recipe.stages.values()
    assert stage.objective == request.param
    freeze(model, stage, torch.float32)
    return objectives.build(stage, model, stage_processor(processor, stage)), model


def test_samples_are_counted_named_and_ordered(built: tuple[Objective, Llava]) -> None:
    objective, _ = built
    assert len(objective) == 40
    assert len({objective.name(index) for index in range(40)}) == 40
    orders = [objective.order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert objective.order(1, 1) == orders[3]
    assert len(objective.digest()) == 64
    assert objective.notes() == []


def test_a_batch_loses_what_its_samples_lose(built: tuple[Objective, Llava]) -> None:
    objective, model = built
    samples = [objective.sample(index) for index in range(6)]
    with torch.no_grad():
        whole = objective.loss(model, objective.collate(samples))
        parts = [objective.loss(model, objective.collate([sample])) for sample in samples]
    assert whole.num_targets == sum(objective.num_targets(sample) for sample in samples) > 0
    assert [part.num_targets for part in parts] == [objective.num_targets(sample) for sample in samples]
    assert float(whole.sum) == pytest.approx(sum(float(part.sum) for part in parts), rel=1e-4)


def test_a_sample_is_the_same_each_time(built: tuple[Objective, Llava]) -> None:
    objective, _ = built
    one, two = objective.collate([objective.sample(5)]), objective.collate([objective.sample(5)])
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_gradient_reaches_what_trains_and_nothing_else(built: tuple[Objective, Llava]) -> None:
    objective, model = built
    objective.loss(model, objective.collate([objective.sample(i) for i in range(12)])).sum.backward()
    head = objective.head()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    allowed = {name for name, p in model.named_parameters() if p.requires_grad}
    assert reached
    assert reached <= allowed
    assert head is None or all(bool(p.grad.any()) for p in head.parameters() if p.grad is not None)


def test_learning_lowers_the_loss(built: tuple[Objective, Llava]) -> None:
    objective, model = built
    batch = objective.collate([objective.sample(i) for i in range(8)])
    parameters = [p for p in model.parameters() if p.requires_grad]
    parameters += list(objective.head().parameters()) if objective.head() is not None else []  # type: ignore[union-attr]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = objective.loss(model, batch)
        loss.sum.div(loss.num_targets).backward()
        optimizer.step()
        losses.append(loss.sum.item() / loss.num_targets)
    assert losses[-1] < 0.8 * losses[0]


def test_the_head_is_trained_under_names_of_its_own(built: tuple[Objective, Llava], micro_world: Path) -> None:
    objective, model = built
    name = type(objective).__module__.rpartition(".")[2]
    (stage,) = micro.recipe(micro_world, stages=(_STAGES[name],)).stages.values()
    named = [name for group in trained_parameters(model, objective.head(), stage).values() for name, _ in group]
    assert len(named) == len(set(named))
    assert any(name.startswith("head.") for name in named) == (objective.head() is not None)


# ---- boxes to patches ------------------------------------------------------------------------------------------------

_COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 32}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 64, 32], "attributes": {"colour": "red"}},
        {"id": 2, "image_id": 7, "category_id": 9, "bbox": [32, 16, 16, 16]},
    ],
}


def _patches(folder: Path, world: Path, **changes: Any) -> Patches:
    coco = {**copy.deepcopy(_COCO), **changes}
    (folder / "instances.json").write_text(json.dumps(coco))
    Image.new("RGB", (64, 32), (200, 0, 0)).save(folder / "a.png")
    recipe = micro.recipe(
        world,
        f"stages.see.data.records={folder / 'instances.json'}",
        f"stages.see.data.images={folder}",
        stages=("see",),
    )
    model, _ = build_model(recipe)
    return Patches(recipe.stages["see"], model, ImageProcessing(policy="pad", size=64, patch_size=8))


def _box(*bbox: float, **more: Any) -> dict[str, Any]:
    return {"image_id": 7, "category_id": 1, "bbox": list(bbox), **more}


def test_each_patch_names_what_lies_on_it(micro_world: Path, tmp_path: Path) -> None:
    classes = _patches(tmp_path, micro_world).sample(0).classes.view(8, 8, 2)
    category, colour = classes[..., 0], classes[..., 1]
    # The picture is twice as wide as high: padded above and below, rows 2 to 5 of 8.
    assert category[[0, 1, 6, 7]].eq(0).all()
    assert category[2:4].eq(1).all()  # category 3 is the first of those named
    assert category[4:6, 4:6].eq(2).all()  # the smaller box lies on the larger
    assert category[4:6, :4].eq(1).all()
    assert colour[2:4].eq(1).all()
    assert colour[4:6, 4:6].eq(0).all()  # nothing is said of its colour


def test_each_patch_tells_the_sides_of_its_box(micro_world: Path, tmp_path: Path) -> None:
    sides = _patches(tmp_path, micro_world).sample(0).sides.view(8, 8, 4)
    assert sides[2, 0].tolist() == [0, 0.25, 1, 0.75]
    assert sides[5, 5].tolist() == [0.5, 0.5, 0.75, 0.75]
    assert sides[0].eq(0).all()


def test_an_attribute_costs_nothing_where_it_is_not_said_and_more_the_rarer_it_is(
    micro_world: Path, tmp_path: Path
) -> None:
    patches = _patches(tmp_path, micro_world)
    model, _ = build_model(micro.recipe(micro_world, stages=("see",)))
    batch = patches.collate([patches.sample(0)])
    head = patches.head()
    assert head is not None
    colour = head.get_submodule("classes.1")
    losses = []
    with torch.no_grad():
        for surely in ([5.0, 0.0], [0.0, 5.0]):  # nothing is said; red
            colour.weight.zero_()
            colour.bias.copy_(torch.tensor(surely))
            losses.append(float(patches.loss(model, batch).sum))
    # Red are 8 x 4 patches less the 2 x 2 of the smaller box; one box of two says its colour, so it weighs twice.
    assert losses[0] - losses[1] == pytest.approx(2 * 28 * 5, rel=1e-4)


@pytest.mark.parametrize(
    ("bbox", "num"),
    [
        ((-40, 0, 48, 32), 4),  # most of it lies left of the picture
        ((60, 0, 100, 8), 1),  # and here right of it
        ((200, 0, 5, 5), 0),
        ((3, 3, 0, 0), 1),  # a point still lies on a patch
        ((0, 0, 1e9, 1e9), 48),
    ],
)
def test_boxes_beyond_the_picture_stay_in_it(
    micro_world: Path, tmp_path: Path, bbox: tuple[float, ...], num: int
) -> None:
    sample = _patches(tmp_path, micro_world, annotations=[_box(*bbox)]).sample(0)
    assert int((sample.classes > 0).sum()) == num
    assert 0 <= sample.sides.min() <= sample.sides.max() <= 1


def test_an_empty_attribute_is_that_boxs_own(micro_world: Path, tmp_path: Path) -> None:
    boxes = [_box(0, 0, 32, 32, attributes={"text": "", "category": "x"}), _box(32, 0, 32, 32)]
    patches = _patches(tmp_path, micro_world, annotations=boxes)
    category, text = patches.sample(0).classes.view(8, 8, 2)[2:6].unbind(-1)
    assert category.eq(1).all()  # an attribute of that name does not stand before it
    assert text[:, :4].eq(1).all()
    assert text[:, 4:].eq(0).all()


@pytest.mark.parametrize(
    "bad",
    [
        _box(0, 0, -5, 5),
        _box(0, 0, 5),
        _box(0, 0, float("nan"), 5),
        {"image_id": 7, "category_id": 1, "bbox": None},
        {"image_id": 7, "category_id": 1, "bbox": ["a", 0, 1, 1]},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "attributes": "red"},
    ],
    ids=str,
)
def test_a_bad_box_costs_its_picture_only(micro_world: Path, tmp_path: Path, bad: dict[str, Any]) -> None:
    more = [*_COCO["images"], {"id": 8, "file_name": "a.png", "width": 64, "height": 32}]
    boxes = [_box(0, 0, 8, 8, image_id=8), bad]
    patches = _patches(tmp_path, micro_world, images=more, annotations=boxes)
    with pytest.raises(RecordError) as dropped:
        patches.sample(0)
    assert dropped.value.reason == "bad box"
    assert int((patches.sample(1).classes > 0).sum()) == 1


@pytest.mark.parametrize("size", [{"width": 0}, {"height": -3}, {"width": None}, {"width": "64"}])
def test_a_picture_without_a_size_is_left_out(micro_world: Path, tmp_path: Path, size: dict[str, Any]) -> None:
    patches = _patches(tmp_path, micro_world, images=[{**_COCO["images"][0], **size}])
    with pytest.raises(RecordError):
        patches.sample(0)


def test_a_missing_picture_is_left_out(micro_world: Path, tmp_path: Path) -> None:
    patches = _patches(tmp_path, micro_world)
    (tmp_path / "a.png").unlink()
    with pytest.raises(PictureError):
        patches.sample(0)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"images": [], "annotations": []}',
        '{"images": [{"id": 1}], "annotations": [{"bbox": []}]}',
        "\xff",
    ],
)
def test_other_files_are_refused(micro_world: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_bytes(content.encode("latin-1"))
    recipe = micro.recipe(micro_world, f"stages.see.data.records={tmp_path / 'x.json'}", stages=("see",))
    model, _ = build_model(recipe)
    with pytest.raises(UserError, match=r"x\.json"):
        Patches(recipe.stages["see"], model, ImageProcessing(policy="pad", size=64, patch_size=8))


@pytest.mark.parametrize(
    "changes", [{"images": [{"id": 7}]}, {"annotations": [_box(0, 0, 1, 1), {"bbox": [0, 0, 1, 1]}]}]
)
def test_records_that_lack_something_are_named(micro_world: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"instances\.json"):
        _patches(tmp_path, micro_world, **changes)


def test_an_annotation_of_no_picture_is_refused(micro_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image 99"):
        _patches(tmp_path, micro_world, annotations=[_box(0, 0, 1, 1, image_id=99)])


def test_only_one_policy_keeps_boxes_where_they_are(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.see.images=square", stages=("see",))
    model, processor = build_model(recipe)
    with pytest.raises(UserError, match="'pad' only, not 'square'"):
        objectives.build(recipe.stages["see"], model, processor)
