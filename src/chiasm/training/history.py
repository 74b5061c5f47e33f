"""What a run has logged so far, as values: its stages, their curves, the latest answers, and whether it still goes on.

Reads the files of a run's folder and nothing else, a little more each time. It knows neither torch nor screens.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chiasm.errors import UserError
from chiasm.training.config import Recipe
from chiasm.training.holding import LOCK
from chiasm.training.metrics import Answered

State = Literal["running", "finished", "stopped"]

_CURVES = ("loss", "lr", "grad_norm", "samples_per_second", "tokens_per_second", "picture_tokens_per_second")


@dataclass(slots=True)
class Curve:
    """Values by step; what is no number is left out."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: int, value: float) -> None:
        """One more."""
        self.steps.append(step)
        self.values.append(value)


@dataclass(slots=True)
class StageHistory:
    """One stage: `step` of `num_steps` is done; `curves` by the metric's name, `last` all of its last line."""

    name: str
    num_steps: int = 0
    step: int = 0
    curves: dict[str, Curve] = field(default_factory=dict)
    validation: Curve = field(default_factory=Curve)
    last: dict[str, Any] = field(default_factory=dict)
    num_skipped: int = 0
    answers_step: int = 0
    answers: list[Answered] = field(default_factory=list)

    def parts(self, metric: str) -> dict[str, Curve]:
        """The metric's curve of each part; of the whole, under its own name, where no part is told apart."""
        found = {name.removeprefix(f"{metric}_"): c for name, c in self.curves.items() if name.startswith(f"{metric}_")}
        whole = {metric: self.curves[metric]} if metric in self.curves else {}
        return found if found and metric != "loss" else whole


class RunHistory:
    """The run in `folder`. Raises `UserError` when there is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "recipe.yaml").is_file():
            raise UserError(f"{folder} is no run: it has no recipe.yaml. Name the folder that `chiasm train` writes to")
        self.stages: dict[str, StageHistory] = {}
        self._recipe_time = -1
        self._look_at_recipe()
        self._logs = {name: _GrowingLog(folder / f"{name}.jsonl") for name in ("metrics", "validation", "answers")}
        self._begin()

    def read(self) -> bool:
        """Take in what came since the last time; whether there was anything."""
        self._look_at_recipe()
        if any(log.was_replaced() for log in self._logs.values()):  # a run went on from an earlier step
            self._begin()
        takes = {"metrics": self._step, "validation": self._validation, "answers": self._answer}
        seen = False
        for name, take in takes.items():
            for line in self._logs[name].new_lines():
                seen = True
                if isinstance(line, dict) and isinstance(line.get("step"), int) and line.get("stage") in self.stages:
                    take(self.stages[line["stage"]], line)
        return seen

    def state(self) -> State:
        """Whether it goes on. Where a system cannot tell, a run that has not ended is taken to go on."""
        held = _is_held(self.folder / LOCK)
        if held:
            return "running"
        if all((self.folder / "stages" / name).is_dir() for name in self.stages):
            return "finished"
        return "running" if held is None else "stopped"

    def _look_at_recipe(self) -> None:
        """Take in stages that were added behind the others."""
        path = self.folder / "recipe.yaml"
        time = path.stat().st_mtime_ns if path.is_file() else self._recipe_time
        if time != self._recipe_time:
            self.recipe, self._recipe_time = Recipe.from_yaml(path), time
            self.stages = {name: self.stages.get(name) or StageHistory(name) for name in self.recipe.stages}

    def _begin(self) -> None:
        self.stages = {name: StageHistory(name) for name in self.recipe.stages}
        for log in self._logs.values():
            log.begin()

    def _step(self, stage: StageHistory, line: dict[str, Any]) -> None:
        stage.step, stage.last = line["step"], line
        stage.num_steps = int(line.get("num_steps", 0))
        stage.num_skipped += "skipped" in line
        for name, value in line.items():
            if name.startswith(_CURVES) and isinstance(value, int | float):
                stage.curves.setdefault(name, Curve()).add(line["step"], value)

    def _validation(self, stage: StageHistory, line: dict[str, Any]) -> None:
        if isinstance(line.get("loss"), int | float):
            stage.validation.add(line["step"], line["loss"])

    def _answer(self, stage: StageHistory, line: dict[str, Any]) -> None:
        if line["step"] != stage.answers_step:
            stage.answers_step, stage.answers = line["step"], []
        texts = [str(line.get(key, "")) for key in ("question", "expected", "answer")]
        stage.answers.append(Answered(str(line.get("id", "")), tuple(map(str, line.get("images") or ())), *texts))


class _GrowingLog:
    """JSON lines that somebody writes at the end of; now and then the file is replaced by a shorter one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.begin()

    def begin(self) -> None:
        """Read from the beginning."""
        self._offset, self._inode = 0, -1

    def was_replaced(self) -> bool:
        """Whether what was read is no longer what is there."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return self._offset > 0
        return self._offset > 0 and (status.st_ino != self._inode or status.st_size < self._offset)

    def new_lines(self) -> Iterator[Any]:
        """Whole lines since the last time; one that is no JSON is None."""
        try:
            with self._path.open("rb") as file:
                self._inode = os.fstat(file.fileno()).st_ino
                file.seek(self._offset)
                for raw in file:
                    if not raw.endswith(b"\n"):
                        return  # still being written
                    self._offset += len(raw)
                    try:
                        yield json.loads(raw)
                    except (ValueError, RecursionError):
                        yield None
        except FileNotFoundError:
            return


def _is_held(lock: Path) -> bool | None:
    """Whether a process trains in the folder of this lock; None where that cannot be told."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once, when the file is closed
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
