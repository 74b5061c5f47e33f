"""Learning rates, decay, clipping and accumulation, against transformers and against first principles."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup

from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training import objectives
from chiasm.training.config import Optim, Recipe
from chiasm.training.loop import freeze, trained_parameters
from chiasm.training.optim import build_optimizer, clip, lr_factor, set_lr
from chiasm.training.origin import build_model
from chiasm.training.run import run, stage_processor
from chiasm.training.stepping import Stepper
from tests.training import micro


@pytest.mark.parametrize(
    ("schedule", "published"),
    [("cosine", get_cosine_schedule_with_warmup), ("constant", get_constant_schedule_with_warmup)],
)
@pytest.mark.parametrize(
    ("num_steps", "warmup"), [(100, 0.03), (101, 0.1), (7, 0.0), (1, 0.03), (5, 1.0), (5198, 0.03)]
)
def test_the_schedule_is_that_of_transformers(schedule: str, published: object, num_steps: int, warmup: float) -> None:
    settings = Optim.model_validate({"lr": 2e-5, "schedule": schedule, "warmup": warmup})
    theirs = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=settings.lr)
    # The Trainer of transformers rounds the share of warm-up steps up.
    num_warmup = math.ceil(num_steps * warmup)
    arguments = (num_warmup, num_steps) if schedule == "cosine" else (num_warmup,)
    scheduler = published(theirs, *arguments)  # type: ignore[operator]
    for step in range(num_steps):
        assert lr_factor(settings, step, num_steps) == pytest.approx(scheduler.get_last_lr()[0] / 2e-5, abs=1e-12)
        theirs.step()
        scheduler.step()


def test_norms_and_biases_never_decay(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.instruct.optim.weight_decay=0.1", stages=("align", "instruct"))
    model, _ = build_model(recipe)
    stage = recipe.stages["instruct"]
    freeze(model, stage, torch.float32)
    optimizer = build_optimizer(trained_parameters(model, None, stage), stage.optim)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[key] for key in decay} == {n for n in names.values() if not n.startswith("vision_tower")}
    for key, value in decay.items():
        assert value == (0.0 if "norm" in names[key] or names[key].endswith("bias") else 0.1), names[key]


def test_every_part_can_have_its_own_rate(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.instruct.optim.lr_by_part.connector=2e-5")
    model, _ = build_model(recipe)
    stage = recipe.stages["instruct"]
    table = freeze(model, stage, torch.float32).splitlines()
    assert ["frozen" in line for line in table] == [True, False, False]
    assert "lr 2e-05" in table[1]
    assert f"lr {stage.optim.lr:g}" in table[2]
    optimizer = build_optimizer(trained_parameters(model, nn.Linear(2, 2), stage), stage.optim)
    rates = {id(p): group["base_lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in model.connector.parameters()} == {2e-5}
    assert {rates[id(p)] for p in model.language_model.parameters()} == {stage.optim.lr}
    set_lr(optimizer, 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {1e-5, stage.optim.lr / 2}


@pytest.mark.parametrize("part", ["vision", "connector", "language"])
def test_a_rate_of_its_own_moves_a_part_as_far(micro_world: Path, tmp_path: Path, part: str) -> None:
    """The first step of AdamW moves a weight by its rate, and no part by another's; the tower trains, as in 1.6."""
    rates = {"vision": 2e-4, "connector": 1e-3, "language": 5e-4} | {part: 3e-5}
    recipe = micro.recipe(
        micro_world,
        "stages.align.steps=0",
        "stages.instruct.steps=1",
        "stages.instruct.trains=[vision, connector, language]",
        "stages.instruct.optim={lr: 1.0, warmup: 0, schedule: constant, clip_norm: null, lr_by_part: "
        f"{{vision: {rates['vision']}, connector: {rates['connector']}, language: {rates['language']}}}}}",
    )
    before: dict[str, torch.Tensor] = {}
    after: dict[str, torch.Tensor] = {}

    def look(name: str, model: Llava, _: Processor) -> None:
        weights = {key: value.detach().float().clone() for key, value in model.named_parameters()}
        (after if name == "instruct" else before).update(weights)

    run(recipe, tmp_path / "run", after_stage=look)
    names = {"vision_tower": "vision", "connector": "connector", "language_model": "language"}
    moved = dict.fromkeys(rates, 0.0)
    for key, value in after.items():
        name = names[key.partition(".")[0]]
        moved[name] = max(moved[name], float((value - before[key]).abs().max()))
    assert moved == pytest.approx(rates, rel=0.01)


def test_clipping_tells_the_norm_before_it(tmp_path: Path) -> None:
    parameter = nn.Parameter(torch.zeros(2))
    for limit, left in ((1.0, [0.6, 0.8]), (None, [3.0, 4.0]), (100.0, [3.0, 4.0])):
        parameter.grad = torch.tensor([3.0, 4.0])
        assert clip([parameter], limit) == 5.0
        assert parameter.grad.tolist() == pytest.approx(left)


def _gradients(recipe: Recipe, micro_batch_size: int | None) -> dict[str, torch.Tensor]:
    """The gradient of one step over eight samples of very different answers."""
    stage = recipe.stages["instruct"].model_copy(update={"batch_size": 8, "micro_batch_size": micro_batch_size})
    model, processor = build_model(recipe)
    freeze(model, stage, torch.float32)
    objective = objectives.build(stage, model, stage_processor(processor, stage))
    samples = [objective.sample(i) for i in range(8)]
    assert len({objective.num_targets(sample) for sample in samples}) > 3
    trained = trained_parameters(model, objective.head(), stage)
    found: dict[str, torch.Tensor] = {}

    class Catching(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            found.update({n: copy.deepcopy(p.grad) for n, p in model.named_parameters() if p.grad is not None})

    every = [p for named in trained.values() for _, p in named]
    optimizer = Catching([{"params": every, "base_lr": 1.0}], lr=1.0)
    stage = stage.model_copy(update={"optim": stage.optim.model_copy(update={"clip_norm": None})})
    num_targets = sum(objective.num_targets(sample) for sample in samples)
    metrics = Stepper(model, objective, optimizer, every, stage, torch.float32).step(samples, num_targets, 1.0)
    assert metrics["num_trained"] == num_targets
    found["loss"] = torch.tensor(metrics["loss"])
    return found


def test_accumulation_gives_the_gradient_of_the_whole_batch(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world)
    whole = _gradients(recipe, None)
    assert len(whole) > 10
    for size in (4, 1):
        cut = _gradients(recipe, size)
        assert cut.keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(cut[name], gradient, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_the_mean_is_over_tokens_and_not_over_samples(micro_world: Path) -> None:
    """Against the loss of a plain cross-entropy over all trained tokens of the batch."""
    recipe = micro.recipe(micro_world)
    model, processor = build_model(recipe)
    stage = recipe.stages["instruct"]
    objective = objectives.build(stage, model, stage_processor(processor, stage))
    losses = []
    for index in range(8):
        example = objective.sample(index)
        with torch.no_grad():
            logits = model(**example.batch()).logits[0, :-1]
        losses.append(
            nn.functional.cross_entropy(logits, example.labels[1:], reduction="none")[example.labels[1:] != -100]
        )
    assert float(_gradients(recipe, 2)["loss"]) == pytest.approx(float(torch.cat(losses).mean()), abs=1e-4)
