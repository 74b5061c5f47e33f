"""One of several processes is killed: the others end, and the run goes on to the same bits."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from chiasm.training import state
from chiasm.training.run import run
from tests.training import micro
from tests.training.processes import as_torchrun

pytestmark = pytest.mark.timeout(300)


def test_the_others_end_and_the_run_goes_on(micro_world: Path, tmp_path: Path) -> None:
    """A micro-batch a process, so that one process comes to the bits of two."""
    changes = ("stages.align.micro_batch_size=2", "stages.align.steps=60", "save_every=2")
    recipe, folder = micro.recipe(micro_world, *changes, stages=("align",)), tmp_path / "run"
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    arguments = [str(tmp_path / "recipe.yaml"), "--out", str(folder), "--device", "cpu"]
    processes = as_torchrun([sys.executable, "-m", "chiasm", "train", *arguments], 2)
    try:
        deadline = time.monotonic() + 100
        while not state.newest_first(folder / "checkpoints", "align") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert state.newest_first(folder / "checkpoints", "align"), "nothing was saved in time"
        processes[1].send_signal(signal.SIGKILL)
        said = [process.communicate(timeout=100)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert processes[1].returncode == -signal.SIGKILL, said
    assert processes[0].returncode == 1, said
    assert "lost another one" in said[0]
    assert "Go on with --resume" in said[0]
    assert len(micro.metrics(folder)) < 60, "it was not killed in time"
    run(recipe, folder, resume=True)
    run(recipe, tmp_path / "unbroken")
    assert micro.weights(folder) == micro.weights(tmp_path / "unbroken")
    assert micro.metrics(folder) == micro.metrics(tmp_path / "unbroken")
