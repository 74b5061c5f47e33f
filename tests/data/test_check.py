"""Looking at every sample before training does, and at one as the model sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.data.check import CheckReport, check
from chiasm.data.conversations import ConversationFile
from chiasm.data.show import Seen, seen, tiles
from tests.data.micro import processor


def _talk(*values: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]


GOOD = {"id": "good", "image": "a.png", "conversations": _talk("<image>\nWhat?", "A wall.")}
BAD: dict[str, dict[str, Any]] = {
    "missing": {"image": "absent.png", "conversations": _talk("<image>\nWhat?", "No.")},
    "empty": {"image": "empty.jpg", "conversations": _talk("<image>\nWhat?", "No.")},
    "not an image": {"image": "page.jpg", "conversations": _talk("<image>\nWhat?", "No.")},
    "not a file": {"image": "folder.jpg", "conversations": _talk("<image>\nWhat?", "No.")},
    "unsafe name": {"image": "train/../../a.png", "conversations": _talk("<image>\nWhat?", "No.")},
    "image field": {"image": 7, "conversations": _talk("What?", "No.")},
    "marker count": {"image": "a.png", "conversations": _talk("<image>\n<image>\nWhat?", "No.")},
    "no turns": {"conversations": []},
    "turn order": {"conversations": _talk("What?", "No.")[::-1]},
    "unknown role": {"conversations": [{"from": "narrator", "value": "Once"}]},
    "turn format": {"conversations": [{"from": "human", "value": 7}]},
    "bad text": {"conversations": _talk("What\ud800?", "No.")},
    "nothing trained": {"conversations": _talk("What?")},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures good and bad, and a file of one good record and one of every kind of bad ones."""
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "a.png")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    (tmp_path / "folder.jpg").mkdir()
    bad = [{"id": f"bad {reason}", **record} for reason, record in BAD.items()]
    (tmp_path / "r.json").write_text(json.dumps([GOOD, *bad]))
    return tmp_path


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "C:\\a.png", "\\\\host\\a.png", "a/..\\..\\a.png"])
def test_pictures_outside_the_folder_are_not_opened(folder: Path, name: str) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (folder / "r.json").write_text(json.dumps([{**GOOD, "image": name}]))
    report = check(ConversationFile(folder / "r.json", inside))
    assert report.dropped.by_reason == {"unsafe name": 1}
    assert "leads out of the folder of pictures" in report.dropped.named["good"][1]


def test_a_link_in_the_folder_may_lead_anywhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    images = tmp_path_factory.mktemp("images")
    (images / "coco").symlink_to(folder)
    (folder / "r.json").write_text(json.dumps([{**GOOD, "image": "coco/a.png"}]))
    assert check(ConversationFile(folder / "r.json", images)).num_usable == 1


@pytest.mark.parametrize("with_processor", [False, True])
def test_every_unusable_sample_is_named_with_its_reason(folder: Path, with_processor: bool) -> None:
    steps: list[int] = []
    file = ConversationFile(folder / "r.json", folder)
    report = check(file, processor() if with_processor else None, steps.append)
    assert {name: reason for name, (reason, _) in report.dropped.named.items()} == {f"bad {r}": r for r in BAD}
    assert (report.num_samples, report.num_usable, report.num_pictures) == (1 + len(BAD), 1, 1)
    assert sum(steps) == len(file)
    found = report.as_dict()
    assert found["by_reason"] == dict.fromkeys(BAD, 1)
    assert {entry["id"] for entry in found["unusable"]} == {f"bad {reason}" for reason in BAD}
    assert all(entry["message"] for entry in found["unusable"])
    json.dumps(found)


def test_however_many_look_they_find_the_same(folder: Path) -> None:
    records = [{**GOOD, "id": n} if n % 3 else {"id": n, "image": "absent.png", **BAD["missing"]} for n in range(100)]
    (folder / "r.json").write_text(json.dumps(records))
    file = ConversationFile(folder / "r.json", folder)
    alone, many = (check(file, processor(), workers=workers).as_dict() for workers in (1, 4))
    assert alone == many
    assert [entry["id"] for entry in many["unusable"]] == [str(n) for n in range(0, 100, 3)]  # in the file's order
    assert check(file).unusable_share == 0.34
    assert CheckReport().unusable_share == 0


def test_samples_that_share_an_id_are_each_counted(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps([{"id": "x"}, {"id": "x"}, {"id": "x"}]))
    report = check(ConversationFile(tmp_path / "r.json"))
    assert report.num_usable == 0
    assert len(report.dropped) == 3


def test_what_is_no_object_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = {"id": "good", "conversations": _talk("a", "b")}
    (tmp_path / "r.json").write_text(json.dumps([good, 7, [], {**good, "id": 3}]))
    report = check(ConversationFile(tmp_path / "r.json"))
    assert {name: reason for name, (reason, _) in report.dropped.named.items()} == dict.fromkeys(
        ("#1", "#2"), "not a record"
    )
    assert report.num_usable == 2
    assert len(ConversationFile(tmp_path / "r.json").word_lengths()) == 4


def test_lengths_are_those_of_training(folder: Path) -> None:
    (folder / "r.json").write_text(json.dumps([GOOD, {**GOOD, "id": 2, "conversations": _talk("a", "b" * 300)}]))
    short = processor(max_length=300)
    file = ConversationFile(folder / "r.json", folder)
    report = check(file, short)
    examples = [short.encode(file[i], train=True) for i in range(2)]
    assert report.lengths == [len(example.input_ids) for example in examples]
    assert report.lengths[1] == 300
    assert report.num_trained == sum(example.num_trained for example in examples)
    assert report.num_cut == 1
    tokens = report.as_dict()["tokens"]
    assert tokens["longest"] == 300
    assert tokens["total"] == sum(report.lengths)
    assert report.as_dict()["num_answers_cut"] == 1


def test_too_long_is_a_reason(folder: Path) -> None:
    (folder / "r.json").write_text(json.dumps([GOOD]))
    report = check(ConversationFile(folder / "r.json", folder), processor(max_length=20))
    assert report.dropped.by_reason == {"too long": 1}


def test_a_torn_line_is_reported(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(json.dumps({"conversations": _talk("a", "b")}) + '\n{"conversat')
    report = check(ConversationFile(tmp_path / "r.jsonl"))
    assert report.num_usable == report.num_samples == 1
    assert "line 2" in report.as_dict()["torn"]


def test_an_empty_report_has_no_lengths() -> None:
    assert "tokens" not in CheckReport().as_dict()


# ---- one sample as the model sees it ---------------------------------------------------------------------------------


def _read(runs: list[Seen], kind: str) -> list[str]:
    return ["".join(run.tokens).replace("Ġ", " ").replace("Ċ", "\n") for run in runs if run.kind == kind]


def test_what_is_trained_is_the_answers_and_their_end(folder: Path) -> None:
    turns = _talk("<image>\nWhat?", "A wall.", "Sure?", "Yes.")
    (folder / "r.json").write_text(json.dumps([{"image": "a.png", "conversations": turns}]))
    conversation, reader = ConversationFile(folder / "r.json", folder)[0], processor()
    runs = list(seen(reader.encode(conversation, train=True), reader))
    assert _read(runs, "trained") == [" A wall.</s>", " Yes.</s>"]
    assert [run.num_tokens for run in runs if run.kind == "picture"] == [4]
    assert "Sure? ASSISTANT:" in _read(runs, "not trained")[-1]
    assert sum(run.num_tokens for run in runs) == len(reader.encode(conversation, train=True).input_ids)


def test_neighbouring_pictures_stay_apart(folder: Path) -> None:
    turns = _talk("<image><image>Which?", "The first.")
    (folder / "r.json").write_text(json.dumps([{"image": ["a.png", "a.png"], "conversations": turns}]))
    conversation, reader = ConversationFile(folder / "r.json", folder)[0], processor("plain")
    runs = list(seen(reader.encode(conversation, train=True), reader))
    assert [run.num_tokens for run in runs if run.kind == "picture"] == [4, 4]


def test_tiles_are_what_the_tower_gets(folder: Path) -> None:
    file, reader = ConversationFile(folder / "r.json", folder), processor()
    ((tile,),) = tiles(file[0], reader)
    assert tile.size == (28, 28)
    assert tile.getpixel((14, 14)) == (200, 10, 10)
    assert tile.getpixel((14, 0)) == (122, 116, 104)  # the padding colour above a picture wider than high
