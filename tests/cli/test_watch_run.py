"""The curves of a run, in the terminal and as a picture: what is drawn is where it should be."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from chiasm.cli import main, watch_run
from chiasm.cli.braille_chart import Line, chart, short
from chiasm.cli.curves_picture import _scale, drawn
from chiasm.cli.run_curves import graphs, smoothed
from chiasm.training.history import Curve, RunHistory, StageHistory
from chiasm.training.holding import held
from tests.training import micro


def _curve(*values: float) -> Curve:
    curve = Curve()
    for step, value in enumerate(values, start=1):
        curve.add(step, value)
    return curve


def _dots(line: str) -> str:
    return re.sub(r"^.{8}", "", line)


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    rows = [row.plain for row in chart([Line([0.0, 0.999], [0.0, 4.0], "red")], 10, 1)]
    # Two characters of 2 x 4 dots: the diagonal, by hand: dots 7, 3 then 5, 1 of the second half.
    assert [_dots(row) for row in rows] == ["⡠⠊"]


def test_a_chart_has_its_scale_and_its_size() -> None:
    rows = chart([Line([0.0, 0.5], [1.0, 3.0], "red")], 20, 3, bounds=(0.0, 5.0))
    assert [row.plain[:8] for row in rows] == ["      5 ", "        ", "      0 "]
    assert {len(row.plain) for row in rows} == {20}


@pytest.mark.parametrize("values", [[], [2.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf")]])
def test_a_chart_of_next_to_nothing_is_a_chart(values: list[float]) -> None:
    places = [index / max(1, len(values)) for index in range(len(values))]
    assert len(chart([Line(places, values, "red")], 20, 3)) == 3


@pytest.mark.parametrize(
    ("value", "says"),
    [(0, "0"), (0.25, "0.25"), (1234.56, "1235"), (98765.4, "98765"), (2e-5, "2e-5"), (1.5e8, "1.5e8"), (-3.5, "-3.5")],
)
def test_numbers_are_short(value: float, says: str) -> None:
    assert short(value) == says


def test_smoothing_does_not_lag_and_keeps_a_straight_line() -> None:
    line = _curve(*(float(step) for step in range(400)))
    assert list(smoothed(line).values) == pytest.approx(list(line.values))
    step = smoothed(_curve(*[0.0] * 200, *[1.0] * 200))
    assert step.values[195] == 0.0  # 4 steps on either side
    assert step.values[199] == pytest.approx(4 / 9)
    assert step.values[205] == 1.0
    assert list(smoothed(_curve(5.0, 1.0)).values) == [5.0, 1.0]


def test_which_graphs_a_stage_has() -> None:
    stage = StageHistory("align", 100, 3)
    stage.curves = {"loss": _curve(9.0, 2.0, 1.0), "lr": _curve(0.1, 0.2, 0.3), "grad_norm": _curve(1.0, 1.0, 1.0)}
    stage.curves |= {"tokens_per_second": _curve(0.0, 0.0, 0.0), "samples_per_second": _curve(4.0, 6.0, 5.0)}
    stage.validation = _curve(0.5)
    loss, rate, norm, speed = graphs(stage)
    assert (loss.title, loss.low, loss.high) == ("loss", 0.5, 9.0)  # held-out losses are within
    assert [shown.label for shown in loss.curves] == ["each step", "loss", "held-out"]
    assert (rate.title, rate.low, rate.high) == ("learning rate", 0.0, 0.3)
    assert [shown.label for shown in norm.curves] == ["gradient norm"]
    assert (speed.title, speed.high) == ("samples a second", 6.0)  # boxes hold no tokens
    stage.curves |= {"lr_connector": _curve(0.1), "lr_language": _curve(0.4)}
    assert [shown.label for shown in graphs(stage)[1].curves] == ["connector", "language"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 0.001, [0.0, 0.0005, 0.001]),
        (0.17, 0.71, [0.0, 0.2, 0.4, 0.6, 0.8]),
        (3.0, 3.0, [1, 2, 3, 4, 5]),
        (0, 0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_scales_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert _scale(low, high)[2] == pytest.approx(ticks)


@pytest.fixture
def run(micro_world: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(micro.recipe(micro_world).to_yaml())
    values: dict[str, Any] = {"lr": 1e-3, "lr_connector": 1e-3, "grad_norm": 1.0, "tokens_per_second": 80.0}
    lines = [{"stage": "align", "step": n, "num_steps": 40, "loss": 4 - n / 10, **values} for n in range(1, 31)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "validation.jsonl").write_text('{"stage": "align", "step": 30, "loss": 1.25}\n')
    picture = str(micro_world / "images" / "val" / "000000.png")
    said = {"stage": "align", "step": 30, "images": [picture], "expected": "red"}
    answers = [
        {**said, "id": "1", "question": "What colour?", "answer": "red"},
        {**said, "id": "2", "question": "什么颜色?", "answer": "[bold]blue", "images": ["gone.png"]},
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in answers))
    return folder


def _exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_in_a_pipe_a_run_is_shown_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("train", "--watch", str(run)) == 0
    said = capsys.readouterr().out
    heading = " ".join(said.split())  # it may be wrapped
    assert "has stopped; chiasm train --resume" in heading
    assert "still to come: instruct" in heading
    assert "step 30 of 40" in said
    assert "held-out loss 1.25" in said
    assert all(title in said for title in ("loss", "learning r", "gradient n", "tokens a s"))
    assert re.search(r"What colour\?.* red\n", said)
    assert re.search(r"\[bold\]blue  expected: red", said)  # what a model says is text


def test_a_picture_is_drawn_whole(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("train", "--watch", str(run), "--png", str(tmp_path / "curves.png")) == 0
    assert "step 30" in capsys.readouterr().out
    with Image.open(tmp_path / "curves.png") as picture:
        picture.load()
        assert picture.size[0] == 1800
        assert picture.format == "PNG"
    assert not list(tmp_path.glob(".*"))
    # The loss falls: its blue is higher on the left of the first graph than on the right.
    history = RunHistory(run)
    history.read()
    pixels = drawn(history).crop((44, 150, 450, 400))
    blue = [
        (x, y)
        for x in range(70, pixels.width)
        for y in range(pixels.height)
        if pixels.getpixel((x, y)) == (0x25, 0x63, 0xC9)
    ]
    left = min(y for x, y in blue if x < 100)
    right = max(y for x, y in blue if x > 250)
    assert right - left > 100


def test_a_run_that_has_not_made_a_step_is_shown(run: Path, tmp_path: Path) -> None:
    for name in ("metrics", "validation", "answers"):
        (run / f"{name}.jsonl").unlink()
    assert _exit_code("train", "--watch", str(run), "--png", str(tmp_path / "c.png")) == 0
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_on_a_terminal_it_refreshes_until_the_run_ends(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch_run, "_SECONDS", 0.01)
    terminal = Console(force_terminal=True, width=120, height=50, highlight=False, markup=False)
    monkeypatch.setattr(watch_run, "Console", lambda **_: terminal)
    with held(run):
        watching = threading.Thread(target=watch_run.watch, args=(run,))
        watching.start()
        with (run / "metrics.jsonl").open("a") as file:
            file.write('{"stage": "align", "step": 40, "num_steps": 40, "loss": 0.5}\n')
        watching.join(0.2)
        assert watching.is_alive()
    watching.join(20)
    assert not watching.is_alive()
    said = capsys.readouterr().out
    assert "goes on" in said
    assert "step 40 of 40" in said
    assert "has stopped" in said[said.rindex("step 40") - 2000 :]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(("--watch", "nowhere"), 1, "nowhere is no run"), (("--png", "x.png"), 2, "goes with --watch")],
)
def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("train", *arguments) == code
    assert says in capsys.readouterr().err
