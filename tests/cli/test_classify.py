"""`chiasm classify`: a table, JSON, several pictures, and what is wrong said in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from chiasm import bundled
from chiasm.cli import main
from tests.checkpoints import whole_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(whole_clip.write(tmp_path_factory.mktemp("classify") / "clip"))


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, colour in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (40, 30), colour).save(name)
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")


def classified(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["classify", *arguments])
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_a_table_of_labels_the_likeliest_first(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert classified("red.png", "dog", "猫猫猫", "a red car", "-m", clip) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [re.fullmatch(r"(.+?) +(\d+\.\d) %(?:  [█▏▎▍▌▋▊▉]+)?", line) for line in out.splitlines()]
    assert all(rows)
    shares = [float(row[2]) for row in rows if row]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert {row[1].strip() for row in rows if row} == {"dog", "猫猫猫", "a red car"}


def test_json_of_several_pictures_one_of_them_none(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = ("red.png", "dog", "cat", "-a", "broken.png", "-a", "blue.png")
    assert classified(*pictures, "-m", clip, "--json", "--template", "a photo of {}") == 1
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["image"], third["image"]) == ("red.png", "blue.png")
    assert first["label"] == first["labels"][0]["label"]
    assert {row["label"] for row in first["labels"]} == {"dog", "cat"}
    assert first["labels"] != third["labels"]
    assert sorted(second) == ["error", "image", "message"]
    assert second["error"] == "damaged"


def test_pictures_of_a_table_are_named_and_a_bad_one_is_passed_over(
    clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classified("nowhere.png", "dog", "cat", "-a", "blue.png", "-m", clip) == 1
    out, err = capsys.readouterr()
    assert "blue.png\n" in out
    assert "nowhere.png" not in out
    assert err == "error: nowhere.png: there is no such file\n"


def test_what_commands_a_terminal_is_shown(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert classified("red.png", "\x1b[31mdog", "c\nat" + "x" * 500, "-m", clip) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "␛[31mdog" in out
    assert max(map(len, out.splitlines())) < 110


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["red.png", "dog"], "1 label to choose from"),
        (["red.png", "dog", "dog"], "given twice"),
        (["red.png", "dog", "cat", "--template", "a photo"], "0 places for a label"),
        (["broken.png", "dog", "cat"], "broken.png"),
        (["red.png", "dog", "cat", "--device", "cuda:77"], "cuda:77"),
    ],
)
def test_what_is_wrong_is_one_line(
    clip: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classified(*arguments, "-m", clip) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_without_a_clip_of_its_own_it_says_what_to_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "__init__.py"))
    assert classified("red.png", "dog", "cat") == 1
    assert "Name a model with -m" in capsys.readouterr().err


def test_its_own_clip_is_taken_where_there_is_one(
    clip: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundled, "folder", lambda part: Path(clip))
    assert classified("red.png", "dog", "cat", "--json") == 0
    own = json.loads(capsys.readouterr().out)
    assert classified("red.png", "dog", "cat", "--json", "-m", clip) == 0
    assert json.loads(capsys.readouterr().out) == own
