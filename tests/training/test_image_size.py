"""Larger pictures from a stage on: a tower sees them as transformers' interpolation would, and learns on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import chiasm
from chiasm import Sampling
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.models import vision
from chiasm.training import plan
from chiasm.training.features import CacheSettings
from chiasm.training.run import run
from tests.training import micro

_SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_LARGER = ("save_every=2", "stages.align.image_size=104")  # 13 patches a side, 8 before


@pytest.mark.parametrize("kind", ["clip_vision_model", "siglip_vision_model"])
@pytest.mark.parametrize("size", [96, 40])
def test_a_resized_tower_sees_what_transformers_interpolates(kind: str, size: int) -> None:
    torch.manual_seed(0)
    tower: Any = vision.build_tower({"model_type": kind, "image_size": 64, "patch_size": 8, **_SIZES}).eval()
    torch.nn.init.normal_(tower.embeddings.position_embedding.weight)
    pixels = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        theirs = tower(pixels, interpolate_pos_encoding=True, output_hidden_states=True).hidden_states[-2]
    vision.resize(tower, size)
    mine = vision.features(tower, pixels, -2, class_token=True)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    assert tower.config.image_size == size
    assert tower.embeddings.position_embedding.weight.requires_grad


def test_from_a_stage_on_pictures_are_larger(micro_world: Path, tmp_path: Path) -> None:
    final = run(micro.recipe(micro_world, *_LARGER), tmp_path / "run")
    assert json.loads((final / "config.json").read_text())["vision_config"]["image_size"] == 104
    assert json.loads((final / "processor.json").read_text())["images"]["size"] == 104
    positions = load_file(final / "model.safetensors")
    (name,) = (name for name in positions if name.endswith("position_embedding.weight"))
    assert len(positions[name]) == 13 * 13 + 1
    picture = micro_world / "images" / micro.records(micro_world)[0]["image"]
    answer = chiasm.load(str(final)).answer_all([Conversation((user("What?", [picture]),))], Sampling(max_tokens=2))
    assert next(iter(answer)).usage.num_prompt > 13 * 13


@pytest.mark.parametrize("at", [("align", 1), ("align", 4), ("instruct", 1), ("instruct", 3)], ids=str)
def test_a_run_goes_on_with_the_size_it_had(micro_world: Path, tmp_path: Path, at: tuple[str, int]) -> None:
    """Killed in the stage that enlarges, and in the one behind it, which says nothing of a size."""
    recipe = micro.recipe(micro_world, *_LARGER, 'stages.instruct.trains=["vision", "connector", "language"]')
    run(recipe, tmp_path / "unbroken")
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", reporter=micro.Recorder(fail_at=at))
    run(recipe, tmp_path / "run", resume=True)
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "unbroken")


def test_the_plan_counts_the_tokens_of_larger_pictures(micro_world: Path) -> None:
    small = plan.plan(micro.recipe(micro_world), plan.Machine()).stages
    align, instruct = plan.plan(micro.recipe(micro_world, "stages.instruct.image_size=104"), plan.Machine()).stages
    assert align == small[0]
    assert (small[1].picture_tokens, instruct.picture_tokens) == (64, 169)
    assert instruct.longest_sample - small[1].longest_sample == 169 - 64


def test_pictures_without_a_patch_are_refused_before_any_work(micro_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stages\.instruct\.image_size: 7 pixels hold no patch of the tower's 8"):
        run(micro.recipe(micro_world, "stages.instruct.image_size=7"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="no patch"):
        plan.plan(micro.recipe(micro_world, "stages.instruct.image_size=7"), plan.Machine())


def test_adapters_on_a_resized_tower_are_saved_with_it(micro_world: Path, tmp_path: Path) -> None:
    """Or they would be loaded onto the tower as it was, whose positions are too few."""
    start = run(micro.recipe(micro_world, stages=("align",)), tmp_path / "start")
    changes = ("stages.instruct.image_size=104", "stages.instruct.lora={rank: 2, alpha: 4, dropout: 0}")
    final = run(micro.recipe(micro_world, *changes, stages=("instruct",), start=str(start)), tmp_path / "run")
    assert chiasm.load(str(final)).processor.images.size == 104


@pytest.mark.parametrize("objective", ["see", "align"])
def test_other_objectives_and_cached_features_take_larger_pictures(
    micro_world: Path, tmp_path: Path, objective: str
) -> None:
    changes = [f"stages.{objective}.image_size=104", "stages.align.features=cache"]
    cache = CacheSettings(folder=tmp_path / "cache")
    final = run(micro.recipe(micro_world, *changes, stages=("see", "align")), tmp_path / "run", cache=cache)
    assert json.loads((final / "config.json").read_text())["vision_config"]["image_size"] == 104
