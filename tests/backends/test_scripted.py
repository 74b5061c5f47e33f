"""The scripted model keeps the port's promises."""

from __future__ import annotations

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import ChatModel, Sampling, collect
from chiasm.conversation import Conversation, user


def asked(text: str) -> Conversation:
    return Conversation((user(text),))


def test_is_a_chat_model_that_follows_its_script_over_and_over() -> None:
    model = ScriptedChatModel(["one answer", "another"])
    assert isinstance(model, ChatModel)
    answers = list(model.answer_all([asked("a"), asked("b"), asked("c")], Sampling()))
    assert [(a.text, a.finish_reason, a.index) for a in answers] == [
        ("one answer", "stop", 0),
        ("another", "stop", 1),
        ("one answer", "stop", 2),
    ]
    assert model.asked[1] == (asked("b"), Sampling())


def test_a_function_answers_what_it_is_asked() -> None:
    model = ScriptedChatModel(lambda conversation: conversation.messages[-1].text.upper())
    assert collect(model.stream(asked("so what"), Sampling())).text == "SO WHAT"


def test_length_and_stop_strings_end_an_answer() -> None:
    model = ScriptedChatModel(["one two three four"])
    cut = collect(model.stream(asked("?"), Sampling(max_tokens=2)))
    assert (cut.text, cut.finish_reason, cut.usage.num_answer) == ("one two", "length", 2)
    stopped = collect(model.stream(asked("?"), Sampling(stop=("thr",))))
    assert (stopped.text, stopped.finish_reason) == ("one two", "stop")
