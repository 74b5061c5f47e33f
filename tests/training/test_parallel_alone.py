"""What many processes agree on before they begin, as far as one can tell alone."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from chiasm.errors import UserError
from chiasm.models import documents
from chiasm.training import features, objectives, sharding
from chiasm.training.config import Data, Optim, Stage
from chiasm.training.features import CacheSettings
from chiasm.training.loop import freeze
from chiasm.training.metrics import Silent
from chiasm.training.origin import build_model
from chiasm.training.parallel import Placement, World, joined
from chiasm.training.run import stage_processor
from chiasm.training.samples import Share
from tests.training import micro


def _stage(batch: int, micro_batch: int | None = None, pack: bool = False) -> Stage:
    return Stage(
        trains=("connector",),
        data=Data(records="r.json"),
        batch_size=batch,
        micro_batch_size=micro_batch,
        pack=pack,
        optim=Optim(lr=1e-3),
    )


@pytest.mark.parametrize(
    ("stage", "size", "shares"),
    [
        (_stage(4), 1, ["0123"]),
        (_stage(8), 2, ["0246", "1357"]),
        (_stage(8, 4), 2, ["0123", "4567"]),
        (_stage(8, 2), 2, ["0145", "2367"]),
        (_stage(8, 4, pack=True), 2, ["0246", "1357"]),
        (_stage(8, 8), 2, ["0246", "1357"]),  # a micro-batch is larger than a share
        (_stage(8, 1), 8, list("01234567")),
    ],
)
def test_a_step_is_divided_without_rest(stage: Stage, size: int, shares: list[str]) -> None:
    found = []
    for rank in range(size):
        share = Share.of(stage, World(rank, size))
        found.append("".join(str(place) for place in range(stage.batch_size) if share.takes(place)))
    assert found == shares


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(UserError, match=r"batch_size 10 .* 4 processes: set it to 8 or 12"):
        Share.of(_stage(10), World(0, 4))
    with pytest.raises(UserError, match=r"batch_size 2 .* 4 processes: set it to 4,"):
        Share.of(_stage(2), World(0, 4))


@pytest.mark.parametrize(
    ("environment", "device", "says"),
    [
        ({"WORLD_SIZE": "2"}, "cpu", "RANK does not say which"),
        ({"WORLD_SIZE": "2", "RANK": "x"}, "cpu", "RANK does not say which"),
        ({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}, "cuda:1", "--device cuda:1"),
    ],
)
def test_what_torchrun_must_say(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], device: str, says: str
) -> None:
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=says), joined(device):
        pass


def test_a_process_that_is_gone_is_told_from_a_fault() -> None:
    world = World(1, 4)
    gone = RuntimeError("[/x/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:1: Connection reset by peer. GLHF")
    assert str(world.explain(gone)).startswith("process 1 of 4 lost another one (Connection reset by peer): ")
    assert "timed out" in str(world.explain(dist.DistBackendError("NCCL watchdog: collective timed out")))
    assert world.explain(RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")) is None


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ("", "1"):
        monkeypatch.setenv("WORLD_SIZE", size)
        with joined("cpu", "shard") as placement:
            assert (placement.world.size, placement.world.rank, placement.device) == (1, 0, "cpu")
            assert not dist.is_initialized()


@pytest.mark.parametrize(
    ("placement", "changes", "says"),
    [
        (Placement("cpu", World(0, 4, 4), "hybrid"), [], "no two equal machines: say --parallel shard"),
        (Placement("cpu", World(0, 4, 3), "hybrid"), [], "4 processes with 3"),
        (Placement("cpu", World(0, 2), "shard"), ["stages.instruct.lora={bits: 4}"], "stages.instruct.lora.bits 4"),
        (Placement("cpu", World(0, 3)), [], "stages.align.batch_size 4 .* 3 processes: set it to 3 or 6"),
    ],
)
def test_what_cannot_be_divided_is_refused(
    micro_world: Path, placement: Placement, changes: list[str], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        sharding.check(micro.recipe(micro_world, *changes), placement)


def test_folders_that_machines_do_not_share_are_told(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process, on another machine, found fewer pictures."""
    monkeypatch.setattr(features, "_LOOKS", (0.0,))
    (stage,) = micro.recipe(micro_world, stages=("align",)).stages.values()
    model, processor = build_model(micro.recipe(micro_world, stages=("align",)))
    kept = features.TowerFeatures(
        model, stage_processor(processor, stage), torch.float32, CacheSettings(tmp_path / "cache")
    )

    class Elsewhere(World):
        def exchange(self, value: Any) -> list[Any]:
            return [value, value - 20 if isinstance(value, int) else value]

    pictures = sorted((micro_world / "images" / "train").glob("*.png"))
    with pytest.raises(UserError, match=r"20 to 40 pictures .* --cache-dir"):
        kept.fill(pictures, 1, Silent(), Elsewhere())


@pytest.mark.parametrize("pack", [False, True])
def test_a_blank_sample_goes_where_others_go_and_teaches_nothing(micro_world: Path, pack: bool) -> None:
    recipe = micro.recipe(micro_world, f"stages.instruct.pack={str(pack).lower()}", stages=("align", "instruct"))
    stage = recipe.stages["instruct"]
    model, processor = build_model(recipe)
    freeze(model, stage, torch.float32)
    objective = objectives.build(stage, model, stage_processor(processor, stage))
    language: Any = model.language_model

    def gradients(samples: list[Any]) -> dict[str, torch.Tensor]:
        model.zero_grad(set_to_none=True)
        with documents.attending(language) if pack else nullcontext():
            loss = objective.loss(model, objective.collate(samples))
            loss.sum.backward()
        assert loss.num_targets == sum(objective.num_targets(sample) for sample in samples)
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    real = objective.sample(5)
    assert objective.shows(real)
    reached = gradients([real])
    for picture in (True, False):
        blank = objective.blank(picture)
        assert (objective.shows(blank), objective.num_targets(blank)) == (picture, 0)
        alone = gradients([blank])
        # Exactly those that a conversation with, or without, a picture reaches.
        assert alone.keys() == {name for name in reached if picture or not name.startswith("connector")}
        assert not any(gradient.any() for gradient in alone.values())
        for name, gradient in gradients([real, blank]).items():
            assert torch.allclose(gradient, reached[name], atol=1e-5), name
