"""`chiasm demo` at micro size, as a person runs it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chiasm.backends.local import LocalChatModel
from chiasm.cli import main
from chiasm.demo import story
from tests.training import micro

SOURCE = Path(__file__).resolve().parents[2] / "src"
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


def test_interrupted_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C in the middle of a stage; the same command ends it."""
    out = tmp_path / "demo"
    command = ["demo", "--out", str(out), "--num", "100", *_SETS, "--set", "stages.see.steps=400"]
    code = f"import sys; from chiasm.demo import story; story.NUM_PICTURES = 5; from chiasm.cli import main; main({command!r})"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    log = out / "run" / "metrics.jsonl"
    while not (log.is_file() and log.read_text().count("\n") > 20):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert "The same command goes on" in said
    done = log.read_text().count("\n")
    assert done < 400
    assert _exit_code(*command) == 0
    said = capsys.readouterr().err
    assert f"(from step {done})" in said
    assert log.read_text().count('"stage": "see"') == 400
    shutil.rmtree(out)
