"""What may befall a run from outside: damaged checkpoints, disks, signals, a second process, SIGKILL."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.training import generators, state
from chiasm.training.holding import LOCK, held
from chiasm.training.parallel import ALONE
from chiasm.training.run import run
from chiasm.training.stage_checkpoints import StageCheckpoints
from chiasm.training.state import Position
from tests.training import micro
from tests.training.processes import ENVIRONMENT, ROOT


def _trained(value: float = 0.0) -> tuple[dict[str, nn.Parameter], torch.optim.AdamW]:
    named = {"a": nn.Parameter(torch.full((3, 2), value))}
    optimizer = torch.optim.AdamW(named.values(), lr=0.1)
    named["a"].grad = torch.ones(3, 2)
    optimizer.step()
    return named, optimizer


def _checkpoints(folder: Path, *steps: int, keep: int = 99) -> tuple[StageCheckpoints, micro.Recorder]:
    recorder = micro.Recorder()
    made = StageCheckpoints(folder, "mine", "align", keep, ALONE, recorder)
    for step in steps:
        made.save(step, *_trained(float(step)))
    return made, recorder


# ---- which checkpoint ------------------------------------------------------------------------------------------------


def test_the_newest_sound_one_is_taken_and_every_other_is_told_with_its_reason(tmp_path: Path) -> None:
    checkpoints, recorder = _checkpoints(tmp_path, 10, 20, 30, 40, 50)
    weights = tmp_path / "align-0000050" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 16  # a bit of a weight
    weights.write_bytes(content)
    os.truncate(tmp_path / "align-0000040" / "optimizer.safetensors", 100)
    shutil.rmtree(tmp_path / "align-0000030")
    (tmp_path / "align-0000030").mkdir()
    theirs = StageCheckpoints(tmp_path, "theirs", "align", 99, ALONE, recorder)
    theirs.save(35, *_trained())
    (tmp_path / "align-0000060").touch()  # a file of that name
    named, optimizer = _trained()
    position = checkpoints.restore(named, optimizer)
    assert position == Position("mine", "align", 20, 0, ())
    assert named["a"].max() < 20  # its one step with a rate of 0.1 led away from 20
    assert named["a"].min() > 19
    told = [
        ("align-0000060", "never finished"),
        ("align-0000050", "weights.safetensors is missing or damaged"),
        ("align-0000040", "optimizer.safetensors is missing or damaged"),
        ("align-0000035", "belongs to run theirs, not to this one (mine)"),
        ("align-0000030", "never finished"),
        ("align-0000020", "goes on from"),
    ]
    assert len(recorder.notes) == len(told)
    for note, (name, reason) in zip(recorder.notes, told, strict=True):
        assert name in note
        assert reason in note
        assert note.startswith("passed over: ") != (reason == "goes on from")


def test_weights_that_are_no_numbers_are_passed_over(tmp_path: Path) -> None:
    checkpoints, recorder = _checkpoints(tmp_path, 1)
    checkpoints.save(2, *_trained(float("inf")))
    position = checkpoints.restore(*_trained())
    assert position is not None
    assert position.step == 1
    assert "align-0000002" in recorder.notes[0]
    assert "NaN or infinity" in recorder.notes[0]


def test_nothing_sound_is_none(tmp_path: Path) -> None:
    checkpoints, _ = _checkpoints(tmp_path)
    assert checkpoints.restore(*_trained()) is None


def test_no_flipped_bit_of_the_record_passes_for_a_newer_version_or_for_other_content(tmp_path: Path) -> None:
    """Every bit where the format stands (1 is one bit from 3, 5, 9), one of every byte after it."""
    _checkpoints(tmp_path, 1)
    folder = tmp_path / "align-0000001"
    record, refused, tried = folder / "complete.json", 0, 0
    content, meant = record.read_bytes(), json.loads(record.read_text())
    for place in range(len(content)):
        for bit in range(8) if place < 20 else [place % 8]:
            tried += 1
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            record.write_bytes(flipped)
            try:
                state.check_complete(folder)
            except state.NewerFormat:
                pytest.fail(f"bit {bit} of byte {place} makes it a newer version")
            except UserError:
                refused += 1
            else:
                found = json.loads(flipped)
                assert found["sha256"] == meant["sha256"]
    assert refused > 0.95 * tried  # else white space, or the name of the record's own digest


def test_what_was_dropped_is_part_of_the_state(micro_world: Path, tmp_path: Path) -> None:
    """The log of names may be lost; the count that ends a run may not."""
    records = micro.records(micro_world)
    for index in (3, 14, 25):
        records[index] = {**records[index], "image": "absent.png"}
    (tmp_path / "records.json").write_text(json.dumps(records))
    recipe = micro.recipe(
        micro_world,
        f"stages.instruct.data.records={tmp_path / 'records.json'}",
        "stages.instruct.data.max_dropped=0.5",
        "stages.instruct.steps=10",
        "save_every=2",
    )
    for name in ("whole", "cut"):
        with pytest.raises(micro.Killed):
            run(recipe, tmp_path / name, reporter=micro.Recorder(("instruct", 5)))
    (tmp_path / "cut" / "dropped.jsonl").unlink()
    for name in ("whole", "cut"):
        run(recipe, tmp_path / name, resume=True)
    assert len(micro.dropped(tmp_path / "whole")) == 3
    assert micro.dropped(tmp_path / "cut") == micro.dropped(tmp_path / "whole")


def test_the_generator_of_a_gpu_is_part_of_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's interface has it; no GPU is needed."""
    put: list[torch.Tensor] = []
    on_gpu = torch.arange(16, dtype=torch.uint8)
    torch.manual_seed(3)
    on_cpu_alone = generators.state()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: on_gpu)
    monkeypatch.setattr(torch.cuda, "set_rng_state", put.append)
    both = generators.from_text(generators.as_text())
    expected = torch.rand(4)
    torch.manual_seed(4)
    generators.put_back(both)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(put[0], on_gpu)
    generators.put_back(on_cpu_alone)  # a run that goes on where there is a GPU now
    assert torch.equal(torch.rand(4), expected)
    assert len(put) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    generators.put_back(both)
    assert torch.equal(torch.rand(4), expected)


# ---- disks -----------------------------------------------------------------------------------------------------------


_FULL = """
import resource, sys
from pathlib import Path
import torch
from chiasm.errors import UserError
from chiasm.training import state
from tests.training.test_faults import _checkpoints, _trained
from torch import nn

folder, big = Path(sys.argv[1]), {"a": nn.Parameter(torch.zeros(1000, 100))}
optimizer = torch.optim.AdamW(big.values())
big["a"].grad = torch.ones(1000, 100)
optimizer.step()
checkpoints, _ = _checkpoints(folder, keep=1)
checkpoints.save(1, big, optimizer)
before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
for share in (0.01, 0.5, 0.99):
    for size in (400_000, 800_000):  # of the weights, of the optimiser
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * share), resource.RLIM_INFINITY))
        try:
            checkpoints.save(2, big, optimizer)
        except UserError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before
        state.check_complete(folder / "align-0000001")
checkpoints.save(2, big, optimizer)
assert [path.name for path in folder.iterdir()] == ["align-0000002"]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_save_that_ends_at_any_size_leaves_the_one_before(tmp_path: Path) -> None:
    """At 1, 50 and 99 % of the weights and of the optimiser, with only one checkpoint to keep."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot write") == 6


def test_a_folder_that_becomes_read_only_stops_the_run_with_what_was_saved(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, recipe = Path.mkdir, micro.recipe(micro_world, "save_every=1", stages=("align",))

    def refused(self: Path, *arguments: Any, **settings: Any) -> None:
        if self.name == ".align-0000003.writing":
            raise OSError(errno.EROFS, "Read-only file system")
        made(self, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refused)
        with pytest.raises(UserError, match=r"Read-only file system.*untouched.*--resume"):
            run(recipe, tmp_path / "run")
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", resume=True, reporter=recorder)
    assert recorder.begun == [("align", 2)]


# ---- a second process ------------------------------------------------------------------------------------------------


def test_a_second_process_is_refused_and_changes_nothing(micro_world: Path, tmp_path: Path) -> None:
    recipe, folder = micro.recipe(micro_world, stages=("align",)), tmp_path / "run"

    class Second(micro.Recorder):
        def step(self, metrics: dict[str, Any]) -> None:
            super().step(metrics)
            for resume in (False, True):
                with pytest.raises(UserError, match=r"another process is training in .*run.*--out"):
                    run(recipe, folder, resume=resume)

    run(recipe, folder, reporter=Second())
    assert not (folder / LOCK).exists()
    assert len(micro.metrics(folder)) == 4


def test_a_folder_is_held_only_while_it_is_used(tmp_path: Path) -> None:
    with held(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
        with pytest.raises(UserError), held(tmp_path / "a" / "b"):
            pass
    assert not (tmp_path / "a" / "b").exists()
    (tmp_path / "there").mkdir()
    with held(tmp_path / "there"):
        pass
    assert list((tmp_path / "there").iterdir()) == []  # it was there before, and stays
    with held(tmp_path / "new"):
        (tmp_path / "new" / "file").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_lock_left_by_a_kill_keeps_nobody_out(micro_world: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).touch()
    run(micro.recipe(micro_world, stages=("align",)), tmp_path / "run")
    assert not (tmp_path / "run" / LOCK).exists()


# ---- signals and kills -----------------------------------------------------------------------------------------------


_SLOW = """
import sys, time
from pathlib import Path
from chiasm.training.config import Recipe
from chiasm.training.run import run
from tests.training import micro

class Slow(micro.Recorder):
    def step(self, metrics):
        if metrics["step"] == 3:
            print("in step 3", flush=True)
            time.sleep(60)

run(Recipe.from_yaml(Path(sys.argv[1])), Path(sys.argv[2]), reporter=Slow())
"""


def test_a_second_interrupt_leaves_at_once_with_the_old_checkpoint_whole(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "save_every=1", stages=("align",))
    run(recipe, tmp_path / "unbroken")
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    command = [sys.executable, "-c", _SLOW, str(tmp_path / "recipe.yaml"), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in step 3\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):  # the first one waits for the step
            process.wait(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    newest, *_ = state.newest_first(tmp_path / "run" / "checkpoints", "align")
    assert newest.name == "align-0000002"
    state.check_complete(newest)
    run(recipe, tmp_path / "run", resume=True)
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "unbroken")
    assert micro.metrics(tmp_path / "run") == micro.metrics(tmp_path / "unbroken")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its runs")
def test_killed_anywhere_runs_go_on_to_the_same_bits(tmp_path: Path) -> None:
    """A few kills; `python -m tests.training.kills --kills 20 FOLDER` does many."""
    pytest.importorskip("peft")
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.kills", "--kills", "4", "--seed", "1", str(tmp_path)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=ROOT,
        check=False,
    )
    assert "4 of 4 went on to the same bits" in done.stdout, done.stdout + done.stderr
