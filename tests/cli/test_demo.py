"""`chiasm demo` at micro size, as a person runs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chiasm.backends.local import LocalChatModel
from chiasm.cli import main
from tests.demo import standins

_SETS = [part for change in standins.STEPS for part in ("--set", change)]


def _exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _small(demo_parts: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "200")
    with standins.small_demo(demo_parts):
        yield


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("demo", "--help") == 0
    said = capsys.readouterr().out
    assert all(option in said for option in ("--out", "--fresh", "--num", "--set", "Example:"))


def test_it_ends_with_a_table_and_a_report_and_asks_nothing_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("demo", "--num", 100, *_SETS) == 0
    first = capsys.readouterr()
    assert "right answers about unseen pictures, percent" in first.out
    titles = ("guessing", "before stage 1", "after stage 1 (align)", "after stage 2 (instruct)", "colour")
    assert all(title in first.out for title in (*titles, "English", "Chinese", "all"))
    assert "Look at it: runs/demo/report.html" in first.out
    assert Path("runs/demo/report.html").stat().st_size > 10_000
    assert all(f"stage {stage}" in first.err for stage in ("align", "instruct"))

    # What it says to type next works as it stands.
    (hint,) = [line for line in first.out.splitlines() if "Talk to it" in line]
    command = hint.partition("chiasm ")[2].split()
    assert _exit_code(*command, "--max-tokens", 3, "What do you see?") == 0
    capsys.readouterr()

    def never(*_: object) -> None:
        raise AssertionError("asked again")

    answer_all = LocalChatModel.answer_all
    monkeypatch.setattr(LocalChatModel, "answer_all", never)
    assert _exit_code("demo", "--num", 100, *_SETS) == 0
    second = capsys.readouterr()
    assert second.out.partition("\n\n")[0] == first.out.partition("\n\n")[0]

    assert _exit_code("demo", "--num", 100, *_SETS, "--set", "seed=4") == 1
    assert "another recipe" in capsys.readouterr().err
    # Fresh: all of it is done again, but not for a command that cannot be done.
    before = Path("runs/demo/final/manifest.json").read_text()
    assert _exit_code("demo", "--num", 100, "--fresh", "--set", "sead=4") == 1
    assert Path("runs/demo/final/manifest.json").read_text() == before
    monkeypatch.setattr(LocalChatModel, "answer_all", answer_all)
    assert _exit_code("demo", "--num", 100, "--fresh", *_SETS) == 0
    assert Path("runs/demo/final/manifest.json").read_text() != before


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
    """Ctrl-C in the middle of a stage, then while it asks; the same command ends it."""
    from chiasm.cli.progress import RunReporter

    step, answer_all, out = RunReporter.step, LocalChatModel.answer_all, tmp_path / "demo"

    def interrupting(self: RunReporter, metrics: dict[str, Any]) -> None:
        step(self, metrics)
        if (metrics["stage"], metrics["step"]) == ("align", 1):
            os.kill(os.getpid(), signal.SIGINT)

    def asking(self: LocalChatModel, *arguments: Any) -> Any:
        yield next(answer_all(self, *arguments))
        raise KeyboardInterrupt

    command = ["demo", "--out", str(out), "--num", "100", *_SETS]
    for target, name, replacement in ((LocalChatModel, "answer_all", asking), (RunReporter, "step", interrupting)):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, replacement)
            assert _exit_code(*command) == 130
        said = capsys.readouterr().err
        assert "stopped by SIGINT; saved. The same command goes on" in said
        assert not (out / "report.html").exists()
    assert _exit_code(*command) == 0
    assert "stage align (from step 1)" in capsys.readouterr().err
    assert (out / "report.html").is_file()
