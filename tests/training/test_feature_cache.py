"""Stages whose frozen tower is read from disk: the same losses, the same bits after a kill, nothing stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from chiasm.errors import UserError
from chiasm.models import vision
from chiasm.training.config import Recipe
from chiasm.training.features import CacheSettings
from chiasm.training.run import run
from tests.training import micro


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tiles each call of the tower got."""
    seen: list[int] = []
    original = vision.features

    def counted(tower: torch.nn.Module, pixels: torch.Tensor, layer: int, class_token: bool) -> torch.Tensor:
        seen.append(len(pixels))
        return original(tower, pixels, layer, class_token)

    monkeypatch.setattr(vision, "features", counted)
    return seen


def _recipe(world: Path, *changes: str) -> Recipe:
    cached = [f"stages.{stage}.features=cache" for stage in ("align", "instruct")]
    return micro.recipe(world, *cached, *changes)


def _losses(folder: Path) -> list[float]:
    return [line["loss"] for line in micro.metrics(folder)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_losses_are_those_of_the_tower_at_work(
    micro_world: Path, tmp_path: Path, calls: list[int], precision: str, packed: bool
) -> None:
    pack = [f"stages.{stage}.pack={str(packed).lower()}" for stage in ("align", "instruct")]
    run(micro.recipe(micro_world, f"precision={precision}", *pack), tmp_path / "computed")
    cache = CacheSettings(tmp_path / "cache")
    calls.clear()
    run(_recipe(micro_world, f"precision={precision}", *pack), tmp_path / "cached", cache=cache)
    # Once each for all the 40 pictures of both stages.
    assert calls == [1] * 40
    tolerance = 2e-5 if precision == "float32" else 2e-2
    assert _losses(tmp_path / "cached") == pytest.approx(_losses(tmp_path / "computed"), abs=tolerance)
    calls.clear()
    recorder = micro.Recorder()
    run(
        _recipe(micro_world, f"precision={precision}", *pack),
        tmp_path / "warm",
        cache=cache,
        reporter=recorder,
    )
    assert not calls
    assert micro.weights(tmp_path / "warm") == micro.weights(tmp_path / "cached")
    assert any("all 40 pictures" in note for note in recorder.notes)


def test_size_is_said_before_and_held_to(micro_world: Path, tmp_path: Path, calls: list[int]) -> None:
    """64 patches of 32 numbers in float32, 40 times: 0.000328 GB."""
    cache = CacheSettings(tmp_path / "cache", max_gb=0.0003)
    with pytest.raises(UserError, match=r"40 pictures take 0\.000328 GB.*may hold 0\.0003\..*--cache-gb 0\.000328"):
        run(_recipe(micro_world), tmp_path / "run", cache=cache)
    assert not calls
    recorder = micro.Recorder()
    run(_recipe(micro_world), tmp_path / "run", resume=True, cache=CacheSettings(tmp_path / "cache"), reporter=recorder)
    assert any("40 pictures take 0.000328 GB" in note for note in recorder.notes)


def test_killed_while_caching_and_while_training(micro_world: Path, tmp_path: Path) -> None:
    recipe = _recipe(micro_world, "precision=bfloat16", "save_every=1", "stages.instruct.pack=true")
    run(recipe, tmp_path / "unbroken", cache=CacheSettings(tmp_path / "whole"))

    class Impatient(micro.Recorder):
        def note(self, message: str) -> None:
            super().note(message)
            if "features: 20 of 40" in message:
                raise micro.Killed

    cache = CacheSettings(tmp_path / "cache")
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", cache=cache, reporter=Impatient())
    for at in (("align", 2), ("instruct", 3)):
        with pytest.raises(micro.Killed):
            run(recipe, tmp_path / "run", resume=True, cache=cache, reporter=(killer := micro.Recorder(fail_at=at)))
        if at[0] == "align":
            assert any("features: 20 pictures take" in note for note in killer.notes)
    run(recipe, tmp_path / "run", resume=True, cache=cache)
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "unbroken")
    assert micro.metrics(tmp_path / "run") == micro.metrics(tmp_path / "unbroken")


def test_another_tower_policy_or_picture_is_computed_anew(micro_world: Path, tmp_path: Path, calls: list[int]) -> None:
    cache = CacheSettings(tmp_path / "cache")
    one = ("stages.align.steps=1", "stages.instruct.steps=0")
    run(_recipe(micro_world, *one), tmp_path / "first", cache=cache)
    calls.clear()
    run(_recipe(micro_world, *one, "seed=3"), tmp_path / "tower", cache=cache)  # other random weights
    assert len(calls) == 40
    calls.clear()
    policy = ("stages.align.images=square", "stages.instruct.images=square")
    run(_recipe(micro_world, *one, *policy), tmp_path / "policy", cache=cache)
    assert len(calls) == 40
    calls.clear()
    records = micro.records(micro_world)
    changed = tmp_path / "images"
    changed.mkdir()
    for record in records:
        content = (micro_world / "images" / record["image"]).read_bytes()
        (changed / record["image"]).parent.mkdir(parents=True, exist_ok=True)
        (changed / record["image"]).write_bytes(content)
    Image.new("RGB", (64, 64), "white").save(changed / records[0]["image"])
    moved = [f"stages.{stage}.data.images={changed}" for stage in ("align", "instruct")]
    run(_recipe(micro_world, *one, *moved), tmp_path / "moved", cache=cache)
    assert len(calls) == 1  # by content, wherever the file lies


def test_damage_on_disk_costs_one_picture(micro_world: Path, tmp_path: Path, calls: list[int]) -> None:
    cache = CacheSettings(tmp_path / "cache")
    run(_recipe(micro_world), tmp_path / "first", cache=cache)
    (path,) = (tmp_path / "cache").glob("*/*.features")
    content = bytearray(path.read_bytes())
    content[5000] ^= 128
    path.write_bytes(content)
    calls.clear()
    run(_recipe(micro_world), tmp_path / "again", cache=cache)
    assert calls == [1]
    assert micro.weights(tmp_path / "again") == micro.weights(tmp_path / "first")


def test_a_picture_that_vanishes_before_its_features_are_computed_is_left_out(
    micro_world: Path, tmp_path: Path
) -> None:
    """Of the first it is also asked whether the policy is steady."""
    images = shutil.copytree(micro_world / "images", tmp_path / "images")

    class Removing(micro.Recorder):
        def note(self, message: str) -> None:
            super().note(message)
            if "pictures take" in message:
                for number in (0, 7):
                    (images / "train" / f"{number:06d}.png").unlink()

    changes = [f"stages.{stage}.data.images={images}" for stage in ("align", "instruct")]
    changes += ["stages.align.steps=0", "stages.instruct.data.max_dropped=0.2", "stages.instruct.steps=10"]
    recorder = Removing()
    run(_recipe(micro_world, *changes), tmp_path / "run", cache=CacheSettings(tmp_path / "cache"), reporter=recorder)
    gone = [r["id"] for r in micro.records(micro_world) if r["image"].endswith(("000000.png", "000007.png"))]
    assert recorder.ended["instruct"] == f"{len(gone)} missing"
    assert sorted(line["id"] for line in micro.dropped(tmp_path / "run")) == sorted(gone)


def test_text_alone_and_broken_pictures(micro_world: Path, tmp_path: Path) -> None:
    """What cannot be read is named as without a cache; a step of text alone needs no picture."""
    records = micro.records(micro_world)
    records[3] = {**records[3], "image": "absent.png"}
    for number in range(8, 12):
        text = [
            {**turn, "value": turn["value"].replace("<image>", "").strip()} for turn in records[number]["conversations"]
        ]
        records[number] = {"id": f"text{number}", "conversations": text}
    (tmp_path / "records.json").write_text(json.dumps(records))
    changes = (
        f"stages.instruct.data.records={tmp_path / 'records.json'}",
        "stages.instruct.data.max_dropped=0.5",
        "stages.instruct.steps=12",
        "stages.instruct.batch_size=4",
        "stages.instruct.micro_batch_size=1",
    )
    run(_recipe(micro_world, *changes), tmp_path / "run", cache=CacheSettings(tmp_path / "cache"))
    run(micro.recipe(micro_world, *changes), tmp_path / "other")
    assert micro.dropped(tmp_path / "run") == micro.dropped(tmp_path / "other")
    assert [line["reason"] for line in micro.dropped(tmp_path / "run")] == ["missing"]
    assert _losses(tmp_path / "run") == pytest.approx(_losses(tmp_path / "other"), abs=2e-5)
