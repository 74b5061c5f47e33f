"""Checkpoints of a stage in progress, over all processes of a run: which one to go on from, and writing the next.

Weights that every process holds whole are written by the first one (`state`); divided ones by all (`sharded_state`).
Either kind is read by any number of processes. It knows neither samples nor steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.training import generators as random_state
from chiasm.training import sharded_state, state
from chiasm.training.metrics import Reporter
from chiasm.training.parallel import World, is_divided
from chiasm.training.state import Position


@dataclass(frozen=True, slots=True)
class StageCheckpoints:
    """Those in `folder` of the stage `name` of run `run_id`: the last `keep` stay, damaged ones not counted."""

    folder: Path
    run_id: str
    name: str
    keep: int
    world: World
    reporter: Reporter
    _passed_over: set[str] = field(default_factory=set)

    def restore(self, trained: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> Position | None:
        """Put the newest checkpoint that is whole back, if there is one. Says which, and why others were passed over.

        Each process makes sure of a part of the files, and all go on from the same one.
        """
        shapes = {name: parameter.shape for name, parameter in trained.items()}
        for name in self.world.from_first(lambda: [found.name for found in state.newest_first(self.folder, self.name)]):
            folder = self.folder / name
            reasons = self._objections(folder, self._check_bytes) or self._objections(folder, self._check_fit, shapes)
            if not reasons:
                kind = _kind_of(folder)
                optimizer.state.clear()  # what the checkpoint does not know of was not there yet
                position: Position = kind.put_back(folder, trained, optimizer, self.world)
                self.reporter.note(f"goes on from {folder}")
                return position
            self._passed_over.add(name)
            self.reporter.note(f"passed over: {'; '.join(dict.fromkeys(reasons))}")
        return None

    def _objections(self, folder: Path, check: Callable[..., None], *arguments: Any) -> list[str]:
        """What any process has against a checkpoint. All must agree on its bytes before one reads what is in them."""
        reason = ""
        try:
            check(folder, *arguments)
        except state.NewerFormat:
            raise
        except UserError as error:
            reason = str(error)
        return [each for each in self.world.exchange(reason) if each]

    def _check_bytes(self, folder: Path) -> None:
        state.check_complete(folder, self.world.rank, self.world.size)

    def _check_fit(self, folder: Path, shapes: Mapping[str, torch.Size]) -> None:
        state.check_position(folder, self.run_id)
        _kind_of(folder).check_parameters(folder, shapes)
        state.check_finite(folder, self.world.rank, self.world.size)

    def save(
        self,
        step: int,
        trained: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        dropped: Sequence[Mapping[str, Any]] = (),
        in_a_row: int = 0,
    ) -> None:
        """The state after `step`, then away with what is older than the last `keep`."""
        position = Position(self.run_id, self.name, step, in_a_row, tuple(dropped))
        target = self.folder / state.checkpoint_name(position)
        self._passed_over.discard(target.name)
        generators = [random_state.from_text(text) for text in self.world.exchange(random_state.as_text())]
        if is_divided(trained.values()):
            sharded_state.save_state(target, position, trained, optimizer, generators, self.world)
        else:
            self.world.from_first(lambda: state.save_state(target, position, trained, optimizer, generators))
        self.world.from_first(self._forget)

    def _forget(self) -> None:
        there = state.newest_first(self.folder, self.name)
        sound = [folder for folder in there if folder.name not in self._passed_over]
        for old in there[there.index(sound[: self.keep][-1]) + 1 :]:
            state.remove(old)


def _kind_of(folder: Path) -> Any:
    return sharded_state if sharded_state.is_one(folder) else state
