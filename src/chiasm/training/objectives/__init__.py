"""Objectives: one file each, found by file name. An objective turns a stage's data into batches and a loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.registry import Registry
from chiasm.training.config import Stage

REGISTRY = Registry("chiasm.training.objectives", "objective", ("build",))


@dataclass(slots=True)
class Loss:
    """A summed loss and the number of targets it is over."""

    sum: torch.Tensor
    num_targets: int


class Objective(Protocol):
    """What a stage learns from. Samples are numbered; a sample that cannot be used raises when it is asked for."""

    together: bool
    """Whether its loss compares what all processes hold: `groups` then gives equally many in each, if need be empty."""

    through_model: bool
    """Whether a batch's loss is the model's own: all it computes with goes through `Llava.forward`."""

    def __len__(self) -> int:
        """How many samples there are, usable or not."""
        ...

    def name(self, index: int) -> str:
        """What people call a sample."""
        ...

    def order(self, seed: int, epoch: int) -> list[int]:
        """All samples once."""
        ...

    def notes(self) -> list[str]:
        """What a person should know of the data before it is used."""
        ...

    def digest(self) -> str:
        """Changes when the data does."""
        ...

    def sample(self, index: int, epoch: int = 0) -> Any:
        """One sample as `epoch` (from 0) shows it, ready for `collate`: a function of both numbers alone.

        Runs in worker threads. Raises `RecordError` or `PictureError`.
        """
        ...

    def look(self, index: int) -> None:
        """Raise what `sample` would, as far as it shows without decoding a picture. Runs in worker threads."""
        ...

    def num_targets(self, sample: Any) -> int:
        """How many targets of the loss a sample holds."""
        ...

    def groups(self, samples: list[Any]) -> list[list[Any]]:
        """The samples of a step, parted into those that are computed at once."""
        ...

    def collate(self, samples: list[Any]) -> dict[str, torch.Tensor]:
        """Samples to one batch."""
        ...

    def loss(self, model: Llava, batch: dict[str, torch.Tensor]) -> Loss:
        """The summed loss of a batch."""
        ...

    def shows(self, sample: Any) -> bool:
        """Whether a sample holds a picture."""
        ...

    def blank(self, picture: bool) -> Any | None:
        """A sample without a target, with a picture or without: it goes where others go, and nothing is learnt of it.

        None where batches do not go `through_model`.
        """
        ...

    def head(self) -> nn.Module | None:
        """Parameters the objective trains beside the model's; gone after the stage but for what `keep` writes."""
        ...

    def keep(self, folder: Path) -> None:
        """Write into the folder of the finished stage, as folders in it, what shall outlast it beside the model."""
        ...


def in_turn(samples: list[Any], at_once: int | None) -> list[list[Any]]:
    """Parts of `at_once` samples, in order; None: a single part."""
    size = at_once or len(samples)
    return [samples[begin : begin + size] for begin in range(0, len(samples), size)]


def build(stage: Stage, model: Llava, processor: Processor) -> Objective:
    """The objective a stage names, on the stage's data."""
    objective: Objective = REGISTRY.find(stage.objective).module.build(stage, model, processor)
    return objective
