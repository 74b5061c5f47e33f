"""Where the model looked, over HTTP; and pictures it is not familiar with, which answers tell."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from openai import OpenAI

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Delta, Glance, Heat, Looked, Sampling
from chiasm.conversation import Conversation
from chiasm.errors import UserError
from tests.backends.tiny import assistant
from tests.serving.running import NAME, Running, data_url, png, question, running

PATH = "/v1/chiasm/looked"
WIDE = Heat(1, 2, (0.25, 0.5))
HIGH = Heat(2, 1, (0.125, 0.0))
TOLD = Looked("一 dog", (), (Glance(0, 1, (WIDE, HIGH)), Glance(2, 5, (HIGH, WIDE))), (WIDE, HIGH))


class Wary(ScriptedChatModel):
    """Finds the second picture unfamiliar."""

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        for delta in super().stream(conversation, sampling):
            strange = (1,) if delta.finish_reason and len(conversation.images) > 1 else ()
            yield replace(delta, unfamiliar=strange)


def asked(**fields: Any) -> dict[str, Any]:
    return {**question("What?", data_url(png("red")), data_url(png("blue"))), "answer": "一 dog", **fields}


@pytest.fixture
def seen() -> list[tuple[Conversation, str]]:
    return []


@pytest.fixture
def server(seen: list[tuple[Conversation, str]]) -> Iterator[Running]:
    def look(conversation: Conversation, answer: str) -> Looked:
        seen.append((conversation, answer))
        if answer == "long":
            raise UserError("the conversation takes 9 tokens and this model's context holds 8")
        if answer == "fault":
            raise RuntimeError("secret")
        return TOLD

    with running(Wary(["A dog."]), look=look, max_running=1) as server:
        yield server


def test_words_and_maps(server: Running, seen: list[tuple[Conversation, str]]) -> None:
    status, reply = server.ask(asked(), PATH)
    assert status == 200
    assert reply == {
        "object": "chiasm.looked",
        "answer": "一 dog",
        "pictures": [{"rows": 1, "columns": 2}, {"rows": 2, "columns": 1}],
        "whole": [[0.25, 0.5], [0.125, 0.0]],
        "words": [
            {"start": 0, "end": 1, "text": "一", "heats": [[0.25, 0.5], [0.125, 0.0]]},
            {"start": 2, "end": 5, "text": "dog", "heats": [[0.125, 0.0], [0.25, 0.5]]},
        ],
    }
    ((conversation, answer),) = seen
    assert [image.source for image in conversation.images] == [png("red"), png("blue")]
    assert answer == "一 dog"


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"model": "gpt"}, 404, "the model here is 'tiny'"),
        ({"answer": None}, 400, "answer: input should be a valid string"),
        ({"answer": ""}, 400, "answer: string should have at least 1 character"),
        ({"answer": " \n"}, 400, "the answer is empty"),
        ({"answer": "\ud800"}, 400, "answer:"),
        ({"answer": "x" * 100_001}, 400, "at most 100000 characters"),
        ({"answer": "long"}, 400, "context holds 8"),
        ({"answer": "fault"}, 500, "the server failed"),
        ({"messages": []}, 400, "messages: list should have at least 1 item"),
        ({"messages": [{"role": "user", "content": "Hello"}]}, 400, "no picture"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 400, "the user's was expected"),
        (question("What?", "file:///etc/passwd"), 400, "pictures come as data URLs"),
        (question("What?", "data:image/png;base64,AAAA"), 400, "picture 1"),
    ],
)
def test_what_cannot_be_is_refused(server: Running, fields: dict[str, Any], status: int, says: str) -> None:
    found, reply = server.ask(asked(**fields), PATH)
    assert found == status
    assert says in reply["error"]["message"]
    assert "secret" not in json.dumps(reply)


def test_it_waits_its_turn_and_gives_the_slot_back() -> None:
    go, num = threading.Event(), [0]

    def look(_: Conversation, __: str) -> Looked:
        num[0] += 1
        assert go.wait(10)
        return TOLD

    with running(Wary(["A dog."]), look=look, max_running=1, max_waiting=1) as server:
        threads = [threading.Thread(target=server.ask, args=(asked(), PATH)) for _ in range(2)]
        for thread in threads:
            thread.start()
        server.wait_until(lambda: server.server.desk.num_in == 2 and num == [1])
        assert server.ask(asked(), PATH)[0] == 429
        go.set()
        for thread in threads:
            thread.join(10)
        server.wait_until(lambda: server.server.desk.num_in == 0)
        assert num == [2]


def test_a_server_that_cannot_tell_has_no_such_path() -> None:
    with running(ScriptedChatModel(["Hi"])) as server:
        assert server.ask(asked(), PATH)[0] == 404
        assert PATH not in json.loads(server.send("GET", "/openapi.json")[2])["paths"]
        assert "chiasm" not in json.loads(server.send("GET", "/v1/models")[2])["data"][0]


def test_models_and_document_say_that_it_can(server: Running) -> None:
    (card,) = json.loads(server.send("GET", "/v1/models")[2])["data"]
    assert card["chiasm"] == {"looks": True}
    document = json.loads(server.send("GET", "/openapi.json")[2])
    assert document["paths"][PATH]["post"]["operationId"] == "looked"
    assert document["components"]["schemas"]["LookedRequest"]["required"] == ["model", "messages", "answer"]


def test_a_key_is_needed_here_too() -> None:
    with running(Wary(["Hi"]), look=lambda *_: TOLD, keys=("open",)) as server:
        assert server.ask(asked(), PATH)[0] == 401
        assert server.ask(asked(), PATH, Authorization="Bearer open")[0] == 200


def test_answers_tell_unfamiliar_pictures_and_clients_do_not_mind(server: Running) -> None:
    body = question("What?", data_url(png("red")), data_url(png("blue")))
    status, whole = server.ask(body)
    assert (status, whole["unfamiliar_pictures"]) == (200, [1])
    kind = {"Content-Type": "application/json"}
    _, _, stream = server.send("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}), kind)
    chunks = [json.loads(line[6:]) for line in stream.decode().split("\n\n") if line and "[DONE]" not in line]
    assert [chunk["unfamiliar_pictures"] for chunk in chunks if "unfamiliar_pictures" in chunk] == [[1]]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert "unfamiliar_pictures" not in server.ask(question("What?", data_url(png())))[1]
    with OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as client:
        reply = client.chat.completions.create(model=NAME, messages=body["messages"])
        assert reply.choices[0].message.content == "A dog."
        assert (reply.model_extra or {})["unfamiliar_pictures"] == [1]


def test_a_real_model_tells() -> None:
    model = assistant()
    with running(model, look=model.looked) as server:
        status, reply = server.ask(asked(answer="A red cat."), PATH)
    assert status == 200
    assert [word["text"] for word in reply["words"]] == ["A", "red", "cat"]
    # Pictures of 40 x 30 in a padded square of 2 x 2 patches, 1.5 of them high.
    assert reply["pictures"] == [{"rows": 2, "columns": 2}] * 2
    assert all(len(heat) == 4 for word in reply["words"] for heat in word["heats"])
