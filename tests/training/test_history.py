"""A run's log read back while it grows: whole lines only, again from the beginning when it was rewritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chiasm.errors import UserError
from chiasm.training.history import RunHistory
from chiasm.training.holding import held
from chiasm.training.metrics import Answered, MetricsFile
from tests.training import micro


@pytest.fixture
def run(micro_world: Path, tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(micro.recipe(micro_world).to_yaml())
    return tmp_path


def _log(run: Path, step: int, stage: str = "align", **values: Any) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"stage": stage, "step": step, "num_steps": 9, **values}) + "\n")


def test_what_comes_is_added_to_what_was_read(run: Path) -> None:
    history = RunHistory(run)
    assert not history.read()
    assert [(stage.name, stage.step) for stage in history.stages.values()] == [("align", 0), ("instruct", 0)]
    _log(run, 1, loss=3.0, lr=0.1, lr_connector=0.2, grad_norm=5.0, tokens_per_second=70.0)
    assert history.read()
    _log(run, 2, lr=0.1, lr_connector=0.2, skipped="loss became nan")
    _log(run, 1, "instruct", loss=2.0)
    assert history.read()
    assert not history.read()
    align = history.stages["align"]
    assert (align.step, align.num_steps, align.num_skipped) == (2, 9, 1)
    assert {name: list(curve.values) for name, curve in align.curves.items()} == {
        "loss": [3.0],
        "lr": [0.1, 0.1],
        "lr_connector": [0.2, 0.2],
        "grad_norm": [5.0],
        "tokens_per_second": [70.0],
    }
    assert list(align.curves["lr"].steps) == [1, 2]
    assert set(align.parts("lr")) == {"connector"}
    assert set(align.parts("grad_norm")) == {"grad_norm"}  # nothing tells the parts apart
    assert history.stages["instruct"].step == 1


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(run: Path) -> None:
    history, log = RunHistory(run), run / "metrics.jsonl"
    log.write_text('{"stage": "align", "step": 1, "num_steps": 9, "lo')
    assert not history.read()
    with log.open("a") as file:
        file.write('ss": 4.0}\nno JSON\n[1]\n{"stage": "unknown", "step": 1}\n')
    assert history.read()
    assert list(history.stages["align"].curves["loss"].values) == [4.0]


def test_a_run_that_goes_on_from_an_earlier_step_is_read_anew(run: Path) -> None:
    for step in (1, 2, 3):
        _log(run, step, loss=float(step))
    history = RunHistory(run)
    history.read()
    MetricsFile(run / "metrics.jsonl").forget_after("align", 1)  # as a resumed run does
    _log(run, 2, loss=7.0)
    history.read()
    assert list(history.stages["align"].curves["loss"].values) == [1.0, 7.0]


def test_held_out_losses_and_the_latest_answers(run: Path) -> None:
    losses, answers = MetricsFile(run / "validation.jsonl"), MetricsFile(run / "answers.jsonl")
    for step, text in ((5, "no"), (9, "yes")):
        losses.write({"stage": "align", "step": step, "loss": 1.0 / step})
        for name in ("a", "b"):
            line = {"stage": "align", "step": step, "id": name, "images": ["x.png"], "question": "Is it?"}
            answers.write({**line, "expected": "yes", "answer": text})
    losses.write({"stage": "instruct", "step": 3})  # nothing could be used
    history = RunHistory(run)
    history.read()
    align = history.stages["align"]
    assert list(zip(align.validation.steps, align.validation.values, strict=True)) == [(5, 0.2), (9, 1 / 9)]
    assert align.answers_step == 9
    assert align.answers == [Answered(name, ("x.png",), "Is it?", "yes", "yes") for name in ("a", "b")]
    assert len(history.stages["instruct"].validation) == 0


def test_whether_a_run_goes_on(run: Path) -> None:
    history = RunHistory(run)
    assert history.state() == "stopped"
    with held(run):
        assert history.state() == "running"
        for name in history.stages:
            (run / "stages" / name).mkdir(parents=True)
        assert history.state() == "running"  # the model is still being written
    assert history.state() == "finished"
    (run / ".lock").touch()  # of a run that was killed
    assert history.state() == "finished"


def test_looking_does_not_keep_a_run_from_beginning(run: Path) -> None:
    (run / ".lock").touch()
    assert RunHistory(run).state() == "stopped"
    with held(run):
        pass


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no run: it has no recipe\.yaml"):
        RunHistory(tmp_path)
