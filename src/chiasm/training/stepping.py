"""One optimiser step: micro-batches to gradients, gradients to an update, over all processes of a run.

It knows neither where samples come from nor what is written down.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import nn

from chiasm.models.llava import Llava
from chiasm.processing.processor import Example
from chiasm.training import lowering, optim
from chiasm.training.config import Stage
from chiasm.training.objectives import Objective
from chiasm.training.parallel import ALONE, World, is_divided
from chiasm.training.samples import Batch, Unusable
from chiasm.training.waiting import DidNotCome


@dataclass(frozen=True, slots=True)
class Totals:
    """A step over all processes."""

    num_samples: int
    num_targets: int
    unusable: list[Unusable]
    num_tokens: int = 0
    num_picture_tokens: int = 0
    """Of `num_tokens`; both are of conversations, other samples have none."""


def agreed(world: World, objective: Objective, batch: Batch) -> Totals:
    """What all processes found in their parts of a step. Raises `DidNotCome` in all where one waited in vain."""
    conversations = [sample for sample in batch.usable if isinstance(sample, Example)]
    mine = {
        "num_tokens": sum(len(each.input_ids) for each in conversations),
        "num_picture_tokens": sum(layout.num_tokens for each in conversations for layout in each.layouts),
        "num_samples": len(batch.usable),
        "num_targets": sum(objective.num_targets(sample) for sample in batch.usable),
        "unusable": [asdict(each) for each in batch.unusable],
        "late": batch.late,
    }
    found = world.exchange(mine)
    if late := [name for each in found for name in each["late"]]:
        raise DidNotCome(late)
    return Totals(
        num_samples=sum(each["num_samples"] for each in found),
        num_targets=sum(each["num_targets"] for each in found),
        unusable=[Unusable(**values) for each in found for values in each["unusable"]],
        num_tokens=sum(each["num_tokens"] for each in found),
        num_picture_tokens=sum(each["num_picture_tokens"] for each in found),
    )


class Stepper:
    """One optimiser step over the micro-batches of a batch."""

    def __init__(
        self,
        model: Llava,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        parameters: list[nn.Parameter],
        stage: Stage,
        low: torch.dtype,
        world: World = ALONE,
    ) -> None:
        self._model, self._objective, self._optimizer = model, objective, optimizer
        self._parameters, self._stage, self._low, self._world = parameters, stage, low, world
        self._divided = is_divided(model.parameters())

    def step(self, samples: list[Any], num_targets: int, factor: float) -> dict[str, float | int | str]:
        """The gradient is of the mean over all trained tokens of the batch, however it is cut into micro-batches.

        `samples` are this process's; `num_targets` counts those of all. Where loss or gradient is no number nothing is
        updated, in no process, and "skipped" says which and what it was.
        """
        if not num_targets:  # every sample of the step was unusable
            return {"num_trained": 0}
        losses = [self._backward(group, num_targets) for group in self._groups(samples)]
        mean = self._summed(losses) / num_targets
        by_part = {f"grad_norm_{part}": round(each, 6) for part, each in optim.norms(self._optimizer).items()}
        norm = optim.clip(self._parameters, self._stage.optim.clip_norm)
        for what, value in (("loss", mean), ("gradient", norm)):
            if not math.isfinite(value):  # of all processes: each decides the same
                self._optimizer.zero_grad(set_to_none=True)
                return {"num_trained": 0, "skipped": f"{what} became {value}"}
        optim.set_lr(self._optimizer, factor)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return {"loss": round(mean, 6), "num_trained": num_targets, "grad_norm": round(norm, 6), **by_part}

    def _groups(self, samples: list[Any]) -> list[list[Any]]:
        """This process's micro-batches."""
        together = self._objective.together  # then one without samples takes part all the same
        groups = self._objective.groups(samples) if samples or together else []
        return in_step(self._world, self._objective, groups) if self._divided else groups

    def _backward(self, group: list[Any], num_targets: int) -> float:
        """Add a micro-batch's gradient to what is there; its summed loss."""
        batch = self._objective.collate(group)
        batch = {name: tensor.to(self._model.device) for name, tensor in batch.items()}
        with self._lowered():
            with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._low == torch.bfloat16):
                loss = self._objective.loss(self._model, batch)
            # Text alone reaches no connector: then there is nothing to follow back.
            if loss.sum.requires_grad:
                (loss.sum / num_targets).backward()  # type: ignore[no-untyped-call]
        return float(loss.sum.detach())

    def _lowered(self) -> contextlib.AbstractContextManager[None]:
        """Divided weights are lowered by FSDP2; what an objective computes past the model stays as it is."""
        if self._low == torch.float32 or self._divided or not self._objective.through_model:
            return contextlib.nullcontext()
        return lowering.lowered(self._model, self._low)

    def _summed(self, losses: list[float]) -> float:
        """The loss over all processes, after adding up their gradients.

        A parameter that no process reached keeps no gradient, so that the optimiser leaves it alone as it would in one
        process; where some did not, they add nothing.
        """
        reached = "".join("01"[parameter.grad is not None] for parameter in self._parameters)
        found = self._world.exchange({"losses": losses, "reached": reached})
        if self._world.size > 1 and not self._divided:  # else each pass has added up its own
            flags = zip(*(each["reached"] for each in found), strict=True)
            anywhere = [p for p, by in zip(self._parameters, flags, strict=True) if "1" in by]
            for parameter in anywhere:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            self._world.sum_in_order([parameter.grad for parameter in anywhere if parameter.grad is not None])
        return in_turn([each["losses"] for each in found])


def in_step(world: World, objective: Objective, groups: list[list[Any]]) -> list[list[Any]]:
    """This process's micro-batches and what it must add to them where processes divide the weights.

    They gather these together: all make as many passes, and each through the tower and the connector where any does.
    Who has less to do adds a sample of which nothing is learnt.
    """
    by_process = world.exchange([any(map(objective.shows, group)) for group in groups])
    filled = []
    for turn, seen in enumerate(zip_longest(*by_process, fillvalue=False)):
        group = groups[turn] if turn < len(groups) else []
        if not group or (any(seen) and not any(map(objective.shows, group))):
            group = [*group, objective.blank(any(seen))]
        filled.append(group)
    return filled


def in_turn(losses: list[list[float]]) -> float:
    """The sum of the processes' losses in the order one process has: each one's first, each one's second, ..."""
    total = 0.0
    for turn in zip_longest(*losses, fillvalue=0.0):
        for loss in turn:
            total += loss
    return total
