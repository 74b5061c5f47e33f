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
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {  # of a process of its own: nothing of whoever runs the tests changes it
    **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")},
    "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Job:
    """One run; without a recipe what each hears of the others.

    `ask` = (update, rank): that process gets SIGTERM before its so manieth update; `die`: it fails there.

    `per_node`: how many processes are to believe that they share a machine.
    """

    recipe: str = ""
    out: str = ""
    resume: bool = False
    layout: str = "replicate"
    cache: str | None = None
    ask: tuple[int, int] | None = None
    die: tuple[int, int] | None = None
    per_node: int | None = None


def as_torchrun(command: list[str], size: int) -> list[subprocess.Popen[str]]:
    """`command` in so many processes that are told of each other as torchrun tells them."""
    common = {"WORLD_SIZE": f"{size}", "LOCAL_WORLD_SIZE": f"{size}"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{free_port()}"}
    return [
        subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**ENVIRONMENT, **common, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"},
            cwd=ROOT,
        )
        for rank in range(size)
    ]


def start(groups: list[tuple[int, list[Job]]], folder: Path) -> list[list[list[dict[str, Any]]]]:
    """For each (size, jobs) run the jobs one after the other in so many processes; what each process says of each job.

    One program imports what all need and forks them, before it has computed anything.
    """
    folder.mkdir(exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps([(size, [asdict(job) for job in jobs]) for size, jobs in groups]))
    done = ended([sys.executable, "-m", "tests.training.processes", str(folder)], timeout=240)
    assert done.returncode == 0, done.stderr
    told = []
    for number, (size, _) in enumerate(groups):
        by_rank = [json.loads((folder / f"told.{number}.{rank}.json").read_text()) for rank in range(size)]
        told.append([list(of_job) for of_job in zip(*by_rank, strict=True)])
    return told


def ended(command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """`command` in a process of its own, run to its end, however it ended."""
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(folder: Path) -> None:
    """The program that `start` starts."""
    import peft  # noqa: F401 - so that no process has to
    import transformers.models.clip.modeling_clip
    import transformers.models.llama.modeling_llama  # noqa: F401

    import chiasm.training.run

    assert chiasm.training.run
    for number, (size, jobs) in enumerate(json.loads((folder / "jobs.json").read_text())):
        port = str(free_port())
        place = {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "MASTER_PORT": port}
        children = []
        for rank in range(size):
            child = os.fork()
            if not child:
                os.environ |= {**place, "MASTER_ADDR": "127.0.0.1", "RANK": str(rank), "LOCAL_RANK": str(rank)}
                _one([Job(**values) for values in jobs], folder / f"told.{number}.{rank}.json")
            children.append(child)
        if any(os.waitpid(child, 0)[1] for child in children):
            raise SystemExit(1)


def _one(jobs: list[Job], told: Path) -> None:
    """One of the processes; ends there."""
    import torch

    from chiasm.training.parallel import joined

    torch.set_num_threads(1)
    try:
        with joined("cpu") as placement:
            told.write_text(json.dumps([_do(job, placement) if job.recipe else _basics(placement) for job in jobs]))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _basics(placement: Any) -> dict[str, Any]:
    """What every process hears and adds up."""
    import torch

    from chiasm.training import parallel

    world = placement.world
    shapes = ((), (3,), (5, 7), (0,), (1000,))
    tensors = [torch.full(shape, 10.0**world.rank) for shape in shapes]
    with mock.patch.object(parallel, "_BUCKET_BYTES", 100):
        world.sum_in_order(tensors)
    big = torch.tensor([1e8, 1.0, -1e8, 1.0][world.rank % 4])
    world.sum_in_order([big])
    return {
        "short": world.exchange({"from": world.rank}),
        "long": [len(text) for text in world.exchange("é" * 30_000 * world.rank)],
        "first": world.from_first(lambda: f"made by {world.rank}"),
        "sums": [sorted({float(x) for x in tensor.flatten()}) for tensor in tensors],
        "in order": float(big),
    }


def _do(job: Job, placement: Any) -> dict[str, Any]:
    from dataclasses import replace

    from chiasm.errors import UserError
    from chiasm.training.config import Recipe
    from chiasm.training.features import CacheSettings
    from chiasm.training.run import run
    from chiasm.training.stopping import Interrupted
    from tests.training import micro

    world = placement.world
    world.per_node = job.per_node or world.size
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
    from chiasm.errors import UserError
    from chiasm.training import optim

    original, calls = optim.set_lr, 0

    def counting(optimizer: Any, factor: float) -> None:
        nonlocal calls
        calls += 1
        if job.ask is not None and tuple(job.ask) == (calls, rank):
            os.kill(os.getpid(), signal.SIGTERM)
        if job.die is not None and tuple(job.die) == (calls, rank):
            raise UserError("this process fails alone")
        original(optimizer, factor)

    return mock.patch.object(optim, "set_lr", counting)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
