"""The commands of a conversation in the terminal, its files, and lines piped in."""

from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image as PillowImage

import chiasm
import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Delta, Sampling, Usage
from chiasm.cli import main
from chiasm.cli.kept_conversation import load, save
from chiasm.cli.repl import Repl
from chiasm.cli.token_counts import Counts, count
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PillowImage.new("RGB", (30, 20), "red").save("cat.jpg")
    PillowImage.new("RGB", (2, 2), "blue").save("my dog.png")


def typed(*lines: str | type[BaseException]) -> Callable[[str], str]:
    waiting = iter(lines)

    def read(_: str) -> str:
        line = next(waiting, EOFError)
        if isinstance(line, str):
            return line
        raise line

    return read


def talk(
    *lines: str, model: ScriptedChatModel | None = None, sampling: Sampling | None = None, **options: object
) -> Repl:
    model = model or ScriptedChatModel(["one", "two", "three", "four"])
    repl = Repl(model, sampling or Sampling(), read=typed(*lines), **options)  # type: ignore[arg-type]
    repl.run()
    return repl


def said(repl: Repl) -> list[str]:
    return [turn.text.strip() for turn in repl.conversation.turns]


# ---- commands --------------------------------------------------------------------------------------------------------


def test_retry_asks_the_last_question_again(capsys: pytest.CaptureFixture[str]) -> None:
    model = ScriptedChatModel(["one", "two", "three", "four"])
    repl = talk("a cat.jpg", "b", "/retry 0.7", "/image my dog.png", "/retry", "c", model=model)
    assert said(repl) == ["a", "one", "b", "four", "c", "one"]
    assert [sampling.temperature for _, sampling in model.asked] == [0, 0, 0.7, 0, 0]
    assert model.asked[1][0] == model.asked[2][0]
    # Asking again used none of the pictures that wait for the next question.
    assert [image.source for image in model.asked[-1][0].images] == ["cat.jpg", "my dog.png"]
    shown = capsys.readouterr()
    assert "/retry 0.7 draws another" in shown.out


def test_retry_with_a_seed_draws_another_answer() -> None:
    model = ScriptedChatModel(["x"])
    talk("a", "/retry", "/retry 0.5", model=model, sampling=Sampling(temperature=1.0, seed=7))
    assert [(s.seed, s.temperature) for _, s in model.asked] == [(7, 1.0), (8, 1.0), (9, 0.5)]


def test_undo_takes_back_a_question_with_its_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    repl = talk("a", "b cat.jpg", "/undo", "/undo", "/undo", "c")
    assert said(repl) == ["c", "three"]
    shown = capsys.readouterr()
    assert "(taken back: b and 1 of its pictures)" in shown.out
    assert shown.err == "error: nothing to take back: nothing was asked yet\n"


def test_system_stands_first_and_outlives_clear(capsys: pytest.CaptureFixture[str]) -> None:
    model = ScriptedChatModel(["x"])
    repl = talk("/system", "/system Be brief.", "a", "/system Be long.", "/clear", "b", "/system -", model=model)
    assert [asked.system for asked, _ in model.asked] == ["Be brief.", "Be long."]
    assert repl.conversation.system is None
    assert said(repl) == ["b", "x"]
    assert "as the template has it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/retry", "nothing to ask again"),
        ("/tokens", "nothing to count"),
        ("/save x.json", "nothing to save"),
        ("/load", "from where"),
        ("/load none.json", "cannot be read"),
        ("/load cat.jpg", "is not JSON"),
        ("/redo", "did you mean '/undo'"),
    ],
)
def test_a_command_that_cannot_be_done_is_one_line(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(talk(line, "hello")) == ["hello", "one"]
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_retry_wants_a_temperature(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(talk("a", "/retry warm", "/retry -1", "/retry nan")) == ["a", "one"]
    assert capsys.readouterr().err.count("/retry takes a temperature between 0 and 100") == 3


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    talk("/help")
    shown = capsys.readouterr().out
    for command in ["/image", "/retry", "/undo", "/system", "/clear", "/tokens", "/save", "/load", "/help", "/quit"]:
        assert f"\n  {command}" in f"\n{shown}"


def test_tokens_as_a_server_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    talk("/image cat.jpg", "/tokens", "two words", "/tokens")
    shown = capsys.readouterr().out
    assert "has not counted anything yet" in shown
    assert "counted 2 tokens of prompt and 1 of answer" in shown


def test_tokens_of_a_local_model_are_those_of_its_prompt() -> None:
    from tests.backends.tiny import assistant

    model = assistant()
    asked = Conversation((user("What is <image> this?", ["cat.jpg", "my dog.png"]),))
    (answer,) = model.answer_all([asked], Sampling(max_tokens=1))
    counts = count(model, asked)
    assert counts is not None
    assert len(counts.pictures) == 2
    assert counts.text + sum(counts.pictures) == answer.usage.num_prompt
    without = count(model, Conversation((user("What is <image> this?"),)))
    assert without is not None
    assert without.text == counts.text - 2  # the line ends behind the two pictures


def test_counts_for_people() -> None:
    assert Counts(1200, (576, 300), 4096).sentence() == (
        "2,076 tokens: text 1,200, pictures 876 (576 + 300); 2,020 of 4,096 are left"
    )
    assert Counts(10, (), None).sentence() == "10 tokens: text 10, pictures 0; the context has no bound"


# ---- addresses -------------------------------------------------------------------------------------------------------


def blue(_: str) -> bytes:
    return Path("my dog.png").read_bytes()


def test_an_address_is_fetched_after_asking_once_a_host(capsys: pytest.CaptureFixture[str]) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return blue(url)

    repl = talk(
        "what is https://a.b/x.png?", "y", "https://a.b/y.png ?", "no https://c.d/z.png", "", "/image https://c.d/q",
        fetch=fetch,
    )  # fmt: skip
    assert fetched == ["https://a.b/x.png", "https://a.b/y.png"]
    assert said(repl) == ["what is?", "one", "?", "two", "no https://c.d/z.png", "three"]
    assert [image.source for image in repl.conversation.images] == [blue("")] * 2
    assert "(attached x.png, 2 x 2)" in capsys.readouterr().out


def test_allowed_addresses_are_fetched_at_once_and_failures_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fetch(url: str) -> bytes:
        if "bad" in url:
            raise UserError("a.b/bad.png: the server answered 404")
        return b"<html>" if "page" in url else blue(url)

    model = ScriptedChatModel(["x"])
    talk("/image https://a.b/any", "https://a.b/bad.png ?", "https://a.b/page.png ?", "so?", model=model,
         allow_url=True, fetch=fetch)  # fmt: skip
    assert [len(asked.images) for asked, _ in model.asked] == [1]
    error = capsys.readouterr().err
    assert "answered 404" in error
    assert "not an image" in error


@pytest.mark.parametrize(
    "arguments", [["-a", "https://a.b/x.png", "what?"], ["--json", "-a", "https://a.b/x.png", "what?"]]
)
def test_an_address_as_an_option_needs_no_asking(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedChatModel(["x"])
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: model)
    monkeypatch.setattr("chiasm.cli.fetched_picture.fetch", blue)
    with pytest.raises(SystemExit):
        main(["chat", *arguments])
    assert [image.source for image in model.asked[0][0].images] == [blue("")]


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.json", "x.openai.json"])
def test_what_is_saved_is_loaded_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = talk("/system Be brief.", "what cat.jpg 'my dog.png'", "why?", f"/save {name}")
    model = ScriptedChatModel(["new"])
    second = talk(f"/load {name}", "and?", model=model)
    assert second.conversation.messages[:-2] == first.conversation.messages
    assert second.conversation.system == "Be brief."
    assert [image.source for image in model.asked[0][0].images] == ["cat.jpg", "my dog.png"]
    assert "(4 turns with 2 pictures)" in capsys.readouterr().out
    value = json.loads(Path(name).read_text("utf-8"))
    if "openai" in name:
        assert [message["role"] for message in value["messages"]] == ["system", *("user", "assistant") * 2]
    else:
        assert value[0]["image"] == ["cat.jpg", "my dog.png"]


@pytest.mark.parametrize("name", ["x.json", "x.openai.json"])
def test_fetched_pictures_are_put_beside_the_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    repl = talk(
        "what https://a.b/x.png", f"/save d/{name}", f"/save d/{name}", "/save d/x.md", allow_url=True, fetch=blue
    )
    assert sorted(path.name for path in Path("d").iterdir()) == sorted([name, "x-1.png", "x.md"])
    assert Path("d/x-1.png").read_bytes() == blue("")
    monkeypatch.chdir(tmp_path / "e")
    (tmp_path / "cat.jpg").rename("cat.jpg")
    conversation = Conversation((user("x", ["cat.jpg"]),)).said("assistant", "y")
    save(conversation, tmp_path / "e" / name, overwrite=False)
    monkeypatch.chdir(tmp_path)
    assert load(Path("e") / name).images[0].source == str(Path("e/cat.jpg"))  # found beside the file
    assert repl.conversation.images[0].source == blue("")


def test_a_marker_that_was_typed_goes_only_into_openai_messages(capsys: pytest.CaptureFixture[str]) -> None:
    repl = talk("what is <image> cat.jpg", "/save x.json", "/save x.openai.json", "/load x.openai.json")
    assert "the user typed <image>" in capsys.readouterr().err
    assert said(repl)[0] == "what is <image>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected one record"),
        ([{"conversations": []}, {"conversations": []}], "a list of 2 values"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "must alternate"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "turn 1 is the assistant's"),
        ([{"image": "none.jpg", "conversations": [{"from": "human", "value": "<image>\nx"}]}], "none.jpg: there is no"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.b/c.jpg"}}]}],
            "an address",
        ),
        ("text", "a str"),
    ],
)
def test_what_cannot_be_loaded_leaves_the_conversation_alone(
    content: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.json").write_text(json.dumps(content))
    assert said(talk("hello", "/load x.json")) == ["hello", "one"]
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_loaded_question_without_answer_is_asked_by_retry(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.json").write_text(json.dumps([{"role": "user", "content": "open"}]))
    assert said(talk("/load x.json", "more", "/retry", "more")) == ["open", "one", "more", "two"]
    assert "/retry asks it" in capsys.readouterr().err
    assert said(talk("/load x.json", "/undo", "more")) == ["more", "one"]


# ---- pictures on the screen ------------------------------------------------------------------------------------------


def test_an_attached_picture_is_shown_where_the_terminal_can(capsys: pytest.CaptureFixture[str]) -> None:
    talk("/image my dog.png", way="truecolor")
    cell = "\x1b[38;2;0;0;255m\x1b[48;2;0;0;255m▀▀\x1b[0m\n"
    assert cell + "(attached my dog.png, 2 x 2)" in capsys.readouterr().out
    talk("/image my dog.png")
    assert "\x1b" not in capsys.readouterr().out


_TALKER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.cli import main
chiasm.backends.open_model = lambda *_, **__: ScriptedChatModel(["evil \\x1b]0;title\\x07 \\u202etxt"])
main(["chat", *sys.argv[1:]])
"""


def in_terminal(arguments: list[str], keys: bytes) -> str:
    """What a terminal of 80 x 24 receives from `chiasm chat` while `keys` are typed."""
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1"}
    for name in ("KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "NO_COLOR", "CHIASM_PICTURES"):
        environment.pop(name, None)
    command = [sys.executable, "-c", _TALKER, str(Path(chiasm.__file__).parents[1]), *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as talker:
        os.close(theirs)
        os.write(ours, keys)
        received, end = b"", time.monotonic() + 30
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.5)[0]:
                continue
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not piece:
                break
            received += piece
        talker.wait(10)
    os.close(ours)
    return received.decode()


def test_in_a_real_terminal_pictures_are_shown_and_answers_command_nothing() -> None:
    shown = in_terminal([], b"'my dog.png' what?\n/quit\n")
    assert "\x1b[38;2;0;0;255m\x1b[48;2;0;0;255m▀▀\x1b[0m" in shown
    assert "evil ␛]0;title␇ <U+202E>txt" in shown
    assert "\x1b]0;" not in shown
    quiet = in_terminal(["--no-pictures"], b"'my dog.png' what?\n/quit\n")
    assert "attached my dog.png" in quiet
    assert "▀" not in quiet


# ---- piped in --------------------------------------------------------------------------------------------------------


def piped(text: str, model: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: model)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(SystemExit) as ended:
        main(["chat", "--json", *arguments])
    return int(ended.value.code or 0)


def test_every_line_piped_in_is_a_question(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    model = ScriptedChatModel(["evil \x1b[2J\x9b\u202e", "two"])
    lines = 'What is cat.jpg?\n\n{"question": "And\\nthis?", "images": ["my dog.png"]}\n'
    assert piped(lines, model, monkeypatch, "-a", "cat.jpg") == 0
    shown = capsys.readouterr().out
    first, second = map(json.loads, shown.splitlines())
    assert (first["question"], first["answer"]) == ("What is cat.jpg?", "evil \x1b[2J\x9b\u202e")
    assert second["images"] == ["my dog.png"]
    assert second["usage"] == {"num_prompt": 2, "num_cached": 0, "num_answer": 1}
    assert not set("\x1b\x9b\u202e") & set(shown)
    assert [[image.source for image in asked.images] for asked, _ in model.asked] == [
        ["cat.jpg"],
        ["cat.jpg", "my dog.png"],
    ]
    assert model.asked[0][0].messages[0].text.strip() == "What is cat.jpg?"


class Once(ScriptedChatModel):
    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        if "bad" in conversation.messages[0].text:
            raise UserError("too long")
        yield Delta("fine", "stop", Usage(1, 0, 1))


def test_a_question_without_answer_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = 'bad\n{"question": 1}\n{"question": "x", "image": "y"}\n{broken\ngood'
    assert piped(lines, Once([]), monkeypatch) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record.get("answer") for record in records] == [None, None, None, None, "fine"]
    assert records[0]["error"] == "too long"
    assert "unknown keys: image" in records[2]["error"]
    assert piped("\n\n", Once([]), monkeypatch) == 1
    assert "standard input is empty" in capsys.readouterr().err
