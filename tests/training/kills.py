"""Runs that are killed with SIGKILL at random moments and gone on with: do all end in the same bits?

    OMP_NUM_THREADS=1 python -m tests.training.kills --kills 20 FOLDER

Each run is killed once: at a moment of the clock, inside a save, or between two stages; then it is resumed to its end
and compared with one that nothing stopped. Three stages; pictures are augmented where there are any, and the last stage
has adapters with dropout. One thread, since sums over several round differently.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from chiasm.scenes.writing import write_world
from chiasm.training.config import Recipe
from chiasm.training.run import run
from tests.training import micro

AUGMENT = "{brightness: 0.4, contrast: 0.4, saturation: 0.4, crop: 0.2}"
KINDS = ("any time", "any time", "in a save", "between stages")


def recipe(folder: Path) -> Recipe:
    """A checkpoint a step, samples left out before and during training, augmented pictures, dropout at the end."""
    world = write_world(folder / "world", num=5, num_val=1, num_test=1, num_text=10, size=64, workers=1).folder
    records = micro.records(world)
    records[3] = {**records[3], "image": "absent.png"}
    (world / "images" / "torn.png").write_bytes((world / "images" / records[5]["image"]).read_bytes()[:-100])
    records[5] = {**records[5], "image": "torn.png"}
    (folder / "records.json").write_text(json.dumps(records))
    return micro.recipe(
        world,
        f"stages.instruct.data.records={folder / 'records.json'}",
        "stages.instruct.data.max_dropped=0.5",
        "stages.instruct.lora={rank: 2, alpha: 4, dropout: 0.2}",
        f"stages.align.augment={AUGMENT}",
        f"stages.instruct.augment={AUGMENT}",
        "stages.talk.steps=2",
        "stages.align.steps=2",
        "stages.instruct.steps=5",  # 20 samples of 15: into the second epoch
        "save_every=1",
        stages=("talk", "align", "instruct"),
    )


def begun(whole: Recipe, folder: Path) -> int:
    """A process that trains in `folder`, from nothing or from where it was stopped: forked, torch is imported once."""
    child = os.fork()
    if child:
        return child
    try:
        run(whole, folder, resume=(folder / "run.json").is_file())
    except BaseException as error:
        print(f"{folder}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def ended(child: int, within: float = 120.0) -> int:
    """How the process ended; raises `TimeoutError` when it does not."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"process {child} does not end")


def killed(child: int, folder: Path, kind: str, rng: random.Random, lasts: float) -> bool:
    """Kill a run at a moment of this kind; whether it still ran."""
    begin, after = time.monotonic(), rng.uniform(0, lasts * 0.95)
    number, seen = rng.randrange(1, 9 if kind == "in a save" else 3), set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if kind == "in a save":
            seen |= set(folder.glob("checkpoints/.*.writing"))
        elif kind == "between stages":
            seen |= set(folder.glob("stages/*"))
        if len(seen) >= number or (kind == "any time" and time.monotonic() - begin > after):
            if kind != "any time":
                time.sleep(rng.uniform(0, 0.01))
            os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        time.sleep(0.0005)
    return False


def where(folder: Path) -> str:
    """What the killed process was at."""
    if any(folder.glob("checkpoints/.*.writing")):
        return "in a save"
    if any(folder.glob("stages/.*.writing")):
        return "while a stage was written down"
    if not (folder / "run.json").is_file():
        return "before the run began"
    return "elsewhere"


def same(one: Path, other: Path) -> bool:
    """Weights bit by bit, and what was logged."""
    return (
        micro.weights(one) == micro.weights(other)
        and micro.metrics(one) == micro.metrics(other)
        and micro.dropped(one) == micro.dropped(other)
    )


def main() -> None:
    """Exit code 1 unless all end in the same bits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, folder = random.Random(options.seed), options.folder
    whole, begin = recipe(folder), time.monotonic()
    if ended(begun(whole, folder / "unbroken")):
        sys.exit("the run that nothing stops fails")
    lasts = time.monotonic() - begin
    moments: Counter[str] = Counter()
    good = number = 0
    while sum(moments.values()) < options.kills:
        number += 1
        place = folder / f"killed-{number}"
        if not killed(begun(whole, place), place, KINDS[number % len(KINDS)], rng, lasts):
            continue  # it had ended
        moments[where(place)] += 1
        done = ended(begun(whole, place)) == 0 and same(place, folder / "unbroken")
        good += done
        if not done:
            print(f"{place} differs")
    print(", ".join(f"{count} {moment}" for moment, count in moments.most_common()))
    print(f"{good} of {options.kills} went on to the same bits")
    sys.exit(good != options.kills)


if __name__ == "__main__":
    main()
