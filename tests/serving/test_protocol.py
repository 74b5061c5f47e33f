"""The protocol as its own client speaks it, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.conversation import Image, Text
from tests.backends.tiny import assistant
from tests.serving.running import NAME, Running, data_url, png, question, running

TEXT = "Two cats sleep on a red sofa."


@pytest.fixture(scope="module")
def model() -> ScriptedChatModel:
    return ScriptedChatModel([TEXT])


@pytest.fixture(scope="module")
def server(model: ScriptedChatModel) -> Iterator[Running]:
    with running(model, count=lambda asked: (7, tuple(3 for _ in asked.images), 2048)) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_models_are_listed_and_found(client: OpenAI) -> None:
    (card,) = client.models.list().data
    assert (card.id, card.object, card.owned_by) == (NAME, "model", "chiasm")
    assert client.models.retrieve(NAME).id == NAME
    with pytest.raises(NotFoundError, match="the model here is 'tiny'"):
        client.models.retrieve("gpt-5")


def test_a_whole_answer(client: OpenAI) -> None:
    reply = client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "What is this?"}])
    (choice,) = reply.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", TEXT, "stop")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (3, 7, 10)
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 0
    assert reply.id.startswith("chatcmpl-")
    assert reply.model == NAME


def test_a_stream_has_one_end_and_says_what_it_used(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=NAME,
        messages=[{"role": "user", "content": "What is this?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [c.usage.total_tokens for c in chunks if c.usage] == [10]
    assert chunks[-1].choices == []
    assert len({c.id for c in chunks}) == 1


def test_the_bytes_of_a_stream(server: Running) -> None:
    status, headers, body = server.send(
        "POST", "/v1/chat/completions", json.dumps(question(stream=True)), {"Content-Type": "application/json"}
    )
    events = body.decode().split("\n\n")
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: ") for event in events[:-1])
    assert not any("usage" in event for event in events)


def test_a_stream_without_a_word_has_its_beginning_and_its_end() -> None:
    with running(ScriptedChatModel([""])) as silent:
        _, _, body = silent.send(
            "POST", "/v1/chat/completions", json.dumps(question(stream=True)), {"Content-Type": "application/json"}
        )
    *events, done, rest = body.decode().split("\n\n")
    choices = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert (done, rest) == ("data: [DONE]", "")
    assert [choice["delta"].get("role") for choice in choices] == ["assistant", None]
    assert [choice["finish_reason"] for choice in choices] == [None, "stop"]


def test_pictures_turns_and_sampling_arrive(client: OpenAI, model: ScriptedChatModel) -> None:
    first, second = png("red"), png("blue")
    client.chat.completions.create(
        model=NAME,
        messages=[
            {"role": "developer", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Compare </s> <image>"},
                    {"type": "image_url", "image_url": {"url": data_url(first), "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": data_url(second)}},
                ],
            },
            {"role": "assistant", "content": "One is red."},
            {"role": "user", "content": [{"type": "text", "text": "And the other?"}]},
        ],
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop=["sofa"],
        max_completion_tokens=5,
        max_tokens=99,
    )
    conversation, sampling = model.asked[-1]
    assert conversation.system == "Be short."
    assert [image.source for image in conversation.images] == [first, second]
    assert [m.role for m in conversation.turns] == ["user", "assistant", "user"]
    assert conversation.turns[0].parts[0] == Image(first)
    assert conversation.turns[0].parts[-1] == Text("\nCompare </s> <image>")
    assert (sampling.temperature, sampling.top_p, sampling.seed) == (0.5, 0.9, 3)
    assert (sampling.stop, sampling.max_tokens) == (("sofa",), 5)


def test_messages_of_the_user_in_a_row_are_one_turn(client: OpenAI, model: ScriptedChatModel) -> None:
    # How Gradio's load_chat writes a picture with a question; OpenAI's own models take it.
    shown: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": data_url(png())}}]
    messages = [{"role": "user", "content": shown}, {"role": "user", "content": "What is"}]
    client.chat.completions.create(model=NAME, messages=[*messages, {"role": "user", "content": "this?"}])  # type: ignore[misc,list-item]
    conversation, _ = model.asked[-1]
    (turn,) = conversation.messages
    assert isinstance(turn.parts[0], Image)
    assert turn.parts[1] == Text("\nWhat is\nthis?")


def test_without_bounds_the_servers_own_hold(server: Running, model: ScriptedChatModel) -> None:
    for fields in ({}, {"max_tokens": 10**12}, {"max_tokens": None, "stop": None, "temperature": None}):
        assert server.ask(question(**fields))[0] == 200
        assert model.asked[-1][1].max_tokens == 2048
        assert model.asked[-1][1].temperature == 0


def test_length_ends_an_answer(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "What?"}], max_tokens=2, n=1
    )
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("Two cats", "length")


def test_errors_are_the_clients_own(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(
            model=NAME,
            messages=[{"role": "user", "content": "What?"}],
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
        )
    assert caught.value.param == "response_format"
    assert "only text is supported" in str(caught.value)


def test_tokens_are_counted_before_sending(server: Running, model: ScriptedChatModel) -> None:
    before = len(model.asked)
    body = question("What?", data_url(png()), data_url(png("blue")))
    status, reply = server.ask(body, "/v1/chat/completions/tokens")
    assert status == 200
    assert reply == {
        "object": "chat.completion.tokens",
        "prompt_tokens": 7,
        "picture_tokens": [3, 3],
        "context_tokens": 2048,
    }
    assert len(model.asked) == before


def test_metrics_say_what_happened() -> None:
    with running(ScriptedChatModel([TEXT])) as server:
        server.ask(question())
        server.ask(question(temperature=9))
        lines = server.send("GET", "/metrics")[2].decode().splitlines()
    for line in (
        'chiasm_requests_total{route="/v1/chat/completions",status="200"} 1',
        'chiasm_requests_total{route="/v1/chat/completions",status="400"} 1',
        "chiasm_answer_tokens_total 7",
        "chiasm_prompt_tokens_total 3",
        "chiasm_time_to_first_token_seconds_count 1",
        "chiasm_running 0",
        "chiasm_waiting 0",
    ):
        assert line in lines
    assert any(line.startswith("chiasm_resident_memory_bytes ") for line in lines)


def test_a_local_model_answers_about_a_picture_and_reuses_it() -> None:
    local = assistant()
    url = data_url(png("green"))
    alone = local.answer("What is this?", images=[png("green")], max_tokens=12)
    with running(assistant()) as server:
        first = server.ask(question("What is this?", url, max_tokens=12))[1]
        second = server.ask(question("And what colour?", url, max_tokens=12))[1]
    assert first["choices"][0]["message"]["content"] == alone
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > len("A chat between")


def test_a_prompt_beyond_the_context_is_the_clients_fault() -> None:
    with running(assistant(num_positions=64)) as server:
        for stream in (False, True):
            status, reply = server.ask(question(stream=stream))
            assert (status, reply["error"]["code"]) == (400, "context_length_exceeded")
        assert server.server.desk.num_in == 0


def test_tools_that_are_offered_change_no_answer(server: Running) -> None:
    """A choice that is left to the model; interfaces offer theirs with every question."""
    alone = server.ask(question(max_tokens=8))
    offered = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    for choice in ({}, {"tool_choice": "auto"}, {"tool_choice": "none"}):
        status, reply = server.ask({**question(max_tokens=8), "tools": offered, **choice})
        assert (status, reply["choices"]) == (alone[0], alone[1]["choices"])
