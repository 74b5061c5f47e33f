"""Samples of a stage, step by step, prepared ahead in threads. What a step sees depends on seed and step alone.

Several processes divide the samples of each step among them; what all of them see together is what one would.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.conversations import Dropped
from chiasm.data.daemon_pool import DaemonPool, came_within
from chiasm.errors import UserError
from chiasm.processing.pictures import PictureError
from chiasm.training.config import Stage
from chiasm.training.metrics import MetricsFile
from chiasm.training.objectives import Objective
from chiasm.training.parallel import ALONE, World
from chiasm.training.waiting import called


@dataclass(frozen=True, slots=True)
class Plan:
    """Which samples each step sees: `num_steps` steps of `batch_size` out of `num_samples`, epoch after epoch."""

    num_samples: int
    batch_size: int
    num_steps: int
    length: int
    """Samples seen in all; the last step may be short."""

    @classmethod
    def of(cls, stage: Stage, num_samples: int) -> Plan:
        """Steps as the stage says, else enough to see every sample `epochs` times."""
        if not num_samples:
            raise UserError(f"{stage.data.records} holds no records")
        if stage.steps is not None:
            return cls(num_samples, stage.batch_size, stage.steps, stage.steps * stage.batch_size)
        length = round(stage.epochs * num_samples)
        return cls(num_samples, stage.batch_size, -(-length // stage.batch_size), length)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A sample that cannot be used: where in its step it stood, who it is, and why."""

    place: int
    index: int
    name: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """This process's part of a step."""

    usable: list[Any]
    unusable: list[Unusable]
    indices: list[int]
    """Of the usable ones."""
    late: list[str] = field(default_factory=list)
    """What did not come; where there is any, the rest was not waited for."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A sample that a step shows: where in the step, in which epoch, which one."""

    place: int
    epoch: int
    index: int


@dataclass(frozen=True, slots=True)
class Share:
    """Which samples of a step are this process's: parts of `unit` samples go round from the first process on.

    With micro-batches as parts a process computes what one alone would have computed at once; and where neighbours are
    of like length, as under `modality_length`, no process gets all the long ones.
    """

    world: World
    unit: int

    @classmethod
    def of(cls, stage: Stage, world: World) -> Share:
        """As the stage's sizes allow. Raises `UserError` when they give processes unequal numbers of samples."""
        each, left = divmod(stage.batch_size, world.size)
        if left:
            fitting = " or ".join(str(number * world.size) for number in (each, each + 1) if number)
            raise UserError(
                f"batch_size {stage.batch_size} cannot be divided among {world.size} processes: set it to {fitting}, "
                "or start another number of them"
            )
        micro = stage.micro_batch_size or each
        return cls(world, micro if not stage.pack and stage.micro_batch_size and each % micro == 0 else 1)

    def takes(self, place: int) -> bool:
        """Whether the sample at `place` of a step (from 0) is this process's."""
        return place // self.unit % self.world.size == self.world.rank


class Samples:
    """Batches of samples; `settle` counts and names unusable ones, and writes them to `log` for the stage `name`."""

    def __init__(
        self,
        objective: Objective,
        plan: Plan,
        stage: Stage,
        seed: int,
        name: str,
        log: MetricsFile,
        world: World = ALONE,
    ) -> None:
        self._objective, self.plan, self._stage, self._seed = objective, plan, stage, seed
        self._name, self._log, self._world = name, log, world
        self._share = Share.of(stage, world)
        self._unusable: set[int] = set()
        self.dropped = Dropped()
        self.lines: list[Mapping[str, Any]] = []
        """What was dropped, as it stands in the log."""
        self._order: tuple[int, list[int]] = (-1, [])

    def batches(
        self,
        first_step: int,
        num_workers: int,
        patience: float = math.inf,
        has_to_go: Callable[[], bool] = lambda: False,
    ) -> Generator[Batch, None, None]:
        """This process's part of each step from `first_step` (from 0) on, until one is `late`.

        `patience` is how many seconds a sample is waited for, by who does not have to go meanwhile.
        """
        waiting: deque[list[tuple[_Shown, Future[Any]]]] = deque()
        with DaemonPool(num_workers, "samples") as pool:
            for step in range(first_step, self.plan.num_steps):
                waiting.append([(each, pool.submit(self._sample, each)) for each in self._shown(step)])
                if len(waiting) > 2:  # two steps ahead hide the decoding of pictures; more only hold memory
                    yield self._batch(waiting.popleft(), patience, has_to_go)
            while waiting:
                yield self._batch(waiting.popleft(), patience, has_to_go)

    def begin(self, step: int, dropped: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Forget all that was dropped but the samples `dropped` until `step`; None: as the log says."""
        kept = self._world.from_first(lambda: self._kept(step, dropped))
        self._unusable, self.dropped, self.lines = set(), Dropped(), kept
        for line in kept:
            self._unusable.add(line["index"])
            self.dropped.add(line["id"], line["index"], line["reason"], line["message"])

    def seen(self) -> list[int]:
        """The samples that any step sees, each once."""
        if self.plan.length >= self.plan.num_samples:
            return list(range(self.plan.num_samples))
        return sorted(self._at(place)[1] for place in range(self.plan.length))

    def settle(self, unusable: Iterable[Unusable], step: int) -> None:
        """Count what all processes found unusable in `step`, 0 before the first; `UserError` when that is too much."""
        for each in sorted(unusable, key=lambda each: each.place):
            if each.index not in self._unusable:  # else it came by in an earlier epoch
                self._drop(each, step)
        if len(self.dropped) > self._stage.data.max_dropped * self.plan.num_samples:
            raise UserError(
                f"{len(self.dropped)} of {self.plan.num_samples} samples of {self._stage.data.records} cannot be used "
                f"({self.dropped}), more than max_dropped = {self._stage.data.max_dropped:g} allows. They are named in "
                "dropped.jsonl of the run; see `chiasm data check`, or raise data.max_dropped"
            )

    def _shown(self, step: int) -> list[_Shown]:
        """This process's samples of a step."""
        begin = step * self.plan.batch_size
        end = min(begin + self.plan.batch_size, self.plan.length)
        mine = (place for place in range(begin, end) if self._share.takes(place - begin))
        return [_Shown(place - begin, *self._at(place)) for place in mine]

    def _at(self, place: int) -> tuple[int, int]:
        """Epoch and index of the sample at `place` of all that is seen."""
        epoch, within = divmod(place, self.plan.num_samples)
        if self._order[0] != epoch:
            self._order = (epoch, self._objective.order(self._seed, epoch))
        return epoch, self._order[1][within]

    def _sample(self, each: _Shown) -> Any:
        return self._objective.sample(each.index, each.epoch)

    def _batch(self, asked: list[tuple[_Shown, Future[Any]]], patience: float, has_to_go: Callable[[], bool]) -> Batch:
        batch = Batch([], [], [])
        for each, future in asked:
            index = each.index
            if not came_within(future, patience, has_to_go):
                batch.late.append(called(self._objective, index, in_haste=has_to_go()))
                return batch
            try:
                sample = future.result()
                if not self._objective.num_targets(sample):
                    raise RecordError("nothing trained", "no token of this record is a target of the loss")
                batch.usable.append(sample)
                batch.indices.append(index)
            except (RecordError, PictureError) as error:
                name = self._objective.name(index)
                batch.unusable.append(Unusable(each.place, index, name, error.reason, str(error)))
        return batch

    def _drop(self, each: Unusable, step: int) -> None:
        self._unusable.add(each.index)
        name = self.dropped.add(each.name, each.index, each.reason, each.message)
        line: dict[str, float | int | str] = {"stage": self._name, "step": step, "index": each.index, "id": name}
        line |= {"reason": each.reason, "message": each.message}
        self.lines.append(line)
        if self._world.leads:
            self._log.write(line)

    def _kept(self, step: int, dropped: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
        """The log without what came after `step`, and with all that came before."""
        logged = self._log.forget_after(self._name, step if step else -1)
        if dropped is None or logged == list(dropped):
            return [*logged]
        self._log.forget_after(self._name, -1)
        for line in dropped:
            self._log.write(dict(line))
        return [*dropped]
