"""Samples of a stage, step by step, prepared ahead in threads. What a step sees depends on seed and step alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.conversations import Dropped
from chiasm.errors import UserError
from chiasm.processing.pictures import PictureError
from chiasm.training.config import Stage
from chiasm.training.metrics import MetricsFile
from chiasm.training.objectives import Objective


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


class Samples:
    """Batches of usable samples; unusable ones are counted, named, and written down in `log` for the stage `name`."""

    def __init__(self, objective: Objective, plan: Plan, stage: Stage, seed: int, name: str, log: MetricsFile) -> None:
        self._objective, self._plan, self._stage, self._seed = objective, plan, stage, seed
        self._name, self._log = name, log
        self._unusable: set[int] = set()
        self.dropped = Dropped()
        self._order: tuple[int, list[int]] = (-1, [])

    def batches(self, first_step: int, num_workers: int) -> Iterator[list[Any]]:
        """The samples of each step from `first_step` (from 0) on; what was dropped before is taken from the log."""
        for line in self._log.forget_after(self._name, first_step):
            self._unusable.add(line["index"])
            self.dropped.add(line["id"], line["index"], line["reason"], line["message"])
        waiting: deque[list[tuple[int, Future[Any]]]] = deque()
        with ThreadPoolExecutor(num_workers, thread_name_prefix="samples") as pool:
            try:
                for step in range(first_step, self._plan.num_steps):
                    waiting.append([(i, pool.submit(self._objective.sample, i)) for i in self._indices(step)])
                    if len(waiting) > 2:  # two steps ahead hide the decoding of pictures; more only hold memory
                        yield self._usable(waiting.popleft(), step - 1)
                while waiting:
                    yield self._usable(waiting.popleft(), self._plan.num_steps - len(waiting))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _indices(self, step: int) -> list[int]:
        begin = step * self._plan.batch_size
        return [self._at(place) for place in range(begin, min(begin + self._plan.batch_size, self._plan.length))]

    def _at(self, place: int) -> int:
        epoch, within = divmod(place, self._plan.num_samples)
        if self._order[0] != epoch:
            self._order = (epoch, self._objective.order(self._seed, epoch))
        return self._order[1][within]

    def _usable(self, asked: list[tuple[int, Future[Any]]], step: int) -> list[Any]:
        """Those of `asked` that can be used, in `step` (from 1)."""
        usable = []
        for index, future in asked:
            try:
                sample = future.result()
                if not self._objective.num_targets(sample):
                    raise RecordError("nothing trained", "no token of this record is a target of the loss")
                usable.append(sample)
            except (RecordError, PictureError) as error:
                self._drop(index, error, step)
        return usable

    def _drop(self, index: int, error: RecordError | PictureError, step: int) -> None:
        if index in self._unusable:  # it came by in an earlier epoch
            return
        self._unusable.add(index)
        name = self.dropped.add(self._objective.name(index), index, error.reason, str(error))
        self._log.write(
            {
                "stage": self._name,
                "step": step,
                "index": index,
                "id": name,
                "reason": error.reason,
                "message": str(error),
            }
        )
        if len(self.dropped) > self._stage.data.max_dropped * self._plan.num_samples:
            raise UserError(
                f"{len(self.dropped)} of {self._plan.num_samples} samples of {self._stage.data.records} cannot be used "
                f"({self.dropped}), more than max_dropped = {self._stage.data.max_dropped:g} allows. They are named in "
                "dropped.jsonl of the run; see `chiasm data check`, or raise data.max_dropped"
            )
