"""Samples that never come: the run saves itself, says which one it was, ends, and goes on to the same bits."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chiasm.data import daemon_pool, order
from chiasm.errors import UserError
from chiasm.processing import pictures
from chiasm.training import state, waiting
from chiasm.training.config import Recipe
from chiasm.training.features import CacheSettings
from chiasm.training.run import run
from chiasm.training.stopping import Interrupted
from chiasm.training.waiting import called
from tests.training import micro
from tests.training.hanging import reader
from tests.training.processes import as_torchrun, ended


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that hang are left behind at once."""
    monkeypatch.setattr(daemon_pool, "_FAREWELL", 0.1)


@pytest.fixture
def until() -> Iterator[threading.Event]:
    """What hanging reads wait for; set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def _recipe(world: Path, *changes: str) -> Recipe:
    """One stage of four steps that saves nothing by itself, and is not patient."""
    halves = "stages.align.micro_batch_size=2"
    return micro.recipe(world, halves, "sample_timeout=1", "workers=2", *changes, stages=("align",))


def _shown(world: Path, *places: int) -> dict[str, Any]:
    """The first record that stands at one of these of the stage's 16 places, with a picture that is shown once."""
    records = micro.records(world, "align_train.json")
    shown = [records[index] for index in order.shuffled(len(records), 0, 0)[:16]]
    images = [record["image"] for record in shown]
    return next(shown[place] for place in places if images.count(images[place]) == 1)


def _name(record: dict[str, Any]) -> str:
    return Path(record["image"]).name


def _saved(folder: Path) -> list[str]:
    return [path.name for path in state.newest_first(folder / "checkpoints", "align")]


def _command(record: dict[str, Any], *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.training.hanging", _name(record), "train", *arguments, "--device", "cpu"]


@pytest.fixture(scope="module")
def unbroken(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `_recipe` in which nothing hung."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    run(_recipe(micro_world), folder)
    return folder


def _ends_alike(recipe: Recipe, hung: Path, unbroken: Path) -> None:
    """Go on with `hung`, where nothing hangs any more, and compare."""
    run(recipe, hung, resume=True)
    assert micro.weights(hung) == micro.weights(unbroken)
    assert micro.metrics(hung) == micro.metrics(unbroken)


def test_a_picture_that_never_comes_ends_the_program(micro_world: Path, tmp_path: Path, unbroken: Path) -> None:
    """Of the third step: the checkpoint is that of the second, though none was due."""
    record, folder = _shown(micro_world, 8, 9, 10, 11), tmp_path / "run"
    recipe = _recipe(micro_world)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    done = ended(_command(record, str(tmp_path / "recipe.yaml"), "--out", str(folder)), timeout=100)
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: sample '{record['id']}' (number ")
    assert "did not come within 1 seconds" in last
    assert "Stage align is saved after step 2: the same command with --resume goes on" in last
    assert _saved(folder) == ["align-0000002"]
    _ends_alike(recipe, folder, unbroken)


def test_all_processes_save_and_end(micro_world: Path, tmp_path: Path, unbroken: Path) -> None:
    """The second process waits in vain; the first one speaks."""
    record, folder = _shown(micro_world, 10, 11), tmp_path / "run"
    recipe = _recipe(micro_world)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    processes = as_torchrun(_command(record, str(tmp_path / "recipe.yaml"), "--out", str(folder)), 2)
    try:
        said = [process.communicate(timeout=100)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [1, 1], said
    assert f"error: sample '{record['id']}' (number " in said[0]
    assert "did not come" not in said[1]
    assert _saved(folder) == ["align-0000002"]
    _ends_alike(recipe, folder, unbroken)


def test_before_the_first_step_there_is_nothing_to_save(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event, unbroken: Path
) -> None:
    record, recipe = _shown(micro_world, 0, 1, 2, 3), _recipe(micro_world)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_file", reader(_name(record), until))
        with pytest.raises(UserError, match=rf"sample '{record['id']}' .*Stage align begins: the same command"):
            run(recipe, tmp_path / "run")
    assert _saved(tmp_path / "run") == []
    _ends_alike(recipe, tmp_path / "run", unbroken)


def test_who_goes_on_may_wait_longer(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event
) -> None:
    """Other changes of the recipe stay refused. What was saved at the step already is not saved again."""
    record, recipe = _shown(micro_world, 8, 9, 10, 11), _recipe(micro_world, "save_every=2")
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_file", reader(_name(record), until))
        for resume in (False, True):
            with pytest.raises(UserError, match="after step 2"):
                run(recipe, tmp_path / "run", resume=resume)
            if not resume:
                before = (tmp_path / "run" / "checkpoints" / "align-0000002").stat().st_mtime_ns
    assert (tmp_path / "run" / "checkpoints" / "align-0000002").stat().st_mtime_ns == before
    patient = recipe.with_changes(["sample_timeout=60"])
    with pytest.raises(UserError, match="another recipe"):
        run(patient.with_changes(["workers=3"]), tmp_path / "run", resume=True)
    run(patient, tmp_path / "run", resume=True)
    assert len(micro.metrics(tmp_path / "run")) == 4


def test_slow_is_not_late(micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All samples together take longer than one may."""
    original = pictures._read_file

    def slow(path: Path, *rest: Any) -> bytes:
        time.sleep(0.1)
        return original(path, *rest)

    monkeypatch.setattr(pictures, "_read_file", slow)
    begun = time.monotonic()
    run(_recipe(micro_world, "sample_timeout=0.8", "workers=1"), tmp_path / "run")
    assert time.monotonic() - begun > 1.6
    assert len(micro.metrics(tmp_path / "run")) == 4


def test_who_has_to_go_waits_for_no_sample(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event, unbroken: Path
) -> None:
    """Asked to stop while a sample is late, a run does so at once, saved after its last step."""
    record, recipe = _shown(micro_world, 8, 9, 10, 11), _recipe(micro_world, "sample_timeout=600")

    class Stopped(micro.Recorder):
        def step(self, metrics: dict[str, Any]) -> None:
            super().step(metrics)
            if metrics["step"] == 2:
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_file", reader(_name(record), until))
        with pytest.raises(Interrupted, match="SIGTERM"):
            run(recipe, tmp_path / "run", reporter=Stopped())
    assert _saved(tmp_path / "run") == ["align-0000002"]
    _ends_alike(recipe, tmp_path / "run", unbroken)


def test_a_disk_that_takes_no_checkpoint_either_hides_no_name(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event
) -> None:
    record, recipe = _shown(micro_world, 8, 9, 10, 11), _recipe(micro_world)
    save = state.save_state

    def failing(folder: Path, position: state.Position, *rest: Any) -> None:
        if position.step == 2:
            raise UserError("no room on the disk")
        save(folder, position, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_file", reader(_name(record), until))
        patch.setattr(state, "save_state", failing)
        with pytest.raises(UserError) as caught:
            run(recipe, tmp_path / "run")
    told = str(caught.value)
    assert told.startswith(f"sample '{record['id']}' (number ")
    assert "It could not be saved: no room on the disk. Stage align begins: the same command with" in told


def test_the_first_look_does_not_wait_for_ever(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event, unbroken: Path
) -> None:
    record, recipe = _shown(micro_world, 5, 6, 7), _recipe(micro_world)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_ends", reader(_name(record), until, "_read_ends"))
        with pytest.raises(UserError, match=rf"sample '{record['id']}' .*No step was done yet: the same command"):
            run(recipe, tmp_path / "run")
    _ends_alike(recipe, tmp_path / "run", unbroken)


def test_caching_features_does_not_wait_for_ever(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event
) -> None:
    record, recipe = _shown(micro_world, 5, 6, 7), _recipe(micro_world, "stages.align.features=cache")
    cache = CacheSettings(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_file", reader(_name(record), until))
        with pytest.raises(UserError, match=rf"the picture .*{_name(record)} did not come .*before it are kept"):
            run(recipe, tmp_path / "run", cache=cache)
    run(recipe, tmp_path / "run", resume=True, cache=cache)
    assert len(micro.metrics(tmp_path / "run")) == 4


@pytest.mark.parametrize("answers", [0, 2])
def test_a_held_out_picture_that_never_comes_ends_the_run_as_well(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: threading.Event, answers: int
) -> None:
    """Where its loss is computed, or where a question about it is asked."""
    held_out = micro.records(micro_world)[0]
    (tmp_path / "held_out.png").write_bytes((micro_world / "images" / held_out["image"]).read_bytes())
    held_out = {**held_out, "id": "mine", "image": "held_out.png"}
    (tmp_path / "records.json").write_text(json.dumps([micro.records(micro_world)[1], held_out]))
    (tmp_path / "train").symlink_to(micro_world / "images" / "train")
    validation = f"{{records: {tmp_path / 'records.json'}, images: {tmp_path}, every: 3, answers: {answers}}}"
    recipe = _recipe(micro_world, f"stages.align.validation={validation}")
    hanging, original = reader(_name(held_out), until), pictures._read_file
    times = 0

    def read(path: Path, *rest: Any) -> bytes:
        nonlocal times
        times += path.name == _name(held_out)
        return (hanging if times > answers // 2 else original)(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_read_file", read)
        with pytest.raises(UserError, match=r"held-out sample 'mine' \(number 1\) .*saved after step 3"):
            run(recipe, tmp_path / "run")
    assert _saved(tmp_path / "run") == ["align-0000003"]
    run(recipe, tmp_path / "unbroken")
    _ends_alike(recipe, tmp_path / "run", tmp_path / "unbroken")
    if answers:
        lines = [(folder / "answers.jsonl").read_text() for folder in (tmp_path / "run", tmp_path / "unbroken")]
        assert lines[0] == lines[1]


def test_where_the_record_hangs_too_its_number_has_to_do(
    monkeypatch: pytest.MonkeyPatch, until: threading.Event
) -> None:
    class Objective:
        def name(self, index: int) -> str:
            if index == 7:
                until.wait()
            return f"record {index}"

    objective: Any = Objective()
    monkeypatch.setattr(waiting, "_NAMING", 0.2)
    assert called(objective, 6) == "sample 'record 6' (number 6)"
    assert called(objective, 7) == "sample 7"
