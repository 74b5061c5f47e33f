"""Samples that cannot be used: counted, named, left out; too many of them end the run."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chiasm import checkpoints
from chiasm.conversation import RecordError
from chiasm.data.check import check
from chiasm.data.conversations import ConversationFile
from chiasm.errors import UserError
from chiasm.training.config import Recipe
from chiasm.training.first_look import first_look
from chiasm.training.objectives.answers import Answers
from chiasm.training.parallel import World
from chiasm.training.run import run
from tests.training import micro


def _bad_records(world: Path) -> dict[str, dict[str, Any]]:
    """One record for every reason a sample may be left out."""
    good = micro.records(world)
    turns: list[list[dict[str, str]]] = [record["conversations"] for record in good]
    return {
        "missing": {**good[0], "image": "train/absent.png"},
        "not a file": {**good[1], "image": "train"},
        "no turns": {**good[2], "conversations": []},
        "turn order": {**good[3], "conversations": turns[3][1:]},
        "unknown role": {**good[4], "conversations": [{**turns[4][0], "from": "narrator"}]},
        "marker count": {**good[5], "image": ["train/000005.png"] * 2},
        "image field": {**good[6], "image": 6},
        "bad text": {**good[7], "conversations": [{"from": "human", "value": "\ud800"}, turns[7][1]]},
        "too long": {
            **good[8],
            "conversations": [{"from": "human", "value": "<image>\n" + "why " * 2000}, {"from": "gpt", "value": "so"}],
        },
        "nothing trained": {**good[9], "conversations": turns[9][:1]},
    }


def _recipe(world: Path, folder: Path, records: list[dict[str, Any]], *changes: str) -> Recipe:
    (folder / "records.json").write_text(json.dumps(records))
    every = (f"stages.instruct.data.records={folder / 'records.json'}", "stages.instruct.steps=null", *changes)
    # The vocabulary stays that of the world: records that are none have no text.
    return micro.recipe(world, "stages.align.steps=1", *every)


def test_every_reason_is_counted_and_named_and_the_run_goes_on(micro_world: Path, tmp_path: Path) -> None:
    bad = {reason: {**record, "id": f"bad {reason}"} for reason, record in _bad_records(micro_world).items()}
    records = micro.records(micro_world)[10:] + list(bad.values())
    recipe = _recipe(
        micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.25", "stages.instruct.epochs=2"
    )
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", reporter=recorder)
    named = {line["id"]: line["reason"] for line in micro.dropped(tmp_path / "run")}
    assert named == {f"bad {reason}": reason for reason in bad}
    assert len(micro.dropped(tmp_path / "run")) == len(bad)  # once, though each came by in both epochs
    assert all(line["message"] and line["stage"] == "instruct" for line in micro.dropped(tmp_path / "run"))
    assert recorder.ended["align"] == "none"
    assert Counter(recorder.ended["instruct"].split(", ")) == Counter(f"1 {reason}" for reason in bad)
    steps = [line for line in micro.metrics(tmp_path / "run") if line["stage"] == "instruct"]
    assert len(steps) == 20  # 40 records twice, 4 a step
    assert sum(line["num_samples"] for line in steps) == 2 * 30


def test_too_many_end_the_run_with_the_counts(micro_world: Path, tmp_path: Path) -> None:
    bad = [{**record, "image": "absent.png"} for record in micro.records(micro_world)[:5]]
    records = micro.records(micro_world)[5:] + bad
    with pytest.raises(UserError) as stopped:
        run(_recipe(micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.1"), tmp_path / "run")
    for part in ("5 of 40 samples", "5 missing", "max_dropped = 0.1", "dropped.jsonl", "chiasm data check"):
        assert part in str(stopped.value)
    assert len(micro.dropped(tmp_path / "run")) == 5
    run(_recipe(micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.125"), tmp_path / "enough")


def test_samples_that_share_an_id_are_each_counted(micro_world: Path, tmp_path: Path) -> None:
    bad = [{**record, "id": "same", "image": "absent.png"} for record in micro.records(micro_world)[:5]]
    records = micro.records(micro_world)[5:] + bad
    with pytest.raises(UserError, match="5 of 40 samples"):
        run(_recipe(micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.1"), tmp_path / "run")


def test_a_name_that_is_no_text_can_be_written(micro_world: Path, tmp_path: Path) -> None:
    records = [*micro.records(micro_world)[1:], {"id": "图\ud800", "conversations": []}]
    run(_recipe(micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.5"), tmp_path / "run")
    (line,) = micro.dropped(tmp_path / "run")
    assert line["id"] == "图\\ud800"


def test_a_step_without_a_usable_sample_teaches_nothing(micro_world: Path, tmp_path: Path) -> None:
    bad = {"image": "absent.png", "conversations": micro.records(micro_world)[0]["conversations"]}
    change = ("stages.instruct.data.max_dropped=1", "stages.instruct.batch_size=1", "stages.instruct.epochs=1")
    recipe = _recipe(micro_world, tmp_path, [*micro.records(micro_world)[:3], bad], *change)
    recorder = micro.Recorder()
    run(recipe, tmp_path / "run", reporter=recorder)
    lines = [line for line in micro.metrics(tmp_path / "run") if line["stage"] == "instruct"]
    assert sorted(line["num_samples"] for line in lines) == [0, 1, 1, 1]
    assert sum("loss" not in line for line in lines) == 1
    assert "NaN" not in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_a_picture_that_vanishes_between_two_epochs_is_left_out(micro_world: Path, tmp_path: Path) -> None:
    images = shutil.copytree(micro_world / "images", tmp_path / "images")

    class Removing(micro.Recorder):
        def step(self, metrics: dict[str, Any]) -> None:
            super().step(metrics)
            if metrics["stage"] == "instruct" and metrics["step"] == 10:
                (images / "train" / "000007.png").unlink()

    changes = (f"stages.instruct.data.images={images}", "stages.instruct.data.max_dropped=0.1")
    recipe = _recipe(micro_world, tmp_path, micro.records(micro_world), *changes, "stages.instruct.epochs=3")
    recorder = Removing()
    run(recipe, tmp_path / "run", reporter=recorder)
    assert recorder.ended["instruct"] == "1 missing"
    assert [line["id"] for line in micro.dropped(tmp_path / "run")] == ["short_000007_en"]


def test_a_file_of_no_records_is_told(micro_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no records"):
        run(_recipe(micro_world, tmp_path, []), tmp_path / "run")


def test_a_full_disk_does_not_stop_a_run_for_the_names(
    micro_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(self: Path, *arguments: Any, **settings: Any) -> Any:
        if self.name == "dropped.jsonl":
            raise OSError(28, "No space left on device")
        return opened(self, *arguments, **settings)

    monkeypatch.setattr(Path, "open", full)
    records = micro.records(micro_world) + [{"id": n} for n in range(3)]
    recorder = micro.Recorder()
    recipe = _recipe(micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.2")
    run(recipe, tmp_path / "run", reporter=recorder)
    assert recorder.ended["instruct"] == "3 no turns"
    assert capsys.readouterr().err.count("warning") == 1


def test_what_can_be_seen_is_dropped_before_the_first_step(
    micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All reasons but a picture that is damaged within: nothing is computed when they are too many."""
    bad = {reason: {**record, "id": f"bad {reason}"} for reason, record in _bad_records(micro_world).items()}
    records = micro.records(micro_world)[10:] + list(bad.values())
    asked: list[int] = []
    monkeypatch.setattr(Answers, "sample", lambda self, index: asked.append(index))
    recipe = _recipe(micro_world, tmp_path, records, "stages.instruct.data.max_dropped=0.2")
    recipe = recipe.model_copy(update={"stages": {"instruct": recipe.stages["instruct"]}})
    recipe = recipe.model_copy(
        update={"stages": {"instruct": recipe.stages["instruct"].model_copy(update={"trains": ("connector",)})}}
    )
    with pytest.raises(UserError, match="10 of 40 samples") as stopped:
        run(recipe, tmp_path / "run")
    assert all(f"1 {reason}" in str(stopped.value) for reason in bad)
    assert asked == []
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    lines = micro.dropped(tmp_path / "run")
    assert [(line["step"], line["index"]) for line in lines] == [(0, index) for index in range(30, 40)]
    assert {line["id"]: line["reason"] for line in lines} == {f"bad {reason}": reason for reason in bad}


def test_training_and_the_check_of_data_count_the_same(micro_world: Path, tmp_path: Path) -> None:
    bad = [*_bad_records(micro_world).values()]
    images = shutil.copytree(micro_world / "images", tmp_path / "images")
    torn = images / "train" / "000020.png"
    torn.write_bytes(torn.read_bytes()[:-40])
    holed = bytearray((images / "train" / "000021.png").read_bytes())
    holed[len(holed) // 2 : -40] = bytes(len(holed[len(holed) // 2 : -40]))
    (images / "train" / "000021.png").write_bytes(holed)
    (tmp_path / "records.json").write_text(json.dumps([*bad, *micro.records(micro_world)[10:]]))
    changes = (f"stages.instruct.data.images={images}", "stages.instruct.data.max_dropped=0.5")
    recipe = _recipe(micro_world, tmp_path, [*bad, *micro.records(micro_world)[10:]], *changes)
    final = run(recipe, tmp_path / "run")
    lines = micro.dropped(tmp_path / "run")
    report = check(ConversationFile(tmp_path / "records.json", images), checkpoints.load_processor(final))
    assert sorted((line["id"], line["reason"]) for line in lines) == sorted(
        (name, reason) for name, (reason, _) in report.dropped.named.items()
    )
    assert report.dropped.by_reason["damaged"] == 2
    assert [line["reason"] for line in lines if line["step"]] == ["damaged"]  # only the hole needed decoding


def test_samples_that_no_step_sees_are_not_looked_at(micro_world: Path, tmp_path: Path) -> None:
    bad = [{**record, "image": "absent.png"} for record in micro.records(micro_world)]
    recipe = _recipe(micro_world, tmp_path, bad, "stages.instruct.data.max_dropped=1")
    recipe = recipe.with_changes(["stages.instruct.steps=2"])  # of 4 samples each
    run(recipe, tmp_path / "run")
    lines = micro.dropped(tmp_path / "run")
    assert len(lines) == 8
    assert {line["step"] for line in lines} == {0}


def test_processes_share_the_look(micro_world: Path, tmp_path: Path) -> None:
    looked: list[int] = []

    class Objective:
        def look(self, index: int) -> None:
            looked.append(index)
            if index in (5, 9, 12):
                raise RecordError("no turns", f"{index} has none")

        def name(self, index: int) -> str:
            return f"#{index}"

    class Second(World):
        def exchange(self, value: Any) -> list[Any]:
            theirs = {"place": 0, "index": 2, "name": "#2", "reason": "missing", "message": "gone"}
            return [[theirs], value]

    objective: Any = Objective()
    found = first_look(objective, [2, 5, 7, 9, 11, 12], 2, Second(1, 2), micro.Recorder())
    assert sorted(looked) == [5, 9, 12]
    assert [(each.place, each.index, each.reason) for each in found] == [
        (0, 2, "missing"),
        (1, 5, "no turns"),
        (3, 9, "no turns"),
        (5, 12, "no turns"),
    ]
