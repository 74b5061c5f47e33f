"""Steps whose loss or gradient is no number: left out, named, gone back from, and at last the end of the run."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from chiasm.errors import UserError
from chiasm.training import optim, state
from chiasm.training.metrics import MetricsFile
from chiasm.training.not_finite import NotFinite
from chiasm.training.objectives import Loss
from chiasm.training.parallel import World
from chiasm.training.run import run
from chiasm.training.stepping import Stepper
from chiasm.training.stopping import Interrupted
from tests.training import micro


def _skipped(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "skipped.jsonl").read_text().splitlines()]


@pytest.fixture
def break_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the gradients of the steps that are done 1st, 2nd, ... from now on be no numbers."""

    def arrange(*numbers: int) -> None:
        calls, real = itertools.count(1), optim.clip

        def clip(parameters: Any, max_norm: float | None) -> float:
            norm = real(parameters, max_norm)
            return NAN if next(calls) in numbers else norm

        monkeypatch.setattr(optim, "clip", clip)

    return arrange


NAN = float("nan")


def test_a_step_is_left_out_and_named_and_the_run_goes_on(micro_world: Path, tmp_path: Path, break_steps: Any) -> None:
    break_steps(2)
    recorder = micro.Recorder()
    run(micro.recipe(micro_world, stages=("align",)), tmp_path / "run", reporter=recorder)
    lines = micro.metrics(tmp_path / "run")
    assert ["loss" in line for line in lines] == [True, False, True, True]
    assert lines[1]["skipped"] == "gradient became nan"
    (named,) = _skipped(tmp_path / "run")
    assert (named["stage"], named["step"], named["what"]) == ("align", 2, "gradient became nan")
    ids = named["samples"].split(", ")
    assert len(ids) == len(set(ids)) == 4
    assert set(ids) <= {record["id"] for record in micro.records(micro_world, "align_train.json")}
    assert lines[1]["samples"] == named["samples"]
    (note,) = [note for note in recorder.notes if "became" in note]
    assert "step 2" in note
    assert all(each in note for each in ids)


def test_what_is_left_out_changes_nothing(micro_world: Path, tmp_path: Path, break_steps: Any) -> None:
    break_steps(2)
    change = ("save_every=1", "keep_checkpoints=9")
    with pytest.raises(micro.Killed):
        run(
            micro.recipe(micro_world, *change, stages=("align",)),
            tmp_path / "run",
            reporter=micro.Recorder(("align", 4)),
        )
    # Step 2 was no number: no checkpoint then, so that going back would go before it.
    saved = [path.name for path in state.newest_first(tmp_path / "run" / "checkpoints", "align")]
    assert saved == ["align-0000003", "align-0000001"]


def test_three_in_a_row_go_back_and_the_run_ends_as_if_nothing_had_been(
    micro_world: Path, tmp_path: Path, break_steps: Any
) -> None:
    change = ("stages.align.steps=8", "save_every=2", "keep_checkpoints=3")
    recipe = micro.recipe(micro_world, *change, stages=("align",))
    run(recipe, tmp_path / "sound")
    break_steps(3, 4, 5)  # memory that lost a bit, a device that fell over
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", reporter=recorder)
    assert any("back to the checkpoint of step 2" in note for note in recorder.notes)
    assert [(line["step"], line["what"]) for line in _skipped(tmp_path / "run")] == [
        *((step, "gradient became nan") for step in (3, 4, 5)),
        (5, "back to step 2"),
    ]
    assert micro.metrics(tmp_path / "run") == micro.metrics(tmp_path / "sound")
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "sound")


def test_again_from_there_ends_the_run_with_what_was_saved_sound(micro_world: Path, tmp_path: Path) -> None:
    change = ("stages.align.steps=40", "stages.align.optim.lr=1e30", "save_every=1", "keep_checkpoints=50")
    more = ("stages.align.optim.clip_norm=null", "stages.align.optim.warmup=0")
    recorder = micro.Recorder()
    with pytest.raises(UserError, match=r"became (nan|inf).*3 steps in a row, again after.*optim\.lr.*skipped\.jsonl"):
        run(micro.recipe(micro_world, *change, *more, stages=("align",)), tmp_path / "run", reporter=recorder)
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert "NaN" not in line
        assert "Infinity" not in line
    assert sum("back to the checkpoint" in note for note in recorder.notes) == 1
    for path in state.newest_first(tmp_path / "run" / "checkpoints", "align"):
        state.check_complete(path)
        state.check_finite(path)


def test_without_a_checkpoint_nothing_is_gone_back_to(micro_world: Path, tmp_path: Path, break_steps: Any) -> None:
    break_steps(2, 3, 4)
    with pytest.raises(UserError, match=r"became nan in step 4, 3 steps in a row, and no checkpoint to go back to"):
        run(micro.recipe(micro_world, stages=("align",)), tmp_path / "run")


def test_two_in_a_row_are_borne(micro_world: Path, tmp_path: Path, break_steps: Any) -> None:
    break_steps(1, 2, 4)
    run(micro.recipe(micro_world, stages=("align",)), tmp_path / "run")
    assert ["skipped" in line for line in micro.metrics(tmp_path / "run")] == [True, True, False, True]


def test_a_resumed_run_remembers_how_many_there_were(micro_world: Path, tmp_path: Path, break_steps: Any) -> None:
    """A signal saves also amid them."""

    class Asking(micro.Recorder):
        def step(self, metrics: dict[str, Any]) -> None:
            super().step(metrics)
            if metrics["step"] == 3:
                os.kill(os.getpid(), signal.SIGTERM)

    break_steps(2, 3, 4)
    recipe = micro.recipe(micro_world, stages=("align",))
    with pytest.raises(Interrupted):
        run(recipe, tmp_path / "run", reporter=Asking())
    (saved,) = state.newest_first(tmp_path / "run" / "checkpoints", "align")
    assert state.position_of(saved).in_a_row == 2
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", resume=True, reporter=recorder)
    assert any("3 in a row" in note for note in recorder.notes)
    assert any("back to the checkpoint of step 3" in note for note in recorder.notes)


# ---- many processes --------------------------------------------------------------------------------------------------


class _Two(World):
    """This process, and another one whose loss is NaN."""

    def __init__(self) -> None:
        super().__init__(0, 2)

    def exchange(self, value: Any) -> list[Any]:
        return [value, {**value, "losses": [NAN]}] if isinstance(value, dict) else [value, ["theirs"]]

    def sum_in_order(self, tensors: Any) -> None:
        """The other process's gradients are none of this test's business."""


class _Objective:
    together = False
    through_model = True

    def groups(self, samples: list[Any]) -> list[list[Any]]:
        return [samples]

    def collate(self, samples: list[Any]) -> dict[str, torch.Tensor]:
        return {}

    def loss(self, model: Any, batch: Any) -> Any:
        return Loss(model.weight.sum(), 1)


def test_one_process_s_loss_stops_the_update_in_all(micro_world: Path) -> None:
    model: Any = torch.nn.Linear(2, 2)
    model.device = torch.device("cpu")
    before = model.weight.detach().clone()
    optimizer = torch.optim.AdamW([model.weight], lr=1.0)
    stage = micro.recipe(micro_world).stages["align"]
    objective: Any = _Objective()
    stepper = Stepper(model, objective, optimizer, [model.weight], stage, torch.float32, _Two())
    assert stepper.step(["mine"], 2, 1.0) == {"num_trained": 0, "skipped": "loss became nan"}
    assert torch.equal(model.weight, before)
    assert model.weight.grad is None
    assert not optimizer.state


def test_samples_of_all_processes_are_named(tmp_path: Path) -> None:
    recorder = micro.Recorder()
    counted = NotFinite("align", lambda index: f"mine {index}", MetricsFile(tmp_path / "s.jsonl"), recorder, _Two())
    assert counted.count(4, "loss became nan", [7]) == {"samples": "mine 7, theirs"}
    assert "mine 7, theirs" in recorder.notes[0]
    assert counted.count(5, None, [8]) == {}
    assert counted.in_a_row == 0
