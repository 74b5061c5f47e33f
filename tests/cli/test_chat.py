"""`chiasm chat`: one question from the command line, and a conversation with a scripted model."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image as PillowImage

import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, Delta, Sampling
from chiasm.cli import main
from chiasm.cli.repl import Repl
from chiasm.conversation import Conversation


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    PillowImage.new("RGB", (30, 20), "red").save("cat.jpg")
    PillowImage.new("RGB", (20, 20), "blue").save("my dog.png")
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff broken")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    scripted = ScriptedChatModel(["A red thing.", "Because it is."])
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: scripted)
    return scripted


def chat(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["chat", *arguments])
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


# ---- once ------------------------------------------------------------------------------------------------------------


def test_a_prompt_is_answered_on_standard_output(model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-a", "cat.jpg", "-a", "my dog.png", "--max-tokens", "9", "--temperature", "0.5", "--top-p", "0.9"]
    assert chat(*arguments, "--seed", "3", "What?") == 0
    assert capsys.readouterr() == ("A red thing.\n", "")
    ((asked, sampling),) = model.asked
    assert [image.source for image in asked.images] == ["cat.jpg", "my dog.png"]
    assert asked.messages[0].text == "\n\nWhat?"
    assert sampling == Sampling(max_tokens=9, temperature=0.5, top_p=0.9, seed=3)


@pytest.mark.usefixtures("model")
def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert chat("--json", "--max-tokens", "2", "What?") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["answer"] == "A red"
    assert answer["finish_reason"] == "length"
    assert answer["usage"] == {"num_prompt": 1, "num_cached": 0, "num_answer": 2}
    assert 0 <= answer["seconds_to_first_token"] <= answer["seconds"]


@pytest.mark.usefixtures("model")
def test_timing_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert chat("--timing", "What?") == 0
    shown = capsys.readouterr()
    assert shown.out == "A red thing.\n"
    assert "first token" in shown.err
    assert "0 of 1 prompt tokens cached" in shown.err


def test_a_piped_prompt(
    model: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("What is\nthis?\n"))
    assert chat() == 0
    assert capsys.readouterr().out == "A red thing.\n"
    assert model.asked[0][0].messages[0].text == "What is\nthis?"
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert chat() == 1
    assert "standard input is empty" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["nowhere.jpg", "broken.jpg", "."])
def test_a_bad_picture_is_one_line_before_the_model_is_loaded(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: pytest.fail("the model was loaded"))
    monkeypatch.setattr(sys, "stdin", Terminal())
    for question in (["What?"], []):
        assert chat("-a", name, *question) == 1
        shown = capsys.readouterr().err
        assert shown.startswith(f"error: {name}:")
        assert shown.count("\n") == 1


def test_json_needs_a_prompt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert chat("--json") == 2
    assert "--json" in capsys.readouterr().err


# ---- turn by turn ----------------------------------------------------------------------------------------------------


def typed(*lines: str | type[BaseException]) -> Callable[[str], str]:
    """What `input` would return or raise, then Ctrl-D."""
    waiting = iter(lines)

    def read(_: str) -> str:
        line = next(waiting, EOFError)
        if isinstance(line, str):
            return line
        raise line

    return read


def talk(model: object, *lines: str | type[BaseException], images: tuple[str, ...] = ()) -> Repl:
    repl = Repl(model, Sampling(), read=typed(*lines))  # type: ignore[arg-type]
    repl.run(images)
    return repl


def test_turns_and_pictures_add_up(model: ScriptedChatModel) -> None:
    talk(model, "what is cat.jpg", "", "why?", "'my dog.png'", "and this?", images=("my dog.png",))
    third = model.asked[2][0]
    assert [[image.source for image in turn.images] for turn in third.turns] == [
        ["my dog.png", "cat.jpg"],
        [],
        [],
        [],
        ["my dog.png"],
    ]
    assert [turn.text.strip() for turn in third.turns] == [
        "what is",
        "A red thing.",
        "why?",
        "Because it is.",
        "and this?",
    ]


def test_clear_and_quit(model: ScriptedChatModel) -> None:
    repl = talk(model, "one", "/image cat.jpg", "/clear", "two", "/quit", "three")
    assert [len(asked.turns) for asked, _ in model.asked] == [1, 1]
    assert not repl.conversation.images


def test_ctrl_c_at_the_prompt_goes_on(model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]) -> None:
    talk(model, KeyboardInterrupt, "hello")
    assert len(model.asked) == 1
    assert "Ctrl-D" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["/image nowhere.jpg", "/image broken.jpg", "what is broken.jpg", "/image", "/claer"])
def test_a_mistake_is_one_line_and_the_talk_goes_on(
    model: ScriptedChatModel, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    talk(model, line, "hello")
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert "A red thing." in shown.out
    assert [asked.messages[-1].text for asked, _ in model.asked] == ["hello"]


def test_what_is_no_file_is_sent_as_text_with_a_note(
    model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]
) -> None:
    talk(model, "have you seen nowhere.jpg?", "/usr/share/doc is what?")
    assert "no file nowhere.jpg" in capsys.readouterr().err
    assert model.asked[0][0].messages[0].text == "have you seen nowhere.jpg?"
    assert model.asked[1][0].turns[-1].text == "/usr/share/doc is what?"


class Interrupted(ScriptedChatModel):
    """Ctrl-C arrives after some words; `closed` says that the stream was."""

    def __init__(self, after: int) -> None:
        super().__init__(["one two three four"])
        self.after, self.closed = after, False

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        try:
            for count, delta in enumerate(super().stream(conversation, sampling)):
                if count == self.after:
                    raise KeyboardInterrupt
                yield delta
        finally:
            self.closed = True


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    model = Interrupted(after=2)
    repl = talk(model, "count", "go on")
    assert model.closed
    assert repl.conversation.turns[1].text == "one two"
    assert len(model.asked) == 2
    assert "what was said is kept" in capsys.readouterr().out


def test_ctrl_c_before_the_first_word_forgets_the_question_and_keeps_its_pictures() -> None:
    model = Interrupted(after=0)
    repl = talk(model, "count cat.jpg")
    assert repl.conversation.turns == ()
    model.after = 99
    repl._read = typed("again")
    repl.run()
    assert [image.source for image in model.asked[-1][0].images] == ["cat.jpg"]


def test_ctrl_c_in_a_one_shot_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: Interrupted(after=2))
    assert chat("count") == 130
    assert capsys.readouterr().out == "one two\n"


def test_save_writes_records_and_transcripts_and_overwrites_only_its_own(
    model: ScriptedChatModel, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.json").write_text("precious")
    repl = talk(model, "/save x.json", "what is cat.jpg", "/save x.json", "/save x.md", "why?", "/save x.json")
    (record,) = json.loads(Path("x.json").read_text("utf-8"))
    again = Conversation.from_llava(record)
    assert again.turns == repl.conversation.turns
    assert Path("x.md").read_text("utf-8") == (
        "**You**\n\n![picture](<cat.jpg>)\n\nwhat is\n\n**Assistant**\n\nA red thing.\n"
    )
    assert capsys.readouterr().err == "error: nothing to save yet: ask something first\n"
    talk(model, "hello", "/save mine.json", "/save x.txt", "/save", "/save no/such/folder/x.md")
    assert capsys.readouterr().err.count("error: ") == 4
    assert Path("mine.json").read_text() == "precious"


def test_an_answer_cannot_command_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    model, terminal = ScriptedChatModel(["a\x1b[2Jb\x9bc \u0939\u0948\u200d\td"]), Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    talk(model, "hello")
    assert "a␛[2Jb<U+009B>c \u0939\u0948\u200d\td" in terminal.getvalue()


def test_help_and_a_cut_answer_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    model = ScriptedChatModel(["one two three"])
    repl = Repl(model, Sampling(max_tokens=2), timing=True, read=typed("/help", "count"))
    repl.run()
    shown = capsys.readouterr()
    assert all(command in shown.out for command in ("/image", "/clear", "/save", "/help", "/quit"))
    assert "cut after 2 tokens" in shown.out
    assert "first token" in shown.err


def test_an_unanswerable_question_costs_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from chiasm.errors import UserError

    class Full(ScriptedChatModel):
        def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
            if len(self.asked) == 0:
                self.asked.append((conversation, sampling))
                raise UserError("too long")
            return super().stream(conversation, sampling)

        def answer_all(self, *_: object) -> Iterator[Answer]:
            raise NotImplementedError

    repl = talk(Full(["fine"]), "long", "short")
    assert [turn.text for turn in repl.conversation.turns] == ["short", "fine"]
    assert capsys.readouterr().err == "error: too long\n"
