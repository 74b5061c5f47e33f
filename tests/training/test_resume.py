"""A run that is stopped anywhere, in any way, goes on to the same end: bit for bit."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from chiasm.errors import UserError
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training import state
from chiasm.training.config import Recipe
from chiasm.training.run import run
from chiasm.training.stopping import Interrupted
from tests.training import micro
from tests.training.test_state import rewrite_record


def _recipe(world: Path, folder: Path, *changes: str) -> Recipe:
    """Three stages with samples left out on the way, a checkpoint every second step, bfloat16 where it is frozen."""
    records = micro.records(world)
    for index in (3, 14, 25):
        records[index] = {**records[index], "image": "absent.png"}
    (folder / "records.json").write_text(json.dumps(records))
    common = (
        f"stages.instruct.data.records={folder / 'records.json'}",
        "stages.instruct.data.max_dropped=0.5",
        "stages.instruct.steps=12",  # 48 samples: into the second epoch
        "stages.talk.optim.weight_decay=0.1",
        "precision=bfloat16",
        "save_every=2",
    )
    return micro.recipe(world, *common, *changes, stages=("talk", "align", "instruct"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def unbroken(micro_world: Path, place: Path) -> Path:
    """The run that nothing stopped."""
    run(_recipe(micro_world, place), place / "unbroken")
    return place / "unbroken"


def _same(one: Path, other: Path) -> None:
    assert micro.metrics(one) == micro.metrics(other)
    assert micro.weights(one) == micro.weights(other)
    assert micro.dropped(one) == micro.dropped(other)
    left = {str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()}
    assert left == {str(path.relative_to(other)) for path in other.rglob("*") if path.is_file()}


def _killed(recipe: Recipe, folder: Path, *at: tuple[str, int]) -> None:
    """Begin a run and kill it at each of these steps, resuming between them."""
    for number, step in enumerate(at):
        with pytest.raises(micro.Killed):
            run(recipe, folder, resume=number > 0, reporter=micro.Recorder(fail_at=step))


@pytest.mark.parametrize(
    "at",
    [
        [("talk", 1)],  # before the first checkpoint
        [("talk", 4)],  # the last step of a stage
        [("align", 1)],  # the first of the next one
        [("instruct", 1)],  # what was frozen in bfloat16 trains again, from no checkpoint
        [("instruct", 12)],
        [("talk", 3), ("talk", 4), ("align", 3), ("instruct", 5), ("instruct", 6), ("instruct", 11)],
    ],
    ids=str,
)
def test_killed_at_any_step(micro_world: Path, place: Path, unbroken: Path, tmp_path: Path, at: Any) -> None:
    recipe = _recipe(micro_world, place)
    _killed(recipe, tmp_path / "run", *at)
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", resume=True, reporter=recorder)
    _same(tmp_path / "run", unbroken)
    stage, step = at[-1]
    # The checkpoint after a step is written once the step was reported, so the killed one is done again.
    assert recorder.begun[0] == (stage, (step - 1) // 2 * 2)


def test_a_run_may_be_killed_while_it_saves(
    micro_world: Path, place: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every call that makes a checkpoint durable, one after the other."""
    recipe, calls = _recipe(micro_world, place), 0
    original = {name: getattr(state, name) for name in ("_sync", "_sha256", "save_file")}

    def counting(name: str) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls in deaths:
                raise micro.Killed
            return original[name](*arguments)

        return call

    for name in original:
        monkeypatch.setattr(state, name, counting(name))
    deaths = {3, 11, 20, 34, 47, 58, 72, 90}
    attempts = 0
    while True:
        try:
            run(recipe, tmp_path / "run", resume=attempts > 0)
        except micro.Killed:
            attempts += 1
            assert attempts <= len(deaths)
        else:
            break
    assert attempts >= 5
    for half in (tmp_path / "run").rglob(".*.writing"):
        shutil.rmtree(half)
    _same(tmp_path / "run", unbroken)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_saves_and_the_run_goes_on(
    micro_world: Path, place: Path, unbroken: Path, tmp_path: Path, number: signal.Signals
) -> None:
    class Asking(micro.Recorder):
        def step(self, metrics: dict[str, Any]) -> None:
            super().step(metrics)
            if (metrics["stage"], metrics["step"]) == ("instruct", 5):
                os.kill(os.getpid(), number)

    recipe = _recipe(micro_world, place)
    before = signal.signal(number, signal.default_int_handler)  # the suite itself may be run under `nohup`
    try:
        with pytest.raises(Interrupted, match=number.name) as stopped:
            run(recipe, tmp_path / "run", reporter=Asking())
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert stopped.value.signal_number == number
    saved = state.newest_first(tmp_path / "run" / "checkpoints", "instruct")
    assert saved[0].name == "instruct-0000005"
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", resume=True, reporter=recorder)
    assert recorder.begun == [("instruct", 5)]
    _same(tmp_path / "run", unbroken)


def test_an_ignored_signal_stays_ignored(micro_world: Path, tmp_path: Path) -> None:
    """Under `nohup` the terminal may go away."""

    class Asking(micro.Recorder):
        def step(self, metrics: dict[str, Any]) -> None:
            super().step(metrics)
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run(micro.recipe(micro_world, stages=("align",)), tmp_path / "run", reporter=Asking())
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("damage", ["flip", "no record", "foreign"])
def test_a_damaged_newest_checkpoint_is_passed_over(
    micro_world: Path, place: Path, unbroken: Path, tmp_path: Path, damage: str
) -> None:
    recipe = _recipe(micro_world, place)
    _killed(recipe, tmp_path / "run", ("instruct", 7))
    newest, older = state.newest_first(tmp_path / "run" / "checkpoints", "instruct")
    path = newest / "optimizer.safetensors"
    if damage == "flip":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif damage == "no record":
        (newest / "complete.json").unlink()
    else:
        shutil.rmtree(newest)
        shutil.copytree(older, newest)
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", resume=True, reporter=recorder)
    assert any("passed over" in note and newest.name in note for note in recorder.notes)
    assert recorder.begun == [("instruct", 4)]
    _same(tmp_path / "run", unbroken)


def test_a_checkpoint_of_a_newer_version_is_not_passed_over(micro_world: Path, place: Path, tmp_path: Path) -> None:
    recipe = _recipe(micro_world, place)
    _killed(recipe, tmp_path / "run", ("talk", 3))
    (newest,) = state.newest_first(tmp_path / "run" / "checkpoints", "talk")
    rewrite_record(newest, format=99)
    with pytest.raises(UserError, match=r"format 99.*up to 1.*update"):
        run(recipe, tmp_path / "run", resume=True)


def test_a_damaged_finished_stage_is_named(micro_world: Path, place: Path, tmp_path: Path) -> None:
    recipe = _recipe(micro_world, place)
    _killed(recipe, tmp_path / "run", ("align", 1))
    os.truncate(tmp_path / "run" / "stages" / "talk" / "weights.safetensors", 500)
    with pytest.raises(UserError, match=r"stages.talk.weights\.safetensors"):
        run(recipe, tmp_path / "run", resume=True)


@pytest.mark.parametrize("stage", ["talk", "instruct"])
def test_a_full_disk_stops_the_run_and_keeps_what_was_saved(
    micro_world: Path, place: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    recipe, saves = _recipe(micro_world, place), 0
    original = state.save_file

    def filling(tensors: Any, path: Path) -> None:
        nonlocal saves
        saves += stage in str(path)
        if saves > 2:  # weights and optimiser of the first checkpoint had room
            raise OSError(errno.ENOSPC, "No space left on device")
        original(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(state, "save_file", filling)
        with pytest.raises(UserError, match=r"No space left.*--resume"):
            run(recipe, tmp_path / "run")
    saved = state.newest_first(tmp_path / "run" / "checkpoints", stage)
    assert [path.name for path in saved] == [f"{stage}-0000002"]
    run(recipe, tmp_path / "run", resume=True)
    _same(tmp_path / "run", unbroken)


def test_only_as_many_checkpoints_stay_as_asked(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "save_every=1", "keep_checkpoints=3", "stages.align.steps=9", stages=("align",))
    _killed(recipe, tmp_path / "run", ("align", 8))
    saved = state.newest_first(tmp_path / "run" / "checkpoints", "align")
    assert [int(path.name[-2:]) for path in saved] == [7, 6, 5]


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_another_recipe_is_refused_with_the_difference(micro_world: Path, place: Path, tmp_path: Path) -> None:
    recipe = _recipe(micro_world, place)
    _killed(recipe, tmp_path / "run", ("align", 1))
    with pytest.raises(UserError, match=r"another recipe.*'seed: 0' then, 'seed: 1' now"):
        run(recipe.with_changes(["seed=1"]), tmp_path / "run", resume=True)


@pytest.mark.parametrize("when", ["in the stage", "before the stage"])
def test_changed_data_is_refused(micro_world: Path, tmp_path: Path, when: str) -> None:
    recipe = _recipe(micro_world, tmp_path)
    _killed(recipe, tmp_path / "run", ("instruct", 3) if when == "in the stage" else ("align", 3))
    path = tmp_path / "records.json"
    content = path.read_text()
    path.write_text(content.replace("a", "b", 1))
    if when == "in the stage":
        with pytest.raises(UserError, match=r"data of stage 'instruct' changed"):
            run(recipe, tmp_path / "run", resume=True)
        path.write_text(content)
    run(recipe, tmp_path / "run", resume=True)  # a stage that has not begun is free to find other data


def test_another_vocabulary_is_refused(micro_world: Path, tmp_path: Path) -> None:
    """Its text is read again on resuming: with other text every id would mean something else."""
    text = micro.records(micro_world, "text_train.json")
    (tmp_path / "text.json").write_text(json.dumps(text))
    recipe = micro.recipe(
        micro_world, f"model.vocabulary.records=[{tmp_path / 'text.json'}]", "model.vocabulary.size=320"
    )
    _killed(recipe, tmp_path / "run", ("align", 3))
    (tmp_path / "text.json").write_text(json.dumps(text).replace("the", "zyx"))
    with pytest.raises(UserError, match=r"tokenizer is another one.*model\.vocabulary"):
        run(recipe, tmp_path / "run", resume=True)


def test_other_weights_under_the_name_of_the_first_are_refused(micro_world: Path, tmp_path: Path) -> None:
    """What is frozen is in no checkpoint: it is read anew from where it came."""
    base = run(micro.recipe(micro_world), tmp_path / "base")
    other = run(micro.recipe(micro_world, "seed=1"), tmp_path / "other")
    recipe = micro.recipe(micro_world, stages=("align",), start=str(base))
    both = micro.recipe(micro_world, start=str(base))
    run(recipe, tmp_path / "run")
    kept = base.rename(tmp_path / "kept")
    shutil.copytree(other, base)
    with pytest.raises(UserError, match=r"model is another one than this run began with.*model\.start.*Put back what"):
        run(both, tmp_path / "run", resume=True)
    shutil.rmtree(base)
    kept.rename(base)
    assert run(both, tmp_path / "run", resume=True) == tmp_path / "run" / "final"


def test_what_is_no_run_cannot_be_resumed(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world)
    with pytest.raises(UserError, match=r"no run that could be resumed"):
        run(recipe, tmp_path, resume=True)
    run(recipe, tmp_path / "run")
    for content in ("", "[]", "{}", '{"run_id": 1'):
        (tmp_path / "run" / "run.json").write_text(content)
        with pytest.raises(UserError, match=r"run\.json cannot be read"):
            run(recipe, tmp_path / "run", resume=True)


def test_a_finished_run_is_left_alone(micro_world: Path, place: Path, unbroken: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")}
    recorder = micro.Recorder()
    assert run(_recipe(micro_world, place), unbroken, resume=True, reporter=recorder) == unbroken / "final"
    assert recorder.begun == []
    assert "is finished" in recorder.notes[0]
    assert {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")} == before


def test_a_hook_that_was_cut_short_is_called_again(micro_world: Path, tmp_path: Path) -> None:
    """A stage is saved before its hook, which may take minutes and be interrupted."""
    called: list[str] = []
    before: dict[str, torch.Tensor] = {}

    def hook(name: str, model: Llava, _: Processor) -> None:
        called.append(name)
        for key, parameter in model.connector.named_parameters():
            if called == ["start", "align"]:
                before[key] = parameter.detach().clone()
            elif name == "align":
                assert torch.equal(parameter, before[key])
        if called == ["start", "align"]:
            raise micro.Killed

    recipe = micro.recipe(micro_world)
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", after_stage=hook)
    run(recipe, tmp_path / "run", resume=True, after_stage=hook)
    assert called == ["start", "align", "align", "instruct"]


def test_other_threads_are_told(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world)
    _killed(recipe, tmp_path / "run", ("align", 3))
    torch.set_num_threads(2)
    recorder = micro.Recorder()
    try:
        run(recipe, tmp_path / "run", resume=True, reporter=recorder)
    finally:
        torch.set_num_threads(1)
    assert any("1 threads" in note and "2" in note for note in recorder.notes)


def test_a_second_signal_ends_the_program_without_a_traceback() -> None:
    """In a program of its own, which it kills; the second is already waiting when the first is heard."""
    program = (
        "import os, signal\n"
        "from chiasm.training.stopping import stop_requests\n"
        "with stop_requests():\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])\n"
        "    print('alive')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in (-signal.SIGINT, -signal.SIGTERM)
    assert (ended.stdout, ended.stderr) == ("", "")
