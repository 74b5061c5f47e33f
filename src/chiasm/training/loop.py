"""The training loop: one for every stage. It knows objectives, not what they teach."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.models import documents
from chiasm.models.language import decoder_blocks
from chiasm.models.llava import Llava
from chiasm.training import lora, optim, state
from chiasm.training.config import PARTS, Part, Recipe, Stage
from chiasm.training.metrics import Clock, MetricsFile, Reporter
from chiasm.training.objectives import Objective
from chiasm.training.samples import Plan, Samples

MODULES: Mapping[Part, str] = {"vision": "vision_tower", "connector": "connector", "language": "language_model"}


# SIGHUP: the terminal of a run over ssh went away.
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(Exception):
    """A signal asked the run to stop; it has saved itself."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a run: who it is, where it writes, who watches."""

    name: str
    stage: Stage
    recipe: Recipe
    folder: Path
    run_id: str
    reporter: Reporter


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
        module.to(dtype=torch.float32 if whole else frozen_dtype)
        if trains and not whole:
            lora.attach(module, stage.lora)
        # Activation checkpointing of transformers works in training mode only; nothing here but adapters has dropout.
        module.train(trains or stage.gradient_checkpointing)
        count = sum(p.numel() for p in module.parameters() if p.requires_grad or not trains)
        rate = f"trains, lr {stage.optim.lr_by_part.get(part, stage.optim.lr):g}" if trains else "frozen"
        lines.append(f"{part:<10} {count:>15,} parameters  {rate}")
    return "\n".join(lines)


def train_stage(run: StageRun, model: Llava, objective: Objective, resume: bool) -> None:
    """Train one stage to its end, from its newest sound checkpoint when `resume`.

    Raises `Interrupted` after saving when a signal asked to stop; `UserError` when too many samples are unusable, when
    nothing can be trained, or when the loss stops being a number.
    """
    stage, recipe = run.stage, run.recipe
    low = frozen_dtype(recipe)
    summary = freeze(model, stage, low)
    head = objective.head()
    trained = trained_parameters(model, head, stage)
    optimizer = optim.build_optimizer(trained, stage.optim)
    by_name = {name: parameter for named in trained.values() for name, parameter in named}
    plan = Plan.of(stage, len(objective))
    samples = Samples(objective, plan, stage, recipe.seed, run.name, MetricsFile(run.folder / "dropped.jsonl"))
    first = _restore(run, by_name, optimizer) if resume else 0
    log = MetricsFile(run.folder / "metrics.jsonl")
    log.forget_after(run.name, first)
    run.reporter.stage_begins(run.name, plan.num_steps, first, summary)
    stepper = _Stepper(model, objective, optimizer, list(by_name.values()), stage, low)
    clock = Clock()
    with _stop_requests() as asked, _computing(model, stage):
        for step, batch in enumerate(samples.batches(first, recipe.workers), start=first + 1):
            factor = optim.lr_factor(stage.optim, step - 1, plan.num_steps)
            metrics: dict[str, float | int | str] = {"stage": run.name, "step": step, "num_steps": plan.num_steps}
            metrics |= stepper.step(batch, factor)
            seconds = clock.lap()
            metrics |= {"lr": stage.optim.lr * factor, "num_samples": len(batch), "seconds": round(seconds, 4)}
            log.write(metrics)
            run.reporter.step(metrics)
            if asked or step % recipe.save_every == 0:
                _save(run, step, by_name, optimizer)
            if asked:
                raise Interrupted(asked[0])
    run.reporter.stage_ends(run.name, str(samples.dropped))


class _Stepper:
    """One optimiser step over the micro-batches of a batch."""

    def __init__(
        self,
        model: Llava,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        parameters: list[nn.Parameter],
        stage: Stage,
        low: torch.dtype,
    ) -> None:
        self._model, self._objective, self._optimizer = model, objective, optimizer
        self._parameters, self._stage, self._low = parameters, stage, low

    def step(self, samples: list[Any], factor: float) -> dict[str, float | int | str]:
        """The gradient is of the mean over all trained tokens of the batch, however it is cut into micro-batches."""
        num_targets = sum(self._objective.num_targets(sample) for sample in samples)
        if not num_targets:  # every sample of the step was unusable
            return {"num_trained": 0}
        total = 0.0
        for group in self._objective.groups(samples):
            batch = self._objective.collate(group)
            batch = {name: tensor.to(self._model.device) for name, tensor in batch.items()}
            with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._low == torch.bfloat16):
                loss = self._objective.loss(self._model, batch)
            # Text alone reaches no connector: then there is nothing to follow back.
            if loss.sum.requires_grad:
                (loss.sum / num_targets).backward()  # type: ignore[no-untyped-call]
            total += float(loss.sum.detach())
        mean = total / num_targets
        norm = optim.clip(self._parameters, self._stage.optim.clip_norm)
        for what, value in (("loss", mean), ("gradient", norm)):
            if not math.isfinite(value):
                raise UserError(
                    f"the {what} became {value}: this step's samples or the learning rate break the model. What was "
                    "saved before is sound; lower optim.lr, or look at the data with `chiasm data check`"
                )
        optim.set_lr(self._optimizer, factor)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return {"loss": round(mean, 6), "num_trained": num_targets, "grad_norm": round(norm, 6)}


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


def _restore(run: StageRun, trained: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Steps already done, from the newest checkpoint that is whole; damaged ones are passed over with a note."""
    for folder in state.newest_first(run.folder / "checkpoints", run.name):
        try:
            return state.load_state(folder, run.run_id, trained, optimizer).step
        except state.NewerFormat:
            raise
        except UserError as error:
            run.reporter.note(f"passed over: {error}")
    return 0


def _save(run: StageRun, step: int, trained: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    folder = run.folder / "checkpoints"
    position = state.Position(run.run_id, run.name, step)
    state.save_state(folder / state.checkpoint_name(position), position, trained, optimizer)
    for old in state.newest_first(folder, run.name)[run.recipe.keep_checkpoints :]:
        state.remove(old)


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
        with documents.attending(language) if stage.pack else contextlib.nullcontext():
            yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None  # how torch itself marks a module that is not compiled
        model.rows_at_once = None


def _checkpoint_activations(model: Llava, wanted: bool) -> None:
    """Compute activations twice instead of keeping them, or no longer."""
    language: Any = model.language_model
    # transformers calls it one or the other, by version of 5.x.
    word = "activation" if hasattr(language, "activation_checkpointing_enable") else "gradient"
    if wanted:
        getattr(language, f"{word}_checkpointing_enable")({"use_reentrant": False})
    elif getattr(language, f"is_{word}_checkpointing"):
        getattr(language, f"{word}_checkpointing_disable")()


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect signals that ask to stop instead of dying; a second one kills. Only the main thread may listen."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    # What `nohup` or a shell's background job ignores stays ignored.
    kept = {n: signal.getsignal(n) for n in _STOPPING if signal.getsignal(n) != signal.SIG_IGN}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            # Not by giving every handler back at the first: a signal that came meanwhile would meet none of them.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in kept:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
