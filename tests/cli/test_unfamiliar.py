"""Pictures unlike those a model has learnt from: what `chat` and `describe` say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, Delta, Sampling
from chiasm.cli import main
from chiasm.cli.repl import Repl
from chiasm.cli.speaking import unfamiliar_line
from chiasm.conversation import Conversation

LINE = "(this picture looks unlike the drawn pictures this small assistant has learnt from: take its answer as a guess)"


class Wary(ScriptedChatModel):
    """Knows no picture whose name begins with "photo"."""

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        for delta in super().stream(conversation, sampling):
            strange = tuple(i for i, each in enumerate(conversation.images) if "photo" in str(each.source))
            yield delta if delta.finish_reason is None else replace(delta, unfamiliar=strange)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        for answer in super().answer_all(conversations, sampling):
            strange = "photo" in str(conversations[answer.index].images[0].source)
            yield replace(answer, unfamiliar=(0,) if strange else ())


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("drawn.png", "photo.png"):
        Image.new("RGB", (9, 9), "red").save(name)
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: Wary(["A dog."]))


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert not ended.value.code


def test_one_question(capsys: pytest.CaptureFixture[str]) -> None:
    run("chat", "-a", "photo.png", "What?")
    assert capsys.readouterr() == ("A dog.\n", LINE + "\n")
    run("chat", "-a", "drawn.png", "What?")
    assert capsys.readouterr() == ("A dog.\n", "")
    run("chat", "--json", "-a", "drawn.png", "-a", "photo.png", "What?")
    assert json.loads(capsys.readouterr().out)["unfamiliar_pictures"] == [1]


def test_in_a_conversation_it_is_said_once_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*lines: str) -> list[int]:
        waiting = iter([*lines, "/quit"])
        counts = []

        def read(_: str) -> str:
            counts.append(capsys.readouterr().out.count("unlike the drawn"))
            return next(waiting)

        Repl(Wary(["A dog."]), Sampling(), read=read).run()
        return counts[1:]

    assert said("drawn.png What?", "photo.png What?", "And now?", "/clear", "photo.png What?") == [0, 1, 0, 0, 0]


def test_describe_counts_them_in_its_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    run("describe", "drawn.png", "photo.png", "-o", "out.jsonl")
    assert capsys.readouterr().err.splitlines()[-1].endswith("; 1 unlike what the model has learnt from")
    run("describe", "drawn.png", "-o", "other.jsonl")
    assert "unlike" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("unfamiliar", "num_pictures", "answer", "begins"),
    [
        ([0], 1, "", "(this picture looks unlike"),
        ([1], 2, "", "(picture 2 looks unlike"),
        ([0, 2], 3, "", "(pictures 1 and 3 look unlike"),
        ([0, 1, 2], 3, "", "(pictures 1, 2 and 3 look unlike"),
        ([0], 1, "一只狗。", "（这张图片不像"),
        ([2, 0], 3, "一只狗。", "（第 1、3 张图片不像"),
    ],
)
def test_the_line(unfamiliar: list[int], num_pictures: int, answer: str, begins: str) -> None:
    assert unfamiliar_line(unfamiliar, num_pictures, answer).startswith(begins)
