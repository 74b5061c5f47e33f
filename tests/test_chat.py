"""The port for whoever answers: its values and the one function that joins a stream."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chiasm.chat import Answer, ChatModel, Delta, Sampling, Usage, collect
from chiasm.conversation import Conversation


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"stop": ("a", "")},
        {"stop": "ab"},
        {"stop": (3,)},
    ],
)
def test_impossible_sampling_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Sampling(**wrong)


def test_the_limits_themselves_are_allowed() -> None:
    assert Sampling(max_tokens=1, temperature=0, top_p=1.0, stop=()).seed is None
    assert Sampling(top_p=1e-6, temperature=100).top_p == 1e-6


def test_a_stream_is_collected_up_to_its_last_delta() -> None:
    usage = Usage(num_prompt=5, num_cached=2, num_answer=3)

    def stream() -> Iterator[Delta]:
        yield Delta("A ")
        yield Delta("")
        yield Delta("dog", "stop", usage)
        raise AssertionError("nobody asks a finished stream for more")

    assert collect(stream(), 4) == Answer("A dog", "stop", usage, 4)


@pytest.mark.parametrize("deltas", [[], [Delta("A")], [Delta("A", "stop")]])
def test_a_stream_that_breaks_off_is_not_an_answer(deltas: list[Delta]) -> None:
    with pytest.raises(ValueError, match="ended without saying why"):
        collect(deltas)


def test_anything_with_both_calls_is_a_chat_model() -> None:
    class Echo:
        def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
            yield Delta(conversation.turns[-1].text, "stop", Usage(0, 0, 0))

        def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
            for index, conversation in enumerate(conversations):
                yield collect(self.stream(conversation, sampling), index)

    assert isinstance(Echo(), ChatModel)
    assert not isinstance(object(), ChatModel)
    asked = [Conversation(()).said("user", text) for text in ("a", "b")]
    assert [answer.text for answer in Echo().answer_all(asked, Sampling())] == ["a", "b"]


def test_the_port_and_templates_load_without_torch() -> None:
    code = "import sys, chiasm.chat, chiasm.conversation, chiasm.templates; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
