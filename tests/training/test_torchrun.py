"""torchrun itself starts the command, as the documentation has it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chiasm.training.run import run
from tests.training import micro
from tests.training.processes import ended, free_port

pytestmark = pytest.mark.timeout(300)


def test_two_processes_of_torchrun_come_to_the_bits_of_one(micro_world: Path, tmp_path: Path) -> None:
    """A micro-batch a process, as in one process with two."""
    recipe = micro.recipe(micro_world, "stages.align.micro_batch_size=2", "stages.align.steps=4", stages=("align",))
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    port = str(free_port())
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    train = ["chiasm", "train", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = ended([*torchrun, "-m", *train], timeout=200)
    assert done.returncode == 0, done.stderr
    run(recipe, tmp_path / "alone")
    assert len(micro.metrics(tmp_path / "run")) == 4
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "alone")
