"""Recipes small enough to run whole in a second, on the drawn world of the fixture `micro_world`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chiasm.training.config import Data, Model, Optim, Part, Recipe, Stage, Vocabulary
from chiasm.training.metrics import Answered

_SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def recipe(
    world: Path, *changes: str, stages: tuple[str, ...] = ("align", "instruct"), start: str | None = None
) -> Recipe:
    """A run at micro size: 4 steps of 4 samples in each of `stages`, from nothing or from a checkpoint.

    Of the four stages `see` teaches the tower from boxes and `talk` the language model without pictures.
    """
    model = model_of(world) if start is None else Model(start=start, dtype="float32")
    chosen = {name: stage for name, stage in _stages(world).items() if name in stages}
    whole = Recipe(name="micro", seed=0, precision="float32", model=model, stages=chosen, save_every=500, workers=1)
    return whole.with_changes(list(changes))


def model_of(world: Path) -> Model:
    """A tower of 64 patches and a language model with a vocabulary of the world's own words, from nothing."""
    return Model(
        vision={"model_type": "clip_vision_model", "image_size": 64, "patch_size": 8, **_SIZES},
        language={
            "model_type": "llama",
            "num_key_value_heads": 2,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
            "initializer_range": 0.08,
            **_SIZES,
        },
        vocabulary=Vocabulary(records=(f"{world}/text_train.json", f"{world}/instruct_train.json"), size=300),
        connector="mlp2x_gelu",
        feature_layer=-2,
        dtype="float32",
    )


def _stages(world: Path) -> dict[str, Stage]:
    def stage(trains: tuple[Part, ...], records: str, template: str, lr: float, **more: Any) -> Stage:
        images = None if records.startswith("text") else f"{world}/images"
        data = Data(records=f"{world}/{records}", images=images)
        settings = {"batch_size": 4, "steps": 4, "max_length": 512, **more}
        return Stage(trains=trains, data=data, template=template, optim=Optim(lr=lr), **settings)

    boxes = "annotations/instances_train.json"
    return {
        "see": stage(("vision",), boxes, "vicuna_v1", 2e-3, objective="patches", max_length=2048),
        "talk": stage(("language",), "text_train.json", "chatml", 2e-3),
        "align": stage(("connector",), "align_train.json", "plain", 2e-3),
        "instruct": stage(("connector", "language"), "instruct_train.json", "chatml", 1e-3),
    }


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
