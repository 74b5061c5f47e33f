"""A drawn world on disk: pictures, COCO annotations, LLaVA conversations, benchmarks. Splits it up, and follows it.

The same seed, size and numbers give the same bytes, however many processes write. An interrupted run goes on where it
stopped. Knows files and processes; what is in the files comes from `formats`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from chiasm.atomic import new_file
from chiasm.errors import UserError
from chiasm.scenes.formats.readme import readme
from chiasm.scenes.layout import WrittenWorld
from chiasm.scenes.merging import merge
from chiasm.scenes.placing import SMALLEST_PICTURE
from chiasm.scenes.shards import DRAWN, MOST_OF_A_SPLIT, Shard, shard_folder, shards_of, write_shard

WORLD_FORMAT = 11  # raised whenever the same seed would give other bytes
_FEWEST_HELD_OUT, _HELD_OUT_SHARE = 200, 20  # pictures to test on: so many, or one for so many to train on; ours

Advance = Callable[[int], None]


def write_world(
    out: Path,
    *,
    num: int,
    seed: int = 0,
    size: int = 224,
    num_val: int | None = None,
    num_test: int | None = None,
    num_text: int | None = None,
    workers: int | None = None,
) -> WrittenWorld:
    """Write a drawn world of `num` pictures to train on, `size` pixels along the longer side, to the folder `out`.

    `num_val` pictures for validation (the larger of 200 and a twentieth of `num` unless said), `num_test` for the last
    test (as many), `num_text` scenes told in words (as many as `num`). `workers` processes draw, as many as there are
    cores unless said; one works in this process. A folder that holds a part of the same world is completed. Progress is
    shown on a terminal only. Raises `UserError` on numbers that make no world, on a folder that holds anything else,
    and where writing fails.
    """
    num_val = max(_FEWEST_HELD_OUT, num // _HELD_OUT_SHARE) if num_val is None else num_val
    num_test = num_val if num_test is None else num_test
    numbers = {"train": num, "val": num_val, "test": num_test, "text": num if num_text is None else num_text}
    _check_numbers(numbers, size, workers)
    world = {"format": WORLD_FORMAT, "seed": seed, "size": size, **numbers}
    files = WrittenWorld(out)
    if _entered(files, world) and _all_there(files, world):
        return files
    shards = shards_of(out, seed, size, numbers)
    try:
        with _alone(shard_folder(out)):
            _write_shards(shards, workers or _num_cores())
            counts = merge(files, seed, shards)
            _put_text(files.readme, readme(world, counts))
            os.sync()  # pictures were not flushed one by one
            _put_text(files.manifest, _manifest_text({**world, "files": counts}))
            shutil.rmtree(shard_folder(out))
            for killed in (*out.glob(".*.partial"), *out.glob("*/.*.partial")):
                killed.unlink()
    except OSError as error:
        raise UserError(
            f"writing to {out} stopped: {error.strerror or error}; the same command goes on from there"
        ) from error
    return files


def _check_numbers(numbers: Mapping[str, int], size: int, workers: int | None) -> None:
    for split, number in numbers.items():
        if not 1 <= number <= MOST_OF_A_SPLIT:
            what = "scenes in words" if split == "text" else f"pictures of the split {split}"
            raise UserError(f"{number} {what} asked for: give a number from 1 to {MOST_OF_A_SPLIT}")
    if size < SMALLEST_PICTURE:
        raise UserError(f"pictures of {size} pixels asked for: give {SMALLEST_PICTURE} or more")
    if workers is not None and workers < 1:
        raise UserError(f"{workers} processes asked for: give 1 or more")


def _entered(files: WrittenWorld, world: Mapping[str, int]) -> bool:
    """Whether the folder says that it holds this world, complete. A new or empty one becomes this world's."""
    out, manifest = files.folder, files.manifest
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not manifest.exists():
            if any(not found.name.endswith(".partial") for found in out.iterdir()):
                raise UserError(
                    f"{out} is not empty and no drawn world ({manifest.name} is missing): give a new folder"
                )
            # Without counts until the end: whoever finds the folder knows whose it is and that it is not complete.
            _put_text(manifest, _manifest_text(world))
            return False
        found = json.loads(manifest.read_bytes())
    except OSError as error:
        raise UserError(f"{out} cannot be used as a folder: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{manifest} is not JSON ({error}): delete the folder or give a new one") from error
    if not isinstance(found, dict) or any(found.get(key) != value for key, value in world.items()):
        other = found if isinstance(found, dict) else {}
        differing = [key for key in world if other.get(key) != world[key]]
        holds = ", ".join(f"{key} {other.get(key)!r}" for key in differing)
        wanted = ", ".join(f"{key} {world[key]}" for key in differing)
        raise UserError(f"{out} holds another drawn world ({holds}; asked for {wanted}): give a new folder")
    return "files" in found


def _all_there(files: WrittenWorld, world: Mapping[str, int]) -> bool:
    """Whether every file a complete world names is there, and as many pictures as it has."""
    named = json.loads(files.manifest.read_bytes())["files"]
    if not all((files.folder / name).is_file() for name in (*named, files.readme.name)):
        return False
    return all(len(list((files.images / split).glob("*.png"))) >= world[split] for split in DRAWN)


def _manifest_text(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=1) + "\n"


def _put_text(path: Path, text: str) -> None:
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes that write one world would take each other's files away. The system gives the lock back."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder.parent} is being written by another process: wait for it, or give a new folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield


def _write_shards(shards: Sequence[Shard], workers: int) -> None:
    """Write the shards that are not finished yet."""
    missing = [shard for shard in shards if not shard.finished()]
    total = sum(shard.num for shard in shards if shard.split in DRAWN)
    left = sum(shard.num for shard in missing if shard.split in DRAWN)
    with _progress(total, total - left) as advance:
        if min(workers, len(missing)) <= 1:
            for shard in missing:
                advance(write_shard(shard))
            return
        _write_in_processes(missing, min(workers, len(missing)), advance)


def _write_in_processes(shards: Sequence[Shard], workers: int, advance: Advance) -> None:
    # Spawned, not forked: the caller may have threads, as torch has, and a fork would inherit their locks.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter_worker)
    try:
        waiting = iter(shards)
        # One shard a worker: the pool would begin those that wait in its queue even after an interrupt.
        running = {pool.submit(write_shard, shard) for shard in islice(waiting, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(write_shard, shard) for shard in islice(waiting, len(done))}
            for future in done:
                advance(future.result())
    except BrokenProcessPool:
        raise UserError(
            "a process that draws was killed, perhaps for lack of memory; the same command goes on from there"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)  # what is being written is finished, and kept


def _enter_worker() -> None:
    """An interrupted parent lets its workers finish their shards; a killed one takes them with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.join,), daemon=True).start()


def _end_with(ended: Callable[[], None]) -> None:
    ended()
    os._exit(1)


@contextmanager
def _progress(total: int, done: int) -> Iterator[Advance]:
    """A bar with pictures a second on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    start, drawn = time.monotonic(), 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("drawing", total=total, completed=done)

        def advance(count: int) -> None:
            nonlocal drawn
            drawn += count
            rate = drawn / max(time.monotonic() - start, 1e-3)
            progress.update(task, advance=count, description=f"drawing, {rate:.0f} pictures a second")

        yield advance
