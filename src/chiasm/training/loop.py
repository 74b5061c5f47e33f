"""The training loop: one for every stage, in one process or many. It knows objectives, not what they teach."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chiasm.data.daemon_pool import why_late
from chiasm.errors import UserError
from chiasm.models import documents, last_block, norms, whole_attention
from chiasm.models.language import decoder_blocks
from chiasm.models.llava import Llava
from chiasm.training import lora, optim, sharding
from chiasm.training.config import PARTS, Part, Recipe, Stage
from chiasm.training.first_look import first_look
from chiasm.training.meter import Meter
from chiasm.training.metrics import MetricsFile, Reporter
from chiasm.training.not_finite import NotFinite
from chiasm.training.objectives import Objective
from chiasm.training.parallel import HERE, Placement, Told, World, is_divided
from chiasm.training.samples import Batch, Plan, Samples
from chiasm.training.stage_checkpoints import StageCheckpoints
from chiasm.training.standing import Standing
from chiasm.training.stepping import Stepper, Totals, agreed
from chiasm.training.stopping import Interrupted, stop_requests
from chiasm.training.validation import HeldOut, Validator
from chiasm.training.waiting import DidNotCome, advice

MODULES: Mapping[Part, str] = {"vision": "vision_tower", "connector": "connector", "language": "language_model"}


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a run: who it is, where it writes, who watches."""

    name: str
    stage: Stage
    recipe: Recipe
    folder: Path
    run_id: str
    reporter: Reporter
    placement: Placement = HERE

    @property
    def world(self) -> World:
        """The processes that train it."""
        return self.placement.world


def part_of(model: Llava, part: Part) -> nn.Module:
    """The module a recipe calls `part`."""
    module: nn.Module = getattr(model, MODULES[part])
    return module


def frozen_dtype(recipe: Recipe) -> torch.dtype:
    """The dtype of what does not train."""
    return torch.bfloat16 if recipe.precision == "bfloat16" else torch.float32


def freeze(model: Llava, stage: Stage, frozen_dtype: torch.dtype) -> str:
    """Let exactly the stage's parts train, in float32, the others frozen in `frozen_dtype`; a table of it as text."""
    lines = []
    for part in PARTS:
        module, trains = part_of(model, part), part in stage.trains
        whole = trains and not (part == "language" and stage.lora is not None)
        module.requires_grad_(whole)
        # Not the buffers: rounded, the frequencies of positions would no longer be those of the saved model.
        for parameter in module.parameters():
            parameter.data = parameter.data.to(torch.float32 if whole else frozen_dtype)
        if trains and not whole:
            lora.attach(module, stage.lora)
        # Activation checkpointing of transformers works in training mode only; nothing here but adapters has dropout.
        module.train(trains or stage.gradient_checkpointing)
        count = sum(p.numel() for p in module.parameters() if p.requires_grad or not trains)
        rate = f"trains, lr {stage.optim.lr_by_part.get(part, stage.optim.lr):g}" if trains else "frozen"
        lines.append(f"{part:<10} {count:>15,} parameters  {rate}")
    return "\n".join(lines)


def samples_of(run: StageRun, objective: Objective) -> Samples:
    """The samples of a stage, none of them looked at yet."""
    plan, log = Plan.of(run.stage, len(objective)), MetricsFile(run.folder / "dropped.jsonl")
    return Samples(objective, plan, run.stage, run.recipe.seed, run.name, log, run.world)


def look_first(run: StageRun, objective: Objective, samples: Samples) -> None:
    """Drop what can be seen to be unusable before the first step. Raises `UserError` when that is too much."""
    samples.begin(0)
    found = first_look(
        objective, samples.seen(), run.recipe.workers, run.world, run.reporter, run.recipe.sample_timeout
    )
    samples.settle(found, 0)


def train_stage(
    run: StageRun,
    model: Llava,
    objective: Objective,
    samples: Samples | None,
    resume: bool,
    held_out: HeldOut | None = None,
) -> None:
    """Train one stage to its end, from its newest sound checkpoint when `resume`.

    `samples` are given where they were looked at already, `held_out` where there is something to validate on. Raises
    `Interrupted` after saving when a signal asked to stop; `UserError` when too many samples are unusable, when nothing
    can be trained, when the loss is no number time and again, or, after saving, when a sample does not come.
    """
    stage, recipe, world = run.stage, run.recipe, run.world
    low = frozen_dtype(recipe)
    summary = freeze(model, stage, low)
    learner = model
    if divides(run.placement, objective):
        learner = sharding.sharded(model, run.placement, low, whole_tower=stage.features == "cache")
    trained = trained_parameters(learner, objective.head(), stage)
    optimizer = optim.build_optimizer(trained, stage.optim)
    by_name = {name: parameter for named in trained.values() for name, parameter in named}
    _part_generators(recipe.seed, world)
    folder = run.folder / "checkpoints"
    checkpoints = StageCheckpoints(folder, run.run_id, run.name, recipe.keep_checkpoints, world, run.reporter)
    position = checkpoints.restore(by_name, optimizer) if resume else None
    if samples is None:
        samples = samples_of(run, objective)
        if position is None:
            look_first(run, objective, samples)
    log, skipped = MetricsFile(run.folder / "metrics.jsonl"), MetricsFile(run.folder / "skipped.jsonl")
    not_finite = NotFinite(run.name, objective.name, skipped, run.reporter, world)
    standing = Standing(checkpoints, samples, not_finite, log, by_name, optimizer)
    step = standing.begin(position)
    num_steps = samples.plan.num_steps
    run.reporter.stage_begins(run.name, num_steps, step, summary)
    stepper = Stepper(learner, objective, optimizer, list(by_name.values()), stage, low, world)
    with stop_requests(world) as asked:
        validator = Validator(run, held_out, learner, low, num_steps, lambda: bool(asked))
        with _computing(learner, stage):
            _Course(run, objective, standing, stepper, validator, Meter(learner.device)).walk(step, asked)
    if learner is not model:
        sharding.gather(learner, model)
    run.reporter.stage_ends(run.name, str(samples.dropped))


@dataclass(frozen=True, slots=True)
class _Course:
    """The steps of a stage, and what each of them needs."""

    run: StageRun
    objective: Objective
    standing: Standing
    stepper: Stepper
    validator: Validator
    meter: Meter

    def walk(self, step: int, asked: list[int]) -> None:
        """From `step` steps done to the end, or until a signal `asked` to stop or a sample does not come."""
        samples, not_finite, recipe = self.standing.samples, self.standing.not_finite, self.run.recipe
        saved = step
        try:
            self.validator.begin(step)
            while step < samples.plan.num_steps:
                ahead = samples.batches(step, recipe.workers, recipe.sample_timeout, lambda: bool(asked))
                with contextlib.closing(ahead) as batches:
                    for batch in batches:
                        totals = agreed(self.run.world, self.objective, batch)
                        step += 1
                        self._step(step, batch, totals)
                        if not_finite.is_too_much:
                            break
                        stop = self._stop(asked)
                        # Amid steps that change nothing the last checkpoint stays the one to go back to.
                        if stop or (step % recipe.save_every == 0 and not not_finite.in_a_row):
                            self.standing.save(step)
                            saved = step
                        if stop:
                            raise Interrupted(stop)
                        self.validator.after(step)
                        self.meter.leave_out()
                if not_finite.is_too_much:
                    saved = step = self.standing.go_back(step)
                    self.validator.begin(step)
            stop = self._stop(asked)  # in the last look
        except DidNotCome as late:
            stop = self._stop(asked)
            if not stop:
                lateness = why_late(late, recipe.sample_timeout)
                raise Told(f"{lateness}. {advice(self._left(step, saved))}") from None
        if stop:
            if step != saved:
                self.standing.save(step)
            raise Interrupted(stop)

    def _left(self, step: int, saved: int) -> str:
        """Save, and say where that leaves the stage; that it failed must not hide why the run ends."""
        name, failed = self.run.name, ""
        if step != saved:
            try:
                self.standing.save(step)
                saved = step
            except UserError as error:
                failed = f"It could not be saved: {self.run.world.fail(error)}. "
        return failed + (f"Stage {name} is saved after step {saved}" if saved else f"Stage {name} begins")

    def _stop(self, asked: list[int]) -> int:
        """The signal by which some process was asked to stop; 0: none was. All processes call it in step."""
        return int(max(self.run.world.exchange(max(asked, default=0))))

    def _step(self, step: int, batch: Batch, totals: Totals) -> None:
        """One step and the line it leaves in the log."""
        run, samples, optimizer = self.run, self.standing.samples, self.standing.optimizer
        num_steps = samples.plan.num_steps
        factor = optim.lr_factor(run.stage.optim, step - 1, num_steps)
        metrics: dict[str, float | int | str] = {"stage": run.name, "step": step, "num_steps": num_steps}
        samples.settle(totals.unusable, step)
        metrics |= self.stepper.step(batch.usable, totals.num_targets, factor)
        metrics |= self.standing.not_finite.count(step, metrics.get("skipped"), batch.indices)
        metrics |= {"lr": run.stage.optim.lr * factor, **optim.rates(optimizer, factor)}
        metrics |= {**self.meter.lap(totals), "num_dropped": len(samples.dropped)}
        if run.world.leads:
            self.standing.log.write(metrics)
        run.reporter.step(metrics)


def divides(placement: Placement, objective: Objective) -> bool:
    """Whether a stage's weights are divided among processes: as `placement` says, if its batches go through the model.

    What an objective computes past `Llava.forward` would meet weights that nobody gathered.
    """
    return placement.layout != "replicate" and placement.world.size > 1 and objective.through_model


def trained_parameters(model: Llava, head: nn.Module | None, stage: Stage) -> dict[Part | None, list[optim.Named]]:
    """Trainable parameters with their names in the model, by part; the objective's own under None."""
    trained: dict[Part | None, list[optim.Named]] = {}
    for part in stage.trains:
        prefix = MODULES[part]
        trained[part] = [(f"{prefix}.{n}", p) for n, p in part_of(model, part).named_parameters() if p.requires_grad]
    if head is not None:
        trained[None] = [(f"head.{name}", parameter) for name, parameter in head.named_parameters()]
    if not any(trained.values()):
        raise UserError(f"nothing can be trained: {', '.join(stage.trains)} without parameters (connector 'identity'?)")
    return trained


def _part_generators(seed: int, world: World) -> None:
    """Let dropout differ between processes; the first goes on as it would alone."""
    if not world.leads:
        torch.manual_seed((seed * 1_000_003 + world.rank) % (1 << 63))


@contextlib.contextmanager
def _computing(model: Llava, stage: Stage) -> Iterator[None]:
    """Compute as `stage` asks inside the block, and as before after it: whoever comes next may generate."""
    language: Any = model.language_model
    _checkpoint_activations(model, stage.gradient_checkpointing)
    model.rows_at_once = stage.logits_at_once
    blocks = decoder_blocks(language) if stage.compile else []
    try:
        for block in blocks:
            block.compile(dynamic=True)
        attending = documents.attending(language) if stage.pack else contextlib.nullcontext()
        # A compiler makes one pass of a norm by itself.
        norming = contextlib.nullcontext() if stage.compile else norms.fused(language)
        # Compiled or checkpointed blocks are left as they are, and so are those whose weights are divided.
        few = stage.pack and not (stage.compile or stage.gradient_checkpointing or is_divided(model.parameters()))
        sparse = last_block.sparse(language) if few else contextlib.nullcontext(False)
        with attending, norming, whole_attention.attending(model.vision_tower), sparse as few_rows:
            model.few_rows = few_rows
            yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None  # how torch itself marks a module that is not compiled
        model.rows_at_once, model.few_rows = None, False


def _checkpoint_activations(model: Llava, wanted: bool) -> None:
    """Compute activations twice instead of keeping them, or no longer."""
    language: Any = model.language_model
    # transformers calls it one or the other, by version of 5.x.
    word = "activation" if hasattr(language, "activation_checkpointing_enable") else "gradient"
    if wanted:
        getattr(language, f"{word}_checkpointing_enable")({"use_reentrant": False})
    elif getattr(language, f"is_{word}_checkpointing"):
        getattr(language, f"{word}_checkpointing_disable")()
