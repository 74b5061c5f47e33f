"""Where a stage in progress stands: its checkpoints, and all that has to stand where they do. It computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from chiasm.training.metrics import MetricsFile
from chiasm.training.not_finite import NotFinite
from chiasm.training.samples import Samples
from chiasm.training.stage_checkpoints import StageCheckpoints
from chiasm.training.state import Position


@dataclass(frozen=True, slots=True)
class Standing:
    """Weights, optimiser and random state, samples, and logs: put back together, saved together."""

    checkpoints: StageCheckpoints
    samples: Samples
    not_finite: NotFinite
    log: MetricsFile
    trained: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer

    def begin(self, position: Position | None) -> int:
        """Let samples and logs stand where weights do, at `position`, None before the first step; steps done then."""
        step, in_a_row = (0, 0) if position is None else (position.step, position.in_a_row)
        self.not_finite.begin(step, in_a_row)
        if position is not None:
            self.samples.begin(step, position.dropped)
        if self.checkpoints.world.leads:
            self.log.forget_after(self.checkpoints.name, step)
        return step

    def save(self, step: int) -> None:
        """A checkpoint of the state after `step`."""
        self.checkpoints.save(step, self.trained, self.optimizer, self.samples.lines, in_a_row=self.not_finite.in_a_row)

    def go_back(self, step: int) -> int:
        """From `step` to the newest checkpoint; steps done then. Raises `UserError` where that helps no more."""
        position = self.checkpoints.restore(self.trained, self.optimizer)
        back = self.not_finite.go_back(step, position)
        self.samples.begin(back.step, back.dropped)
        if self.checkpoints.world.leads:
            self.log.forget_after(self.checkpoints.name, back.step)
        return back.step
