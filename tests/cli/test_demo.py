"""`chiasm demo` at micro size, as a person runs it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from chiasm.backends.local import LocalChatModel
from chiasm.cli import main
from chiasm.demo import story
from tests.training import micro

_SETS = [
    part
    for change in (*micro.SIZES, *(f"stages.{stage}.steps=2" for stage in ("see", "talk", "align", "instruct")))
    for part in ("--set", change)
]


def _exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "NUM_PICTURES", 5)
    monkeypatch.setenv("COLUMNS", "200")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("demo", "--help") == 0
    said = capsys.readouterr().out
    assert all(option in said for option in ("--out", "--fresh", "--num", "--set", "Example:"))


def test_it_ends_with_a_table_and_a_report_and_is_instant_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("demo", "--num", 100, *_SETS) == 0
    first = capsys.readouterr()
    assert "right answers, percent" in first.out
    for title in ("guessing", "before stage 1", "after stage 1 (align)", "after stage 2 (instruct)", "colour", "all"):
        assert title in first.out
    assert "Report: runs/demo/report.html" in first.out
    assert Path("runs/demo/report.html").stat().st_size > 10_000
    assert all(f"stage {stage}" in first.err for stage in ("see", "talk", "align", "instruct"))

    # What it says to type next works as it stands.
    (hint,) = [line for line in first.out.splitlines() if "Talk to it" in line]
    command = hint.partition("chiasm ")[2].split()
    assert "-m" not in command
    assert _exit_code(*command, "--max-tokens", 3, "What do you see?") == 0
    capsys.readouterr()

    def never(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(LocalChatModel, "answer_all", never)
    began = time.monotonic()
    assert _exit_code("demo", "--num", 100, *_SETS) == 0
    assert time.monotonic() - began < 2
    second = capsys.readouterr()
    assert second.out.partition("\n\n")[0] == first.out.partition("\n\n")[0]

    assert _exit_code("demo", "--num", 100, *_SETS, "--set", "seed=4") == 1
    assert "another recipe" in capsys.readouterr().err


def test_elsewhere_it_says_how_to_talk_to_it_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    assert _exit_code("demo", "--out", out, "--num", 100, *_SETS) == 0
    assert f"chiasm chat -m {out / 'final'} -a {out}" in capsys.readouterr().out.replace("\n", " ")
    # Fresh: all of it is done again.
    before = (out / "final" / "manifest.json").read_text()
    assert _exit_code("demo", "--out", out, "--fresh", "--num", 100, *_SETS) == 0
    assert (out / "final" / "manifest.json").read_text() != before


def test_fresh_deletes_nothing_but_a_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    assert _exit_code("demo", "--out", tmp_path, "--fresh") == 1
    assert "does not look like a demo" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--num", "5"), 2, "--num"),
        (("--set", "stages.aling.steps=1"), 1, "did you mean 'align'"),
        (("--set", "stages.align.steps=-1"), 1, "stages.align.steps"),
    ],
)
def test_mistakes_cost_no_time(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("demo", *arguments) == code
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []  # said before anything is drawn


def test_interrupted_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of a stage; the same command ends it."""
    from chiasm.cli.progress import RunReporter

    step, out = RunReporter.step, tmp_path / "demo"

    def interrupting(self: RunReporter, metrics: dict[str, Any]) -> None:
        step(self, metrics)
        if (metrics["stage"], metrics["step"]) == ("talk", 1):
            os.kill(os.getpid(), signal.SIGINT)

    command = ["demo", "--out", str(out), "--num", "100", *_SETS]
    with monkeypatch.context() as patch:
        patch.setattr(RunReporter, "step", interrupting)
        assert _exit_code(*command) == 130
    said = capsys.readouterr().err
    assert "The same command goes on" in said
    assert not (out / "report.html").exists()
    assert _exit_code(*command) == 0
    said = capsys.readouterr().err
    assert "stage see" not in said
    assert "stage talk (from step 1)" in said
    assert (out / "report.html").is_file()
