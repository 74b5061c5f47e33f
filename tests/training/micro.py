"""Recipes small enough to run whole in a second, on the drawn world of the fixture `micro_world`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chiasm.recipes import _small_world as tiny
from chiasm.training.config import Model, Recipe
from chiasm.training.metrics import Answered

_TOWER = ("hidden_size=32", "intermediate_size=64", "num_hidden_layers=2", "num_attention_heads=2")
_LANGUAGE = (*_TOWER, "num_key_value_heads=2")
SIZES = (
    *(f"model.vision.{size}" for size in _TOWER),
    *(f"model.language.{size}" for size in _LANGUAGE),
    "model.vocabulary.size=300",
)


def recipe(
    world: Path, *changes: str, stages: tuple[str, ...] = ("align", "instruct"), start: str | None = None
) -> Recipe:
    """The recipe `tiny` at micro size: 4 steps of 4 samples in each of `stages`, from nothing or from a checkpoint."""
    whole = tiny.recipe(str(world)).with_changes(list(SIZES))
    chosen = {
        name: stage.model_copy(update={"steps": 4, "batch_size": 4})
        for name, stage in whole.stages.items()
        if name in stages
    }
    model = whole.model if start is None else Model(start=start, dtype="float32")
    return whole.model_copy(update={"model": model, "stages": chosen, "workers": 1}).with_changes(list(changes))


def records(world: Path, name: str = "instruct_train.json") -> list[dict[str, Any]]:
    """The records of a file of the world."""
    found: list[dict[str, Any]] = json.loads((world / name).read_text())
    return found


def metrics(run: Path) -> list[dict[str, Any]]:
    """What a run logged, but for the time and the memory it took."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if not _of_the_machine(key)} for line in lines]


def _of_the_machine(key: str) -> bool:
    return key in ("seconds", "peak_memory_gib") or key.endswith("_per_second")


def dropped(run: Path) -> list[dict[str, Any]]:
    """The samples a run named as unusable."""
    return [json.loads(line) for line in (run / "dropped.jsonl").read_text().splitlines()]


def weights(run: Path) -> dict[str, bytes]:
    """The weight files of the finished model, to be compared bit by bit."""
    found = {path.name: path.read_bytes() for path in (run / "final").glob("*.safetensors")}
    assert found
    return found


class Recorder:
    """A reporter that remembers, and can fail at a step as if the program were killed there."""

    def __init__(self, fail_at: tuple[str, int] | None = None) -> None:
        self.notes: list[str] = []
        self.begun: list[tuple[str, int]] = []
        self.ended: dict[str, str] = {}
        self.summaries: dict[str, str] = {}
        self.steps: list[dict[str, Any]] = []
        self.validations: list[tuple[dict[str, Any], list[Answered]]] = []
        self._fail_at = fail_at

    def stage_begins(self, name: str, num_steps: int, first_step: int, summary: str) -> None:
        self.begun.append((name, first_step))
        self.summaries[name] = summary

    def step(self, metrics: dict[str, Any]) -> None:
        self.steps.append(metrics)
        if (metrics["stage"], metrics["step"]) == self._fail_at:
            raise Killed

    def validated(self, metrics: dict[str, Any], answers: Sequence[Answered]) -> None:
        self.validations.append((metrics, list(answers)))

    def stage_ends(self, name: str, dropped: str) -> None:
        self.ended[name] = dropped

    def note(self, message: str) -> None:
        self.notes.append(message)


class Killed(BaseException):
    """The program ends here without a chance to save."""
