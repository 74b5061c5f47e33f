"""Checkpoints of a stage over its processes: which is taken, which is passed over, and which may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.training import state
from chiasm.training.parallel import ALONE, World
from chiasm.training.stage_checkpoints import StageCheckpoints
from tests.training.micro import Recorder

Trained = tuple[dict[str, nn.Parameter], torch.optim.AdamW]


@pytest.fixture
def trained() -> Trained:
    named = {"weight": nn.Parameter(torch.ones(4, 3))}
    optimizer = torch.optim.AdamW(named.values(), lr=0.1)
    named["weight"].grad = torch.ones(4, 3)
    optimizer.step()
    return named, optimizer


def checkpoints(folder: Path, keep: int = 1, world: World = ALONE) -> StageCheckpoints:
    return StageCheckpoints(folder, "run", "align", keep, world, Recorder())


def tear(folder: Path, name: str) -> None:
    path = folder / name / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:20])


def names(folder: Path) -> list[str]:
    return [path.name for path in state.newest_first(folder, "align")]


def test_the_last_ones_stay(tmp_path: Path, trained: Trained) -> None:
    kept = checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        kept.save(step, *trained)
    assert names(tmp_path) == ["align-0000003", "align-0000002"]


def test_a_torn_one_of_a_later_step_costs_no_sound_one(tmp_path: Path, trained: Trained) -> None:
    """A run that went back to the beginning must not lose what it saves for what it could not read."""
    checkpoints(tmp_path).save(50, *trained)
    tear(tmp_path, "align-0000050")
    again = checkpoints(tmp_path)
    assert again.restore(*trained) is None
    again.save(10, *trained)
    assert "align-0000010" in names(tmp_path)
    found = checkpoints(tmp_path).restore(*trained)
    assert found is not None
    assert found.step == 10


def test_a_torn_one_does_not_count_among_those_that_stay(tmp_path: Path, trained: Trained) -> None:
    first = checkpoints(tmp_path, keep=2)
    first.save(10, *trained)
    first.save(20, *trained)
    tear(tmp_path, "align-0000020")
    again = checkpoints(tmp_path, keep=2)
    found = again.restore(*trained)
    assert found is not None
    assert found.step == 10
    again.save(15, *trained)
    assert names(tmp_path) == ["align-0000020", "align-0000015", "align-0000010"]
    again.save(20, *trained)  # written anew: sound from here on
    assert names(tmp_path) == ["align-0000020", "align-0000015"]


class _Second(World):
    """The second of two processes; the first, which checks its own files with the same code, is played here."""

    def __init__(self, folder: Path) -> None:
        super().__init__(rank=1, size=2)
        self._folder = folder

    def exchange(self, value: Any) -> list[Any]:
        try:
            state.check_complete(self._folder / "align-0000020", 0, 2)
        except UserError as error:
            return [str(error), value]
        return ["", value]

    def from_first(self, work: Any) -> Any:
        return work()


@pytest.mark.parametrize("lost", ["weights.safetensors", "position.json", "optimizer.safetensors"])
@pytest.mark.parametrize("how", ["torn", "gone"])
def test_no_process_reads_what_another_has_found_damaged(tmp_path: Path, trained: Trained, lost: str, how: str) -> None:
    checkpoints(tmp_path).save(20, *trained)
    path = tmp_path / "align-0000020" / lost
    if how == "torn":
        path.write_bytes(path.read_bytes()[:20])
    else:
        path.unlink()
    assert checkpoints(tmp_path, world=_Second(tmp_path)).restore(*trained) is None
