"""`chiasm data mix` and `chiasm data show --page` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm.cli import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A [red]cat[/]."}]
    entries = [{"id": n, "image": f"{n}.png", "conversations": turns} for n in range(4)] + [{"id": "bad"}]
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    (tmp_path / "m.yaml").write_text("name: m\nsources:\n  mine: {source: records, files: mine.json}\n")
    return tmp_path


def test_mix_writes_and_tells(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "mix", "m.yaml", "--out", "o.jsonl", "--images", folder) == 0
    said = capsys.readouterr()
    assert "4 records, 4 with a picture, 4 pictures missing; 3 words in the middle" in said.out
    assert said.out.splitlines()[-2:] == ["o.card.md", "o.jsonl"]
    assert "note: mine: dropped 1 no turns" in said.err
    assert "o.dropped.jsonl" in said.err
    assert len((folder / "o.jsonl").read_text().splitlines()) == 4
    assert json.loads((folder / "o.card.json").read_text())["records"] == 4


def test_a_mixture_can_be_shown_and_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "mix", "llava_v15_mix665k", "--show") == 0
    (folder / "mine.yaml").write_text(capsys.readouterr().out)
    assert run("data", "mix", "mine.yaml", "--show", "--seed", 5) == 0
    said = capsys.readouterr().out
    assert "seed: 5" in said
    assert "count: 86417" in said


def test_the_seed_decides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 3)):
        assert run("data", "mix", "m.yaml", "--out", f"{name}.json", "--seed", seed) == 0
    a, b, c = ((folder / f"{name}.json").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("m.yaml",), 2, "--out"),
        (("m.yaml", "--out", "o.txt"), 1, "end it in .json"),
        (("m.yaml", "--out", "o.json", "--format", "jason"), 2, "did you mean 'json'"),
        (("m.yaml", "--out", "o", "--format", "wds"), 1, "--images"),
        (("m.yaml", "--out", "o.json", "--images", "nowhere"), 1, "nowhere does not exist"),
        (("m.yaml", "--out", "o.json", "--root", "nowhere"), 1, "nowhere/mine.json"),
        (("m.yaml", "--out", "mine.json/o.json"), 1, "could not be written"),
        (("m.yaml", "--out", "mine.json"), 1, "mine.json is read as source mine"),
        (("m.yaml", "--out", "./mine.json", "--format", "jsonl"), 1, "is read as source mine"),
        (("none.yaml", "--out", "o.json"), 1, "cannot read the mixture none.yaml"),
        (("llava_v15", "--out", "o.json"), 1, "did you mean 'llava_v15_mix665k'"),
        (("llava_v15_mix665k", "--out", "o.json"), 1, "gqa: no train_balanced_questions.json"),
        (("m.yaml", "--out", "o.json", "-m", "nowhere"), 1, "nowhere"),
        ((), 2, "Missing argument"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, says: str) -> None:
    assert run("data", "mix", *arguments) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


@pytest.mark.parametrize("verb", ["mix", "show"])
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", verb, "--help") == 0
    assert "Example:" in capsys.readouterr().out


def test_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "show", "mine.json", "--page", "p.html") == 0
    said = capsys.readouterr()
    assert said.out == "p.html\n"
    assert "5 records; 1 cannot be used" in said.err
    assert run("data", "show", "mine.json", "--page", "p.html", "--limit", 2) == 0
    assert "2 records of 5, at even distances" in capsys.readouterr().err
    assert (folder / "p.html").read_text("utf-8").startswith("<!doctype html>")
    assert run("data", "show", "mine.json", "--page", "p.html", "--tiles", "t") == 2
    assert run("data", "show", "mine.json", "--page", folder) == 1
    before = (folder / "mine.json").read_bytes()
    assert run("data", "show", "mine.json", "--page", folder / "mine.json") == 1
    assert (folder / "mine.json").read_bytes() == before
