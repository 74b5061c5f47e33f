"""Questions asked apart: a record of many is learnt from as if each were a record of its own, and costs one picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from chiasm.conversation import Conversation, RecordError
from chiasm.errors import UserError
from chiasm.processing.batch import pack, pad
from chiasm.processing.processor import NOT_TRAINED, Processor
from chiasm.training.run import run
from tests.processing.test_processor import vicuna
from tests.training import micro

_PACKED = ("stages.instruct.pack=true", "stages.instruct.max_length=400", "stages.instruct.row_length=1600")


def record(picture: str | list[str] | None, *turns: tuple[str, str], **more: object) -> dict[str, Any]:
    num = len(picture) if isinstance(picture, list) else picture is not None
    said = [
        {"from": role, "value": value}
        for number, (asked, answered) in enumerate(turns)
        for role, value in (("human", asked if number else "<image>\n" * num + asked), ("gpt", answered))
    ]
    return {"id": "r", **({} if picture is None else {"image": picture}), "conversations": said, **more}


def encoded(processor: Processor, world: Path, found: dict[str, Any]) -> Any:
    return processor.encode(Conversation.from_llava(found, world / "images"), train=True)


_TURNS = (("What is it?", "A dog."), ("Where?", "Left of the big tree."), ("Is it red?", "no"))


@pytest.mark.parametrize("num_pictures", [1, 2])
def test_each_question_has_the_ids_and_labels_it_has_alone(micro_world: Path, num_pictures: int) -> None:
    pictures = [found["image"] for found in micro.records(micro_world)[:6:3]][:num_pictures]
    picture: Any = pictures if num_pictures > 1 else pictures[0]
    whole = encoded(vicuna(), micro_world, record(picture, *_TURNS, apart=True))
    alone = [encoded(vicuna(), micro_world, record(picture, turn)) for turn in _TURNS]
    num = len(whole.input_ids) - sum(whole.branches)
    assert num == int((alone[0].input_ids == vicuna().image_token_id).nonzero().max()) + 1
    assert whole.pixels.shape == alone[0].pixels.shape
    parts = torch.split(whole.input_ids, [num, *whole.branches])
    labels = torch.split(whole.labels, [num, *whole.branches])
    assert set(labels[0].tolist()) == {NOT_TRAINED}
    for one, label, expected in zip(parts[1:], labels[1:], alone, strict=True):
        assert torch.equal(torch.cat([parts[0], one]), expected.input_ids)
        assert torch.equal(torch.cat([labels[0], label]), expected.labels)
    assert whole.num_trained == sum(each.num_trained for each in alone)
    row = pack([alone[0], whole])
    assert row["bounds"].diff().tolist() == [len(alone[0].input_ids), num, *whole.branches]
    assert row["after"].tolist() == [-1, -1, 1, 1, 1]
    with pytest.raises(ValueError, match="packed rows only"):
        pad([whole], "right")


def test_without_a_picture_nothing_is_shared(micro_world: Path) -> None:
    whole = encoded(vicuna(), micro_world, record(None, *_TURNS, apart=True))
    assert sum(whole.branches) == len(whole.input_ids)
    assert "after" not in pack([whole])


def test_a_system_turn_and_two_pictures_as_they_are_written(micro_world: Path) -> None:
    """However the first turn spaces its pictures, every question stands behind the same."""
    pictures = [found["image"] for found in micro.records(micro_world)[:6:3]]
    found = record(pictures, *_TURNS, apart=True)
    found["conversations"].insert(0, {"from": "system", "value": "Be brief."})
    whole = encoded(vicuna(), micro_world, found)
    alone = record(pictures, _TURNS[2])
    alone["conversations"].insert(0, {"from": "system", "value": "Be brief."})
    assert torch.equal(
        whole.input_ids[-whole.branches[2] :], encoded(vicuna(), micro_world, alone).input_ids[-whole.branches[2] :]
    )
    for lead in ("<image><image>\n", "Compare <image> with <image>. "):
        found = record(pictures, *_TURNS, apart=True)
        found["conversations"][0]["value"] = f"{lead}One?"
        with pytest.raises(RecordError, match="stand before the first of them"):
            encoded(vicuna(), micro_world, found)


def test_what_cannot_be_asked_apart_is_named(micro_world: Path) -> None:
    picture = micro.records(micro_world)[0]["image"]
    second = record([picture, picture], ("One?", "1"), ("Two?", "2"), apart=True)
    second["conversations"][0]["value"], second["conversations"][2]["value"] = "<image>\nOne?", "<image>\nTwo?"
    with pytest.raises(RecordError, match="stand before the first of them"):
        encoded(vicuna(), micro_world, second)
    for template, turns in (("plain", _TURNS[:1]), ("plain", _TURNS)):
        with pytest.raises(RecordError, match="trains the first word after a picture"):
            encoded(vicuna().with_template(template), micro_world, record(picture, *turns, apart=True))
    with pytest.raises(RecordError, match="'apart' must be true or false"):
        encoded(vicuna(), micro_world, record(picture, *_TURNS, apart="yes"))
    long = record(picture, _TURNS[0], ("Is it " + "very " * 300 + "red?", "no"), apart=True)
    with pytest.raises(RecordError, match=r"question 2: .* tokens"):
        encoded(vicuna(max_length=200), micro_world, long)
    unasked = record(picture, *_TURNS, apart=True)
    unasked["conversations"].pop()
    assert encoded(vicuna(), micro_world, unasked).num_trained > 0
    told = record(picture, *_TURNS, apart=True)
    assert Conversation.from_llava(told).to_llava() == told


def test_the_loss_is_that_of_records_of_one_question_each(micro_world: Path, tmp_path: Path) -> None:
    """With the tower training too; the same curve, from a quarter of the pictures."""
    pictures = [found["image"] for found in micro.records(micro_world)[:12:3]]
    questions = [*_TURNS, ("How many?", "4")]
    files = {
        "apart": [record(each, *questions, apart=True) for each in pictures],
        "alone": [record(each, question) for each in pictures for question in questions],
    }
    curves = {}
    for name, found in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
        size = len(found)  # every step sees all of them
        changes = (f"data.records={tmp_path / name}.json", f"batch_size={size}", "steps=3")
        recipe = micro.recipe(
            micro_world,
            "stages.instruct.trains=[vision,connector,language]",
            *_PACKED,
            *(f"stages.instruct.{change}" for change in changes),
        )
        run(recipe, tmp_path / name)
        curves[name] = [m for m in micro.metrics(tmp_path / name) if m["stage"] == "instruct"]
    assert len(curves["apart"]) == 3
    for one, other in zip(curves["apart"], curves["alone"], strict=True):
        assert one["num_trained"] == other["num_trained"]
        assert one["num_picture_tokens"] * 4 == other["num_picture_tokens"]
        for key in ("loss", "grad_norm_vision", "grad_norm_language"):
            assert one[key] == pytest.approx(other[key], rel=2e-4)


def test_padded_stages_say_what_to_do(micro_world: Path, tmp_path: Path) -> None:
    picture = micro.records(micro_world)[0]["image"]
    (tmp_path / "apart.json").write_text(json.dumps([record(picture, *_TURNS, apart=True)]))
    with pytest.raises(UserError, match="1 apart"):
        run(micro.recipe(micro_world, f"stages.instruct.data.records={tmp_path}/apart.json"), tmp_path / "run")
    assert "add 'pack: true'" in (tmp_path / "run" / "dropped.jsonl").read_text()


def test_more_questions_than_a_row_holds_are_named(micro_world: Path, tmp_path: Path) -> None:
    """A row is what memory was reckoned for; the record is left out, not the limit."""
    picture = micro.records(micro_world)[0]["image"]
    many = record(picture, *((f"Is there a number {number}?", "no") for number in range(40)), apart=True)
    (tmp_path / "apart.json").write_text(json.dumps([many]))
    changes = (*_PACKED, "stages.instruct.row_length=400", f"stages.instruct.data.records={tmp_path}/apart.json")
    with pytest.raises(UserError, match="1 too long"):
        run(micro.recipe(micro_world, *changes), tmp_path / "run")
    assert "Make two records of them, or raise row_length" in (tmp_path / "run" / "dropped.jsonl").read_text()


def test_features_from_the_cache_give_the_same_curve(micro_world: Path, tmp_path: Path) -> None:
    pictures = [found["image"] for found in micro.records(micro_world)[:12:3]]
    (tmp_path / "apart.json").write_text(json.dumps([record(each, *_TURNS, apart=True) for each in pictures]))
    losses = []
    for way in ("computed", "cache"):
        changes = (*_PACKED, f"stages.instruct.features={way}", f"stages.instruct.data.records={tmp_path}/apart.json")
        run(micro.recipe(micro_world, *changes), tmp_path / way)
        losses.append([m["loss"] for m in micro.metrics(tmp_path / way) if m["stage"] == "instruct"])
    assert losses[0] == pytest.approx(losses[1], abs=2e-5)
