"""The log of a run: whole lines, nothing twice, and never the reason a run ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm.conversation import Conversation
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training.metrics import MetricsFile
from chiasm.training.run import run
from tests.training import micro


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


def test_a_line_tells_the_parts_apart_and_what_went_through(micro_world: Path, tmp_path: Path) -> None:
    """Rates by the recipe, norms by Pythagoras, tokens by encoding the records again."""
    records = [*micro.records(micro_world)[:3], micro.records(micro_world, "text_train.json")[0]]
    (tmp_path / "records.json").write_text(json.dumps(records))  # four: each step sees all
    recipe = micro.recipe(
        micro_world,
        f"stages.instruct.data.records={tmp_path / 'records.json'}",
        "stages.instruct.optim={lr: 1.0e-3, warmup: 0, schedule: constant, lr_by_part: {connector: 4.0e-3}}",
    )
    sizes: list[tuple[int, int]] = []

    def count(name: str, model: Llava, processor: Processor) -> None:
        for record in records if name == "start" else ():
            example = processor.with_template("chatml").encode(Conversation.from_llava(record, micro_world / "images"))
            sizes.append((len(example.input_ids), int((example.input_ids == processor.image_token_id).sum())))

    run(recipe, tmp_path / "run", after_stage=count)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    instruct = [line for line in lines if line["stage"] == "instruct"]
    assert len(instruct) == 4
    for line in instruct:
        assert (line["lr"], line["lr_connector"], line["lr_language"]) == (1e-3, 4e-3, 1e-3)
        parts = line["grad_norm_connector"], line["grad_norm_language"]
        assert min(parts) > 0
        assert line["grad_norm"] == pytest.approx((parts[0] ** 2 + parts[1] ** 2) ** 0.5, rel=1e-4)
        assert line["num_tokens"] == sum(whole for whole, _ in sizes)
        assert line["num_picture_tokens"] == sum(pictures for _, pictures in sizes) > 0
        for what in ("samples", "tokens", "picture_tokens"):  # both are rounded
            assert line[f"{what}_per_second"] == pytest.approx(line[f"num_{what}"] / line["seconds"], rel=0.02)
        assert 0.05 < line["peak_memory_gib"] < 64
        assert line["num_dropped"] == 0
    assert {key for key in lines[0] if key.startswith(("lr_", "grad_norm_"))} == {"lr_connector", "grad_norm_connector"}
