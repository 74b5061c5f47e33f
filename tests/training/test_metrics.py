"""The log of a run: whole lines, nothing twice, and never the reason a run ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm.training.metrics import MetricsFile


def _lines(path: Path) -> list[tuple[str, int]]:
    return [(line["stage"], line["step"]) for line in map(json.loads, path.read_text().splitlines())]


def test_steps_that_will_be_done_again_are_forgotten(tmp_path: Path) -> None:
    log = MetricsFile(tmp_path / "m.jsonl")
    for stage, steps in (("a", 3), ("b", 5)):
        for step in range(1, steps + 1):
            log.write({"stage": stage, "step": step})
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"stage": "b", "st')  # killed while writing
    again = MetricsFile(tmp_path / "m.jsonl")
    again.forget_after("b", 2)
    again.write({"stage": "b", "step": 3})
    assert _lines(tmp_path / "m.jsonl") == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]


def test_forgetting_in_an_absent_file_is_nothing(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "m.jsonl").forget_after("a", 0)
    assert not (tmp_path / "m.jsonl").exists()


def test_a_full_disk_costs_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.jsonl").symlink_to("/dev/full")
    log = MetricsFile(tmp_path / "m.jsonl")
    log.forget_after("a", 0)
    for step in range(5):
        log.write({"stage": "a", "step": step})
    said = capsys.readouterr().err
    assert said.count("warning") == 1
    assert "No space left" in said
    assert "goes on" in said


def test_a_log_that_cannot_be_rewritten_costs_one_warning_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MetricsFile(tmp_path / "m.jsonl")
    log.write({"stage": "a", "step": 1})
    log.write({"stage": "a", "step": 2})
    before = (tmp_path / "m.jsonl").read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    log.forget_after("a", 1)
    log.write({"stage": "a", "step": 2})
    assert capsys.readouterr().err.count("warning") == 1
    assert (tmp_path / "m.jsonl").read_text() == before
