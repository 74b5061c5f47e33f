"""Runs of several processes, started as torchrun starts them. `python -m tests.training.processes JOBS` is one of them.

A job names a recipe file, a folder, and what should happen on the way. Several jobs share one start: importing torch
takes longer than a micro run.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Job:
    """One run. `ask` = (stage, step, rank): that process gets SIGTERM in that step; `die`: it fails there."""

    recipe: str
    out: str
    resume: bool = False
    layout: str = "replicate"
    cache: str | None = None
    ask: tuple[str, int, int] | None = None
    die: tuple[str, int, int] | None = None
    per_node: int | None = None


def start(jobs: list[Job], size: int, folder: Path) -> list[list[dict[str, Any]]]:
    """Run `jobs` one after the other in `size` processes; what each process says of each job, by job."""
    folder.mkdir(exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps([asdict(job) for job in jobs]))
    environment = {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")},
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning:chiasm", "-m", "tests.training.processes", str(folder)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    errors = []
    for process in started:
        try:
            _, said = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            for each in started:
                each.kill()
            _, said = process.communicate()
            said += "\n(took too long)"
        errors.append(said)
    assert all(process.returncode == 0 for process in started), "\n".join(errors)
    told = [json.loads((folder / f"told.{rank}.json").read_text()) for rank in range(size)]
    return [list(by_rank) for by_rank in zip(*told, strict=True)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(folder: Path) -> None:
    """One process of `start`."""
    import torch

    from chiasm.training.parallel import joined

    torch.set_num_threads(1)
    told = []
    with joined("cpu") as placement:
        for values in json.loads((folder / "jobs.json").read_text()):
            told.append(_do(Job(**values), placement))
        (folder / f"told.{placement.world.rank}.json").write_text(json.dumps(told))


def _do(job: Job, placement: Any) -> dict[str, Any]:
    from dataclasses import replace

    from chiasm.errors import UserError
    from chiasm.training.config import Recipe
    from chiasm.training.features import CacheSettings
    from chiasm.training.run import run
    from chiasm.training.stopping import Interrupted
    from tests.training import micro

    world = placement.world
    if job.per_node is not None:
        world.per_node = job.per_node
    recorder = micro.Recorder()
    cache = CacheSettings(Path(job.cache)) if job.cache else None
    said: dict[str, Any] = {}
    with _at(job, world.rank):
        try:
            placed = replace(placement, layout=job.layout)
            run(
                Recipe.from_yaml(Path(job.recipe)),
                Path(job.out),
                resume=job.resume,
                reporter=recorder,
                cache=cache,
                placement=placed,
            )
        except Interrupted as stop:
            said["stopped"] = stop.signal_number
        except UserError as error:
            told = world.fail(error)
            said["error"], said["kind"] = str(told), type(told).__name__
    world.exchange(None)
    return {**said, "notes": recorder.notes, "begun": recorder.begun, "ended": recorder.ended}


def _at(job: Job, rank: int) -> Any:
    """What happens to this process on the way."""
    from unittest import mock

    from chiasm.errors import UserError
    from chiasm.training import optim

    original, calls = optim.set_lr, 0

    def counting(optimizer: Any, factor: float) -> None:
        """Steps of the last stage, counted where the gradients are there already."""
        nonlocal calls
        calls += 1
        if job.ask is not None and (job.ask[1], job.ask[2]) == (calls, rank):
            os.kill(os.getpid(), signal.SIGTERM)
        if job.die is not None and (job.die[1], job.die[2]) == (calls, rank):
            raise UserError("this process fails alone")
        original(optimizer, factor)

    return mock.patch.object(optim, "set_lr", counting)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
