"""`chiasm train` as people use it: files in, exit codes out, killed and gone on with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from chiasm.cli import main
from chiasm.training.config import Recipe
from chiasm.training.run import run
from tests.training import micro

SOURCE = Path(__file__).resolve().parents[2] / "src"


def _exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def _begin(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    command = [sys.executable, "-m", "chiasm", "train", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def recipe_file(micro_world: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(micro.recipe(micro_world, "name=mine").to_yaml())
    return path


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("train", "--help") == 0
    said = capsys.readouterr().out
    assert all(option in said for option in ("--out", "--set", "--show", "--resume", "--device", "Examples:"))


def test_a_recipe_becomes_a_folder_whose_path_is_printed(
    recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code("train", str(recipe_file), "--out", str(tmp_path / "out"), "--set", "stages.align.steps=2") == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'final'}\n"
    assert (tmp_path / "out" / "final" / "config.json").is_file()
    assert "stage align" in said.err
    assert "frozen" in said.err
    assert "samples left out: none" in said.err
    assert Recipe.from_yaml(tmp_path / "out" / "recipe.yaml").stages["align"].steps == 2


def test_without_out_a_run_is_called_by_its_recipe(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("train", str(recipe_file)) == 0
    assert (tmp_path / "runs" / "mine" / "final").is_dir()


def test_what_show_prints_is_a_recipe(
    micro_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("train", "llava_v15_7b", "--show", "--set", "stages.align.optim.lr=2e-3") == 0
    said = capsys.readouterr()
    assert said.err == ""
    Path("shown.yaml").write_text(said.out)
    assert Recipe.from_yaml(Path("shown.yaml")).stages["align"].optim.lr == 2e-3
    assert _exit_code("train", "shown.yaml", "--show") == 0
    assert capsys.readouterr().out == said.out
    assert [path.name for path in tmp_path.iterdir()] == ["shown.yaml"]  # showing does nothing

    # And what trains: shown, piped into a file, trained.
    Path("micro.yaml").write_text(micro.recipe(micro_world).to_yaml())
    assert _exit_code("train", "micro.yaml", "--show", "--set", "seed=3") == 0
    Path("again.yaml").write_text(capsys.readouterr().out)
    assert _exit_code("train", "again.yaml", "--out", "one") == 0
    assert _exit_code("train", "micro.yaml", "--set", "seed=3", "--out", "two") == 0
    assert micro.weights(Path("one")) == micro.weights(Path("two"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, r"llava_v15_7b.*\.yaml"),
        (("--resume",), 2, "RECIPE"),
        (("llava_v15_7",), 1, "did you mean 'llava_v15_7b'"),
        (("nowhere.yaml",), 1, "cannot read the recipe nowhere.yaml"),
        (("--resume", "--out", "nowhere"), 1, "nowhere is no run"),
        (("tiny", "--show", "--set", "stages.language.template=chatm"), 1, "stages.language.template.*'chatml'"),
        (("tiny", "--show", "--set", "model.connector=mlp"), 1, "model.connector: no connector called 'mlp'"),
        (("tiny",), 1, "model.vocabulary.records: there is no file"),
        (("tiny", "--set", "stages.algn.optim.lr=1"), 1, "did you mean 'align'"),
        (("tiny", "--set", "seed"), 1, r"expected a\.b=value"),
        (("tiny", "--set", "save_every=0"), 1, "save_every.*greater than or equal to 1"),
        (("tiny", "--set", "stages.clip.batch_size=0"), 1, "batch_size.*greater than or equal to 1"),
        (("tiny", "--nonsense"), 2, "--nonsense"),
        (("tiny", "--device", "nonsense"), 1, "device 'nonsense'"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _exit_code("train", *arguments) == code
    said = capsys.readouterr()
    assert re.search(says, said.err, re.DOTALL)
    assert "Traceback" not in said.err
    if code == 1:
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        assert "a fault of chiasm" not in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_may_end_with_an_early_stage_and_go_on_later(
    micro_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "r.yaml", ("--out", str(tmp_path / "out"))
    recipe.write_text(micro.recipe(micro_world, "stages.*.steps=2", stages=("align", "instruct")).to_yaml())
    assert _exit_code("train", str(recipe), "--until", "align", *out) == 0
    assert "stage instruct" not in capsys.readouterr().err
    assert _exit_code("train", str(recipe), "--resume", *out) == 0
    said = capsys.readouterr()
    assert "stage instruct" in said.err
    assert "stage align" not in said.err
    assert said.out == f"{tmp_path / 'out' / 'final'}\n"
    assert _exit_code("train", str(recipe), "--until", "instrct", "--show") == 1
    assert "--until 'instrct': no stage of 'micro', did you mean 'instruct'" in capsys.readouterr().err


def test_an_existing_run_is_refused_until_it_is_resumed(
    recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "out"))
    assert _exit_code("train", str(recipe_file), *out) == 0
    capsys.readouterr()
    assert _exit_code("train", str(recipe_file), *out) == 1
    assert "--resume" in capsys.readouterr().err
    assert _exit_code("train", "--resume", *out) == 0  # needs no recipe
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'final'}\n"
    assert "is finished" in said.err
    assert _exit_code("train", str(recipe_file), "--resume", *out, "--set", "seed=9") == 1
    assert "'seed: 0' then, 'seed: 9' now" in capsys.readouterr().err


def test_killed_interrupted_and_gone_on_with_a_run_ends_as_one_that_was_not(micro_world: Path, tmp_path: Path) -> None:
    """SIGKILL between two checkpoints, then Ctrl-C, then to the end: weights and log are the same, bit for bit."""
    recipe = micro.recipe(micro_world, "save_every=7", "stages.align.steps=30", "stages.instruct.steps=120")
    recipe_file, out = tmp_path / "r.yaml", tmp_path / "out"
    recipe_file.write_text(recipe.to_yaml())

    def steps(stage: str) -> int:
        log = out / "metrics.jsonl"
        return log.read_text().count(f'"stage": "{stage}"') if log.is_file() else 0

    first = _begin(str(recipe_file), "--out", str(out))
    _wait_until(first, lambda: steps("align") >= 17)
    first.kill()
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert not (out / "final").exists()

    second = _begin("--resume", "--out", str(out))
    _wait_until(second, lambda: steps("instruct") >= 10)
    second.send_signal(signal.SIGINT)
    said = second.communicate()
    assert second.returncode == 130
    assert said[0] == ""
    assert f"saved. Go on with: chiasm train --resume --out {out}" in said[1]
    assert re.search(r"stage \w+ \(from step \d+\)", said[1])  # it began where a checkpoint was
    assert "Traceback" not in said[1]
    assert not (out / "final").exists()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert _exit_code("train", "--resume", "--out", str(out)) == 0
        run(recipe, tmp_path / "unbroken")
    finally:
        torch.set_num_threads(threads)
    assert micro.metrics(out) == micro.metrics(tmp_path / "unbroken")
    assert micro.weights(out) == micro.weights(tmp_path / "unbroken")
    assert not list(out.rglob(".*.writing"))
