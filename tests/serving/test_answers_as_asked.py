"""Answers with the likelihoods of their tokens, and answers held to JSON, over a real connection."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from openai import BadRequestError, OpenAI

from chiasm.backends.local import LocalChatModel
from chiasm.backends.scripted import ScriptedChatModel
from tests.backends.tiny import assistant
from tests.serving.running import NAME, Running, question, running

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model() -> LocalChatModel:
    return assistant()


@pytest.fixture(scope="module")
def server(model: LocalChatModel) -> Iterator[Running]:
    with running(model, tells_likely=True, check_schema=model.check_schema, max_running=8) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as client:
        yield client


def by_schema(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def test_likelihoods_of_a_whole_answer(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "Hello"}], max_tokens=8, logprobs=True, top_logprobs=3
    )
    (choice,) = reply.choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content
    assert tokens is not None
    assert reply.usage is not None
    assert len(tokens) == reply.usage.completion_tokens == 8
    assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == choice.message.content
    for token in tokens:
        others = [other.logprob for other in token.top_logprobs]
        assert len(others) == 3
        assert others == sorted(others, reverse=True)
        # Greedy: what was chosen is the first of the likeliest.
        assert (token.token, token.logprob) == (token.top_logprobs[0].token, others[0])
        assert sum(map(math.exp, others)) < 1 + 1e-5


def test_likelihoods_are_those_of_the_model_whatever_the_temperature(client: OpenAI, model: LocalChatModel) -> None:
    reply = client.chat.completions.create(
        model=NAME,
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=6,
        logprobs=True,
        temperature=1.7,
        top_p=0.9,
        seed=3,
    )
    assert reply.choices[0].logprobs is not None
    tokens = reply.choices[0].logprobs.content
    assert tokens is not None
    assert [token.top_logprobs for token in tokens] == [[]] * 6
    # A second source: the plain forward of the whole text.
    from chiasm.conversation import Conversation, user

    prompt = model._writer.prompt(Conversation((user("Hello"),)), model._album)
    letters = {model._bytes.of(i): i for i in range(256)}
    answer = [letters[bytes(token.bytes or [])] for token in tokens]
    with torch.inference_mode():
        logits = model.model(torch.tensor([[*prompt.ids, *answer]])).logits[0, len(prompt.ids) - 1 : -1]
    expected = logits.log_softmax(-1).gather(-1, torch.tensor(answer)[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor([token.logprob for token in tokens]), expected, atol=1e-4, rtol=0)


def test_likelihoods_in_a_stream_go_with_their_text(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 6}
    whole = client.chat.completions.create(**asked, logprobs=True, top_logprobs=1).choices[0]
    chunks = [c.choices[0] for c in client.chat.completions.create(**asked, stream=True, logprobs=True, top_logprobs=1)]
    assert whole.logprobs is not None
    streamed = [token for c in chunks if c.logprobs for token in c.logprobs.content or []]
    assert whole.logprobs.content is not None
    assert [token.token for token in streamed] == [token.token for token in whole.logprobs.content]
    # What was computed for the first was there for the second: the same sums in another order.
    for one, other in zip(streamed, whole.logprobs.content, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-5)
        assert len(one.top_logprobs) == 1
    assert all(c.logprobs is not None for c in chunks if c.delta.content)


def test_no_token_of_a_stop_string_is_told(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 12}
    text = client.chat.completions.create(**asked).choices[0].message.content or ""
    stop = text[4:7]
    cut = text.index(stop)
    for stream in (False, True):
        reply: Any = client.chat.completions.create(**asked, stop=stop, logprobs=True, stream=stream)
        choices = [c.choices[0] for c in reply] if stream else [reply.choices[0]]
        told = "".join(token.token for c in choices if c.logprobs for token in c.logprobs.content)
        assert told == text[:cut]


def test_an_answer_keeps_to_its_schema(client: OpenAI) -> None:
    for stream in (False, True):
        reply: Any = client.chat.completions.create(
            model=NAME,
            messages=[{"role": "user", "content": "What do you see?"}],
            response_format=by_schema(SCHEMA),  # type: ignore[call-overload]
            stream=stream,
        )
        choices = [c.choices[0] for c in reply] if stream else [reply.choices[0]]
        text = "".join((c.delta.content or "") if stream else c.message.content for c in choices)
        said = json.loads(text)
        assert said["colour"] in ("red", "blue")
        assert 1 <= said["count"] <= 9
        assert choices[-1].finish_reason == "stop"


def test_answers_held_to_different_schemas_and_to_none_do_not_disturb_each_other(server: Running) -> None:
    numbers = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 3, "maxItems": 3}
    formats: list[Any] = [by_schema(SCHEMA), by_schema(numbers), {"type": "text"}, None]
    bodies = [question(f"Number {i}?", response_format=formats[i % 4], max_tokens=40) for i in range(16)]
    alone = [server.ask(body)[1]["choices"][0]["message"]["content"] for body in bodies]
    with ThreadPoolExecutor(8) as clients:
        beside = [reply["choices"][0]["message"]["content"] for _, reply in clients.map(server.ask, bodies)]
    assert beside == alone
    assert all(len(json.loads(text)) == 3 for text in beside[1::4])


def test_any_object_will_do_for_json_object(server: Running) -> None:
    reply = server.ask(question(response_format={"type": "json_object"}, max_tokens=60, temperature=1, seed=1))[1]
    (choice,) = reply["choices"]
    text = choice["message"]["content"]
    assert text.startswith("{")
    if choice["finish_reason"] == "stop":
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (by_schema({"type": "nothing of that kind"}), "response_format"),
        (by_schema({"$ref": "https://example.org/schema.json"}), "response_format"),
        (by_schema({"$ref": "file:///etc/passwd"}), "response_format"),
        (by_schema({"type": "string", "pattern": "(?=a)b"}), "response_format"),
        (by_schema({"type": "string", "description": "x" * 70_000}), "response_format"),
        (by_schema({"type": "string", "enum": ["\ud800"]}), "response_format"),
        (by_schema({"const": "x" * 2000}), "response_format"),
        (by_schema({"type": "integer", "multipleOf": 999_983}), "response_format"),
        (by_schema({"allOf": [{"type": "integer", "multipleOf": m} for m in (997, 991)]}), "response_format"),
        (by_schema({"type": "array", "uniqueItems": True}), "response_format"),
        (by_schema(json.loads('{"items":' * 300 + "{}" + "}" * 300)), "response_format"),
        (by_schema([]), "response_format.json_schema.schema"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}, "response_format.json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, "response_format.json_schema.schema"),
        ({"type": "xml"}, "response_format"),
        ("json", "response_format"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_schemas_that_cannot_be_kept_to_are_refused(server: Running, wanted: object, param: str) -> None:
    for stream in (False, True):
        begun = time.monotonic()
        status, reply = server.ask(question(response_format=wanted, stream=stream))
        assert (status, reply["error"]["param"]) == (400, param), reply
        assert time.monotonic() - begun < 2


def test_the_librarys_own_options_are_not_the_clients(server: Running) -> None:
    schema = {**SCHEMA, "x-guidance": {"whitespace_flexible": True, "item_separator": "!!"}}
    text = server.ask(question(response_format=by_schema(schema)))[1]["choices"][0]["message"]["content"]
    assert ", " in text
    assert "!!" not in text


@pytest.mark.parametrize("top", [21, -1, "3", 2.5, True])
def test_bounds_of_top_logprobs(server: Running, top: object) -> None:
    status, reply = server.ask(question(logprobs=True, top_logprobs=top))
    assert (status, reply["error"]["param"]) == (400, "top_logprobs")


def test_a_model_that_cannot_says_so() -> None:
    with (
        running(ScriptedChatModel(["Fine."])) as server,
        OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as client,
    ):
        asked: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "Hi"}]}
        for fields, param in (
            ({"logprobs": True}, "logprobs"),
            ({"response_format": by_schema({})}, "response_format"),
        ):
            with pytest.raises(BadRequestError) as caught:
                client.chat.completions.create(**asked, **fields)
            assert (caught.value.param, caught.value.code) == (param, "unsupported_value")


def test_without_the_library_a_schema_is_refused_in_one_line(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    status, reply = server.ask(question(response_format=by_schema({**SCHEMA, "title": "new"})))
    assert (status, reply["error"]["param"]) == (400, "response_format")
    assert "pip install 'chiasm[json]'" in reply["error"]["message"]
