"""`chiasm data`: check, show and scenes on the command line."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm import checkpoints
from chiasm.cli import main
from chiasm.processing import pictures
from chiasm.training.run import run
from tests.training import micro
from tests.training.hanging import reader


def _exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def model(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, for its tokenizer, template and image policy."""
    recipe = micro.recipe(micro_world, "stages.align.steps=0", "stages.instruct.steps=0")
    return run(recipe, tmp_path_factory.mktemp("data") / "run")


@pytest.fixture
def bad(micro_world: Path, tmp_path: Path) -> Path:
    """Two good records and three bad ones whose names are markup to those who read it as such."""
    records: list[dict[str, Any]] = micro.records(micro_world)[:5]
    records[1] = {**records[1], "id": "[/bold]", "image": "[red]absent[/].png"}
    records[3] = {**records[3], "id": "图[/x]\ud800", "conversations": []}
    records[4] = {**records[4], "conversations": records[4]["conversations"][:1]}
    (tmp_path / "bad.json").write_text(json.dumps(records))
    return tmp_path / "bad.json"


@pytest.mark.parametrize("verb", [(), ("check",), ("show",), ("scenes",)])
def test_help(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("data", *verb, "--help") == 0
    said = capsys.readouterr().out
    assert "Example:" in said if verb else all(name in said for name in ("check", "show", "scenes"))


# ---- check -----------------------------------------------------------------------------------------------------------


def test_good_data_is_code_0(micro_world: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, images = micro_world / "instruct_train.json", micro_world / "images"
    assert _exit_code("data", "check", records, "--images", images) == 0
    assert "40 samples, 40 usable, 40 pictures" in capsys.readouterr().out
    assert _exit_code("data", "check", records, "--images", images, "-m", model, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_usable"] == 40
    assert found["unusable"] == []
    reader = checkpoints.load_processor(model)
    assert found["tokens"]["trained"] > 0
    assert found["tokens"]["longest"] <= reader.max_length


def test_bad_data_is_code_1_and_named(
    bad: Path, micro_world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert _exit_code("data", "check", bad, "--images", micro_world / "images") == 1
    said = capsys.readouterr().out
    assert "5 samples, 2 usable" in said
    for part in ("[/bold]", "[red]absent[/].png", "missing", "no turns", "nothing trained", "图[/x]"):
        assert part in said


def test_a_picture_that_never_comes_ends_the_look(
    micro_world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [record["image"] for record in micro.records(micro_world)]
    until = threading.Event()
    monkeypatch.setattr(pictures, "_read_file", reader(Path(shown[7]).name, until))
    records, images = micro_world / "instruct_train.json", micro_world / "images"
    try:
        assert _exit_code("data", "check", records, "--images", images, "--timeout", 2) == 1
    finally:
        until.set()
    last = capsys.readouterr().err.strip().splitlines()[-1]
    first = shown.index(shown[7])
    assert last.startswith(f"error: record {first} (from 0) or a picture of it did not come within 2 seconds")


def test_json_names_all_of_them(bad: Path, micro_world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("data", "check", bad, "--images", micro_world / "images", "--json") == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    found = json.loads(said.out)
    assert found["by_reason"] == {"missing": 1, "no turns": 1, "nothing trained": 1}
    assert [entry["id"] for entry in found["unusable"]] == ["[/bold]", "图[/x]\\ud800", "short_000004_zh"]


@pytest.mark.parametrize(("max_bad", "code"), [(None, 1), ("0.59", 1), ("0.6", 0), ("1", 0)])
def test_so_many_may_be_bad(
    bad: Path, micro_world: Path, capsys: pytest.CaptureFixture[str], max_bad: str | None, code: int
) -> None:
    """Three of five are."""
    options = [] if max_bad is None else ["--max-bad", max_bad]
    assert _exit_code("data", "check", bad, "--images", micro_world / "images", "--workers", "2", *options) == code
    said = capsys.readouterr()
    assert "5 samples, 2 usable" in said.out
    assert ("3 of 5 samples cannot be used, more than --max-bad" in said.err) == bool(code)


def test_a_torn_line_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    (tmp_path / "r.jsonl").write_text(json.dumps({"conversations": turns}) + '\n{"conv')
    assert _exit_code("data", "check", tmp_path / "r.jsonl") == 0
    said = capsys.readouterr()
    assert "1 samples, 1 usable" in said.out
    assert "line 2" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("check", "nowhere.json"), 1, "cannot read nowhere.json"),
        (("check", "."), 1, "is not a file"),
        (("check", "r.json", "--images", "nowhere"), 1, "nowhere does not exist"),
        (("check", "r.json", "-m", "nowhere"), 1, "nowhere"),
        (("check", "r.json", "--template", "plain"), 2, "-m"),
        (("check",), 2, "Missing argument"),
        (("show", "r.json", "--index", "1"), 2, "not among the 1 records"),
        (("show", "r.json", "--index", "-1"), 2, "not among the 1 records"),
        (("show", "none.json"), 1, "none.json holds no records"),
        (("scenes",), 2, "--out"),
        (("scenes", "--out", "w", "--num", "0"), 2, "--num"),
        (("scenes", "--out", "w", "--size", "1"), 1, "pixels"),
    ],
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
    Path("r.json").write_text('[{"conversations": []}]')
    Path("none.json").write_text("[]")
    assert _exit_code("data", *arguments) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


# ---- show ------------------------------------------------------------------------------------------------------------


def test_show_marks_what_is_trained(
    micro_world: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = micro.records(micro_world)[3]  # in English: pieces of Chinese are shown as bytes
    arguments = ("--images", micro_world / "images", "-m", model, "--index", 3, "--tiles", tmp_path / "tiles")
    assert _exit_code("data", "show", micro_world / "instruct_train.json", *arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"record {record['id']}: ")
    assert "[picture: 64 tokens]" in said
    answers = [turn["value"] for turn in record["conversations"] if turn["from"] == "gpt"]
    trained = [part.partition("+]")[0] for part in said.split("[+")[1:]]
    written = [part.replace("|", "").replace("Ġ", " ").replace("<im_end>", "") for part in trained]
    assert [text.removesuffix("<im_end>").partition("<")[0] for text in written] == answers
    assert len(trained) == len(answers)
    (tile,) = (tmp_path / "tiles").iterdir()
    with Image.open(tile) as picture:
        assert picture.size == (64, 64)
    assert f"saved {tile}" in said


@pytest.mark.parametrize("place", ["taken", "/proc/tiles"])
def test_tiles_that_cannot_be_saved_are_told_before_anything_is_shown(
    micro_world: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "taken").touch()
    arguments = ("--images", micro_world / "images", "-m", model, "--tiles", tmp_path / place)
    assert _exit_code("data", "show", micro_world / "instruct_train.json", *arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "cannot save tiles" in said.err


def test_show_with_another_template(micro_world: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--images", micro_world / "images", "-m", model, "--template", "plain")
    assert _exit_code("data", "show", micro_world / "align_train.json", *arguments) == 0
    said = capsys.readouterr().out
    assert "im_start" not in said
    assert said.count("[+") == 1


def test_show_takes_records_as_text(
    micro_world: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"from": "human", "value": "[/b] [red]?"}, {"from": "gpt", "value": "[/green]"}]
    (tmp_path / "r.json").write_text(json.dumps([{"id": "[/i]", "conversations": turns}]))
    assert _exit_code("data", "show", tmp_path / "r.json", "-m", model) == 0
    said = capsys.readouterr().out
    assert said.startswith("record [/i]: ")
    assert "[/" in said.replace("|", "").partition("\n")[2]


def test_show_of_a_bad_record_says_what_is_wrong(bad: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code("data", "show", bad, "-m", model, "--index", 3) == 1
    assert capsys.readouterr().err.startswith("error: 'conversations' must be a list")


# ---- scenes ----------------------------------------------------------------------------------------------------------


def test_scenes_draws_a_world_that_can_be_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--num", 5, "--num-val", 2, "--num-text", 2, "--size", 64, "--workers", 1)
    assert _exit_code("data", "scenes", "--out", tmp_path / "w", *asked) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'w'}\n"
    with Image.open(tmp_path / "w" / "images" / "train" / "000004.png") as picture:
        assert max(picture.size) == 64
    records, images = tmp_path / "w" / "instruct_train.json", tmp_path / "w" / "images"
    assert _exit_code("data", "check", records, "--images", images) == 0
