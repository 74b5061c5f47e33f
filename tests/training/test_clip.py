"""The objective `clip`: what is compared with what, and that both towers outlive the stage."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from chiasm.checkpoints.clip_folder import load_clip
from chiasm.classifying import Classifier
from chiasm.errors import UserError
from chiasm.processing.pictures import open_picture
from chiasm.training import objectives
from chiasm.training.config import Recipe
from chiasm.training.objectives.clip import NOTHING, Clip, build
from chiasm.training.origin import build_model
from chiasm.training.run import run, stage_processor
from tests.training import captioned, micro
from tests.training.processes import Job, start


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return captioned.write(tmp_path / "world")


def built(recipe: Recipe) -> tuple[Clip, Any]:
    model, processor = build_model(recipe)
    torch.manual_seed(recipe.seed)
    objective = build(recipe.stages["clip"], model, stage_processor(processor, recipe.stages["clip"]))
    return objective, model


def test_an_epoch_shows_each_picture_with_each_caption_and_no_picture_twice_in_a_round(world: Path) -> None:
    objective, _ = built(captioned.recipe(world))
    order = objective.order(0, 0)
    assert sorted(order) == list(range(captioned.NUM_PICTURES * captioned.NUM_CAPTIONS))
    for begin in range(0, len(order), captioned.NUM_PICTURES):
        shown = {objective.name(i).partition(",")[0] for i in order[begin : begin + captioned.NUM_PICTURES]}
        assert len(shown) == captioned.NUM_PICTURES
    assert objective.order(0, 0) == order != objective.order(0, 1)


def test_a_batch_holds_every_text_once_and_says_whose_it_is(world: Path) -> None:
    objective, _ = built(captioned.recipe(world))
    # Pictures 0 and 4 are both red: the same phrases, if both draw the same one.
    samples = [objective.sample(i) for i in range(24)]
    batch = objective.collate(samples)
    assert batch["pixels"].shape == (24, 3, 32, 32)
    assert len(batch["captions"]) == 24 == len(batch["caption_keys"].unique())
    said = Counter(batch["said"].tolist())
    assert said[NOTHING] == 24
    assert len(said) - 1 <= 9  # "a thing", four colours in two languages
    assert batch["phrase_keys"].tolist()[-1] == NOTHING
    # With a phrase for each colour that is wrong of all.
    assert len(batch["phrases"]) == len(said) - 1 + 4
    assert len(set(batch["phrase_keys"].tolist()) - set(said)) == 4
    assert not set(batch["true"].flatten().tolist()) & (set(batch["phrase_keys"].tolist()) - set(said))
    # What is true of a region: its three phrases, or nothing alone.
    for key, true in zip(batch["said"].tolist(), batch["true"].tolist(), strict=True):
        assert key in true
        assert len([each for each in true if each >= 0]) == (1 if key == NOTHING else 3)
    # Box and rest part the patches of each picture, pad included.
    assert batch["patches"].reshape(24, 2, 16).sum(1).eq(1).all()


def test_a_hidden_box_is_not_spoken_of(world: Path) -> None:
    instances = captioned.load(world / "instances.json")
    instances["annotations"][0]["area"] = 0
    captioned.save(world / "instances.json", instances)
    objective, _ = built(captioned.recipe(world))
    assert [region.said for region in objective.sample(0).regions] == [NOTHING]
    assert len(objective.sample(3).regions) == 2


def test_long_texts_are_cut_and_keep_their_end(world: Path) -> None:
    objective, _ = built(captioned.recipe(world, "stages.clip.contrast.max_tokens=6"))
    sample = objective.sample(0)
    assert len(sample.ids[sample.caption]) == 6
    assert {ids[-1] for ids in sample.ids.values()} == {4}  # <|im_end|>: transformers misreads the id 2 of </s>


def test_without_boxes_captions_alone_are_compared(world: Path) -> None:
    recipe = captioned.recipe(world, "stages.clip.contrast.instances=null")
    objective, model = built(recipe)
    assert "no boxes" in objective.notes()[0]
    batch = objective.collate([objective.sample(i) for i in (0, 3, 6)])
    loss = objective.loss(model, batch)
    # Radford et al. 2021, figure 3, word for word with torch's own cross-entropy.
    side = cast(Any, objective.head()).side
    with torch.no_grad():
        pooled = model.vision_tower(batch["pixels"]).pooler_output
        pictures = torch.nn.functional.normalize(side.visual_projection(pooled), dim=-1)
        texts = side.text_projection(side.text_model(batch["captions"]).pooler_output)
        logits = pictures @ torch.nn.functional.normalize(texts, dim=-1).T / 0.07
        expected = sum(torch.nn.functional.cross_entropy(each, torch.arange(3)) for each in (logits, logits.T)) / 2
    assert loss.num_targets == 3
    assert float(loss.sum.detach()) / 3 == pytest.approx(float(expected), rel=1e-4)


def test_wrong_phrases_are_held_against_what_is_there_unless_they_are_true(world: Path) -> None:
    """Everything but the phrases is the same each time: the weights, the picture, what is said of its box."""

    def loss(wrong: list[str], weight: str) -> float:
        instances = captioned.load(world / "instances.json")
        for box in instances["annotations"]:
            box["wrong_phrases"] = {"en": wrong}
        captioned.save(world / "instances.json", instances)
        weights = {
            f"{name}_weight": int(f"{name}_weight" == weight) for name in ("captions", "regions", "phrases", "boxes")
        }
        changes = [f"stages.clip.contrast.{name}={value}" for name, value in weights.items()]
        objective, model = built(captioned.recipe(world, *changes))
        return float(objective.loss(model, objective.collate([objective.sample(0)])).sum.detach())

    for weight in ("regions_weight", "phrases_weight"):
        without = loss([], weight)
        assert loss(["a blue person"], weight) > without
        assert loss(["a blue person", "a green person"], weight) > loss(["a blue person"], weight)
        assert loss(["a thing"], weight) == pytest.approx(without)  # said of the red box, too


def test_the_temperature_never_falls_below_a_hundredth(world: Path) -> None:
    objective, model = built(captioned.recipe(world))
    scale = cast(Any, objective.head()).side.logit_scale
    with torch.no_grad():
        scale.fill_(7.0)
    objective.loss(model, objective.collate([objective.sample(0)]))
    assert float(scale.detach()) == pytest.approx(math.log(100))


def test_both_towers_are_kept_as_a_clip_that_transformers_reads(world: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPModel

    recorder = micro.Recorder()
    final = run(captioned.recipe(world), tmp_path / "run", reporter=recorder)
    assert len(recorder.steps) == 4
    folder = final / "clip"
    theirs = cast(Any, CLIPModel).from_pretrained(folder).eval()
    labels = ["a red thing", "蓝色的东西", "a thing"]
    tokens = AutoTokenizer.from_pretrained(folder)(labels, padding=True, return_tensors="pt")
    picture = open_picture(world / "images/0.png")
    pixels = load_clip(folder).images.pixels(picture)
    with torch.no_grad():
        expected = theirs(**tokens, pixel_values=pixels).logits_per_image.softmax(1)[0]
    found = {each.label: each.probability for each in Classifier.open(folder, labels).classify(picture)}
    assert [found[label] for label in labels] == pytest.approx(expected.tolist(), abs=1e-6)
    # The tower of the CLIP is the tower of the assistant.
    tower = {name.removeprefix("vision_model."): p for name, p in theirs.named_parameters() if "vision_model" in name}
    stage = json.loads((tmp_path / "run/stages/clip/complete.json").read_text())
    assert "weights.safetensors" in stage["sha256"]
    from safetensors.torch import load_file

    kept = load_file(tmp_path / "run/stages/clip/weights.safetensors")
    assert {name.removeprefix("vision.") for name in kept} == set(tower)
    assert all(torch.equal(kept[f"vision.{name}"], parameter) for name, parameter in tower.items())


def test_a_run_killed_between_model_and_clip_still_ends_with_both(world: Path, tmp_path: Path) -> None:
    import shutil

    recipe = captioned.recipe(world)
    final = run(recipe, tmp_path / "run")
    before = (final / "clip/model.safetensors").read_bytes()
    shutil.rmtree(final / "clip")
    assert run(recipe, tmp_path / "run", resume=True) == final
    assert (final / "clip/model.safetensors").read_bytes() == before


def test_a_stopped_stage_goes_on_to_the_same_towers(world: Path, tmp_path: Path) -> None:
    recipe = captioned.recipe(world, "save_every=2")
    unbroken = run(recipe, tmp_path / "unbroken")
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", reporter=micro.Recorder(fail_at=("clip", 3)))
    resumed = run(recipe, tmp_path / "run", resume=True)
    for name in ("model.safetensors", "clip/model.safetensors"):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes(), name


def test_pictures_and_boxes_that_are_none_are_dropped_by_name(world: Path, tmp_path: Path) -> None:
    (world / "images/2.png").write_bytes(b"no picture")
    instances = captioned.load(world / "instances.json")
    instances["annotations"][5]["bbox"] = [0, 0, 1]
    captioned.save(world / "instances.json", instances)
    run(captioned.recipe(world, "stages.clip.data.max_dropped=1", "stages.clip.steps=6"), tmp_path / "run")
    found = {(line["id"], line["reason"]) for line in micro.dropped(tmp_path / "run")}
    bad = {"2.png": "not an image", "5.png": "bad box"}
    assert found == {(f"{name}, caption {n}", reason) for name, reason in bad.items() for n in (1, 2, 3)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["stages.clip.contrast.instances=nowhere.json"], "stages.clip.contrast.instances: there is no file nowhere"),
        (["stages.clip.contrast.captions=[x.json]"], "stages.clip.contrast.captions: there is no file x.json"),
        (["stages.clip.contrast.heads=3"], "width 32 is not divisible by heads 3"),
        (["stages.clip.contrast.layer=3"], "unknown key, did you mean 'layers'"),
        (["stages.clip.images=square"], "follows boxes through the image policy 'pad' only"),
        (["stages.clip.objective=patches"], "'contrast' is for objective 'clip'"),
    ],
)
def test_what_cannot_work_is_said_before_anything_trains(
    world: Path, tmp_path: Path, changes: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        run(captioned.recipe(world, *changes), tmp_path / "run")


def test_a_tower_without_class_token_is_refused(world: Path, tmp_path: Path) -> None:
    recipe = captioned.recipe(world)
    vision = {**cast(dict[str, Any], recipe.model.vision), "model_type": "siglip_vision_model"}
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"vision": vision})})
    with pytest.raises(UserError, match="needs a tower of CLIP"):
        run(recipe, tmp_path / "run")


def test_it_is_an_objective_by_name() -> None:
    assert "clip" in objectives.REGISTRY.names()


def test_two_processes_learn_what_one_learns(world: Path, tmp_path: Path) -> None:
    """Also where one of them has fewer pictures than the other, or none: step 6 holds one sample, picture 2 is none."""
    (world / "images/2.png").write_bytes(b"no picture")
    changes = ("stages.clip.steps=null", "stages.clip.epochs=0.875", "stages.clip.data.max_dropped=1")
    recipe = captioned.recipe(world, *changes)
    assert round(0.875 * captioned.NUM_PICTURES * captioned.NUM_CAPTIONS) == 21
    run(recipe, tmp_path / "alone")
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    (told,) = start([(2, [Job(str(tmp_path / "recipe.yaml"), str(tmp_path / "both"))])], tmp_path / "jobs")
    assert not [said["error"] for said in told[0] if "error" in said]
    alone, both = micro.metrics(tmp_path / "alone"), micro.metrics(tmp_path / "both")
    assert len(alone) == len(both) == 6
    for one, two in zip(alone, both, strict=True):
        assert one["num_trained"] == two["num_trained"]
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3)
    towers = [load_clip(tmp_path / name / "final") for name in ("alone", "both")]
    for (name, one), (_, two) in zip(*(tower.model.named_parameters() for tower in towers), strict=True):
        # AdamW's first steps are the gradient's sign: where that is almost nothing, rounding decides it.
        assert (one - two).abs().mean() < 1e-4, name
