"""`chiasm describe` through the command line, with a scripted model."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image as PillowImage

import chiasm
import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, AnswerError, Sampling, Usage
from chiasm.cli import main
from chiasm.cli.describe_progress import Progress, duration
from chiasm.conversation import Conversation
from chiasm.errors import UserError


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for index, name in enumerate(("a.jpg", "b.png", "c.webp")):
        PillowImage.new("RGB", (30, 20), (index * 80, 0, 0)).save(Path("in") / name)


def name_of(conversation: Conversation) -> str:
    return f"about {Path(str(conversation.images[0].source)).name}"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    return use(ScriptedChatModel(name_of), monkeypatch)


def use(model: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: model)
    return model


def describe(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["describe", *arguments])
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def rows(path: str = "o.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_a_folder_to_a_file(model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe("in", "-o", "o.jsonl", "-m", "openai:x", "--style", "alt_text", "--language", "zh") == 0
    assert [(row["image"], row["text"]) for row in rows()] == [
        (f"in/{name}", f"about {name}") for name in ("a.jpg", "b.png", "c.webp")
    ]
    assert rows()[0] | {"prompt": ""} == {
        "image": "in/a.jpg",
        "text": "about a.jpg",
        "style": "alt-text",
        "language": "zh",
        "model": "openai:x",
        "prompt": "",
        "finish_reason": "stop",
    }
    asked, sampling = model.asked[0]
    assert asked.messages[0].text == f"\n{rows()[0]['prompt']}"
    assert sampling == Sampling(max_tokens=120)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "described 3 in " in shown.err
    assert "pictures/s" in shown.err


def test_the_same_command_goes_on(model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]) -> None:
    describe("in/b.png", "-o", "o.jsonl")
    assert describe("in", "-o", "o.jsonl") == 0
    assert "3 pictures, 1 of them already there" in capsys.readouterr().err
    assert describe("./in/", str(Path("in").absolute()), "-o", "o.jsonl") == 0
    assert [row["image"] for row in rows()] == ["in/b.png", "in/a.jpg", "in/c.webp"]
    assert len(model.asked) == 3


def test_another_style_in_the_same_file_is_refused(
    model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]
) -> None:
    describe("in", "-o", "o.csv")
    assert describe("in", "-o", "o.csv", "--style", "story") == 1
    assert "style was 'caption', now 'story'" in capsys.readouterr().err
    assert len(model.asked) == 3


def test_without_a_file_lines_go_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(ScriptedChatModel(["\x1b[2J\x9b \u202e#a"]), monkeypatch)
    assert describe("in/a.jpg", "-s", "social") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["text"] == "\x1b[2J\x9b \u202e#a"
    assert json.loads(shown)["tags"] == ["#a"]
    assert not set("\x1b\x9b\u202e") & set(shown)


def test_text_files_beside_the_pictures(model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in/b.txt").write_text("mine")
    assert describe("in", "--sidecar") == 0
    assert [Path(f"in/{name}.txt").read_text() for name in "abc"] == ["about a.jpg\n", "mine", "about c.webp\n"]
    assert "3 pictures, 1 of them already there" in capsys.readouterr().err
    assert describe(*map(str, sorted(Path("in").iterdir())), "--sidecar") == 0
    assert len(model.asked) == 2


def test_an_own_prompt(model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.txt").write_bytes("\ufeff  What is\nthis? 什么\n".encode())
    assert describe("in", "--prompt", "p.txt", "-o", "o.jsonl", "--max-tokens", "7", "--temperature", "1") == 0
    assert model.asked[0][0].messages[0].text == "\nWhat is\nthis? 什么"
    assert model.asked[0][1] == Sampling(max_tokens=7, temperature=1.0)
    assert (rows()[0]["style"], rows()[0]["prompt"]) == ("own", "What is\nthis? 什么")
    capsys.readouterr()
    Path("empty.txt").write_text(" \n")
    Path("bad.txt").write_bytes(b"caf\xe9")
    assert [describe("in", "--prompt", name) for name in ("empty.txt", "bad.txt", "none.txt")] == [1, 1, 1]
    said = capsys.readouterr().err
    assert all(word in said for word in ("0 characters", "not UTF-8 text (byte 3)", "No such file"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in", "--style", "captoin"], "did you mean 'caption'?"),
        (["in", "--language", "fr"], "known: en, zh"),
        (["in", "--sidecar", "-o", "o.jsonl"], "leave out one"),
        (["in", "--prompt", "p.txt", "--style", "tags"], "leave out --style"),
        ([], "PATHS"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe(*arguments) == 2
    assert said in capsys.readouterr().err


# ---- failures --------------------------------------------------------------------------------------------------------


def hostile() -> dict[str, str]:
    """Broken and hostile pictures by name, with the word each is counted under."""
    png = Path("in/b.png").read_bytes()
    huge = bytearray(png)
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    contents = {
        "empty.jpg": (b"", "empty"),
        "cut.png": (png[: len(png) // 2], "damaged"),
        "page.gif": (b"<!doctype html><html>", "not an image"),
        "wide.png": (bytes(huge), "too large"),
        "vector.png": (b"<svg xmlns=''></svg>", "format not allowed"),
        "evil\x1b[2J\n.jpg": (b"text", "not an image"),
    }
    for name, (content, _) in contents.items():
        (Path("in") / name).write_bytes(content)
    os.mkfifo("in/pipe.jpg")
    Path("in/dangling.jpg").symlink_to("nowhere")
    return {name: word for name, (_, word) in contents.items()} | {"pipe.jpg": "not a file", "dangling.jpg": "missing"}


def test_broken_pictures_are_listed_counted_and_stop_nothing(
    model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]
) -> None:
    words = hostile()
    assert describe("in", "-o", "o.jsonl") == 1
    failed = {Path(str(row["image"])).name: row["error"] for row in rows() if row["text"] is None}
    assert failed == words
    assert len(model.asked) == 3
    said = capsys.readouterr().err
    assert "described 3 in" in said
    assert "8 failed: not an image 2, " in said
    assert all(name in said for name in words if name.isprintable())
    assert "\x1b" not in said
    assert len(said.splitlines()) == 3 + len(words)
    before = sorted(map(str, rows()))
    assert describe("in", "-o", "o.jsonl") == 1  # tried again, still one row each
    assert sorted(map(str, rows())) == before
    assert describe("in", "-o", "o.csv") == 1
    with Path("o.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {Path(row["image"]).name: row["error"] for row in csv.DictReader(file) if row["error"]} == words
    assert describe("in", "--sidecar") == 1
    assert sorted(path.name for path in Path("in").glob("*.txt")) == ["a.txt", "b.txt", "c.txt"]


def test_only_broken_pictures_need_no_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: pytest.fail("the model was opened"))
    Path("x.jpg").write_bytes(b"no")
    assert describe("x.jpg", "-o", "o.jsonl") == 1
    assert "x.jpg: not an image" in capsys.readouterr().err


class Half(ScriptedChatModel):
    """As a local model does it: what cannot be answered is left out and told at the end."""

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        error = UserError("1 could not be answered")
        error.failures = {0: UserError("the conversation takes 9 tokens")}  # type: ignore[attr-defined]
        yield Answer("", "refusal", Usage(1, 0, 0), 1)
        raise error


def test_what_the_model_leaves_out_is_a_failure_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(Half([]), monkeypatch)
    assert describe("in", "-o", "o.jsonl") == 1
    assert [(row["image"], row["error"]) for row in rows()] == [
        ("in/b.png", "refused"),
        ("in/a.jpg", "not answerable"),
        ("in/c.webp", "no answer"),
    ]
    assert "in/a.jpg: the conversation takes 9 tokens" in capsys.readouterr().err


def test_an_empty_answer_is_no_description(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use(ScriptedChatModel([" , . "]), monkeypatch)
    assert describe("in/a.jpg", "-o", "o.jsonl", "-s", "tags") == 1
    assert rows()[0]["error"] == "empty answer"
    assert "empty answer 1" in capsys.readouterr().err


class WrongKey(ScriptedChatModel):
    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        yield Answer("one", "stop", Usage(1, 0, 1), 0)
        raise AnswerError("401: no such key", permanent=True)


def test_a_wrong_key_ends_the_run_and_keeps_what_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(WrongKey([]), monkeypatch)
    assert describe("in", "-o", "o.jsonl") == 1
    assert len(rows()) == 1
    said = capsys.readouterr().err
    assert "described 1 in" in said
    assert "error: 401: no such key" in said


def test_many_pictures_are_asked_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Counting(ScriptedChatModel):
        def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
            sizes.append(len(conversations))
            return reversed(list(super().answer_all(conversations, sampling)))  # type: ignore[return-value]

    use(Counting(name_of), monkeypatch)
    data = Path("in/b.png").read_bytes()
    for index in range(300):
        Path(f"in/{index:03}.png").write_bytes(data)
    assert describe("in", "-o", "o.jsonl") == 0
    assert sizes == [32, 256, 15]
    assert all(row["text"] == f"about {Path(str(row['image'])).name}" for row in rows())
    assert len(rows()) == 303


_SOURCE = str(Path(chiasm.__file__).parents[1])
_KILLED = """
import itertools, os, signal, sys
sys.path.insert(0, sys.argv.pop(1))
import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.cli import main

count = itertools.count(1)

def say(conversation):
    if next(count) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return 'a "quoted", text\\nof ' + str(conversation.images[0].source)

chiasm.backends.open_model = lambda *_, **__: ScriptedChatModel(say)
main(["describe", *sys.argv[2:]])
"""


@pytest.mark.parametrize("place", [["-o", "o.csv", "-s", "detail"], ["--sidecar", "-s", "detail"]])
def test_killed_it_goes_on(place: list[str]) -> None:
    for index in range(40):
        Path(f"in/{index:02}.png").write_bytes(Path("in/b.png").read_bytes())
    codes = [
        subprocess.run(
            [sys.executable, "-c", _KILLED, _SOURCE, str(at), "in", *place], check=False, timeout=60
        ).returncode
        for at in (30, 5, 99)
    ]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    if "--sidecar" in place:
        texts = [path.read_text() for path in Path("in").glob("*.txt")]
    else:
        with Path("o.csv").open(encoding="utf-8-sig", newline="") as file:
            texts = [row["text"] + "\n" for row in csv.DictReader(file)]
    pictures = [path for path in Path("in").iterdir() if path.suffix != ".txt"]
    assert sorted(texts) == sorted(f'a "quoted", text\nof {path}\n' for path in pictures)


def test_real_photographs(model: ScriptedChatModel, shared_data: Path) -> None:
    assert describe(str(shared_data / "coco" / "images" / "0000000000*.jpg"), "-o", "o.jsonl") == 0
    assert len(rows()) == len(list((shared_data / "coco" / "images").glob("0000000000*.jpg"))) > 1


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5300, "88 min"), (7500, "2 h 05 min")]
)
def test_time_left_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_in_a_pipe_a_line_now_and_then_tells_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 100.0, 110.0, 130.0, 131.0])  # made, begun, then one a picture
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with Progress(10) as progress:
        progress.begin()
        for _ in range(3):
            progress.advance()
    # After 110 s nothing: ten seconds are too soon. Two pictures took 30 s, so eight more take 120.
    assert capsys.readouterr().err == "2 of 10, about 2 min left\n"
