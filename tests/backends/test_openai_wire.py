"""Requests, replies and failures of chat completions as values."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chiasm.backends.openai_wire import (
    UNKNOWN_USAGE,
    answer_of,
    failure_of,
    request_body,
    retry_after_seconds,
    usage_of,
    without_key,
)
from chiasm.chat import Answer, AnswerError, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.dispatch import Overloaded, Unanswerable
from chiasm.errors import UserError

KEY = "sk-proj-abcdefgh12345678"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
COUNTS = {"prompt_tokens": 5, "completion_tokens": 2}


def test_everything_of_the_sampling_is_sent() -> None:
    sampling = Sampling(max_tokens=7, temperature=0.3, top_p=0.9, seed=11, stop=("###", "\n"))
    assert request_body(Conversation((user("hi"),)), sampling, "some/model") == {
        "model": "some/model",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 7,
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": 11,
        "stop": ["###", "\n"],
    }


def test_defaults_are_left_to_the_server_and_the_limit_has_two_names() -> None:
    body = request_body(Conversation((user("hi"),)), Sampling(), "m", "max_completion_tokens")
    assert set(body) == {"model", "messages", "max_completion_tokens", "temperature"}


def test_pictures_travel_inside(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8picture")
    body = request_body(Conversation((user("what?", [tmp_path / "a.jpg"]),)), Sampling(), "m")
    assert body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9hwaWN0dXJl"}},
        {"type": "text", "text": "what?"},
    ]
    with pytest.raises(UserError, match="cannot read the picture"):
        request_body(Conversation((user("what?", [tmp_path / "b.jpg"]),)), Sampling(), "m")


def reply(content: object = "yes", finish_reason: object = "stop", usage: object = COUNTS, **message: object) -> object:
    return {"choices": [{"message": {"content": content, **message}, "finish_reason": finish_reason}], "usage": usage}


@pytest.mark.parametrize(
    ("value", "text", "finish_reason"),
    [
        (reply(), "yes", "stop"),
        (reply("ye", "length"), "ye", "length"),  # TA7
        (reply("", "content_filter"), "", "content_filter"),
        (reply(None, "tool_calls", tool_calls=[{}]), "", "tool_calls"),
        (reply(None, "function_call"), "", "tool_calls"),
        (reply("yes", None), "yes", "unknown"),
        (reply("yes", "eos"), "yes", "unknown"),
        (reply("yes", ["stop"]), "yes", "unknown"),
        (reply(None, "stop", refusal="I cannot help."), "I cannot help.", "refusal"),  # TA8
        (reply("", "content_filter", refusal="No."), "No.", "refusal"),
        (reply("yes", "stop", refusal=None), "yes", "stop"),
        (reply("yes", "stop", refusal=""), "yes", "stop"),
        (reply(None), "", "stop"),
        (reply([{"type": "text", "text": "a"}, {"type": "image"}, 3, {"text": "b"}]), "ab", "stop"),
        (reply({"text": "a"}), "", "stop"),
        (reply("\x00</s><image>\ud800"), "\x00</s><image>\ud800", "stop"),  # TA11
        (reply("x" * 10**6), "x" * 10**6, "stop"),
    ],
)
def test_replies(value: object, text: str, finish_reason: str) -> None:
    assert answer_of(value, 3) == Answer(text, finish_reason, Usage(5, 0, 2), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [None, [], "yes", 3, {}, {"choices": []}, {"choices": {}}, {"choices": [None]}, {"choices": [{"text": "old"}]}],
)
def test_what_is_no_reply_may_have_been_billed(value: object) -> None:
    with pytest.raises(AnswerError, match="no chat completion") as raised:
        answer_of(value)
    assert raised.value.billed
    assert not raised.value.permanent


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        (COUNTS, Usage(5, 0, 2)),
        ({**COUNTS, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 4, 2)),
        ({**COUNTS, "prompt_tokens_details": None}, Usage(5, 0, 2)),
        ({**COUNTS, "prompt_tokens_details": {"cached_tokens": None}}, Usage(5, 0, 2)),
        ({"prompt_tokens": 5, "completion_tokens": 0}, Usage(5, 0, 0)),
        # TA14: what cannot be is nobody's count
        (None, UNKNOWN_USAGE),
        ([], UNKNOWN_USAGE),
        ({}, UNKNOWN_USAGE),
        ({"prompt_tokens": 5}, UNKNOWN_USAGE),
        ({**COUNTS, "prompt_tokens": -5}, UNKNOWN_USAGE),
        ({**COUNTS, "completion_tokens": 10**12}, UNKNOWN_USAGE),
        ({**COUNTS, "completion_tokens": "2"}, UNKNOWN_USAGE),
        ({**COUNTS, "completion_tokens": 2.5}, UNKNOWN_USAGE),
        ({**COUNTS, "completion_tokens": True}, UNKNOWN_USAGE),
        ({**COUNTS, "prompt_tokens_details": {"cached_tokens": 6}}, UNKNOWN_USAGE),
        ({**COUNTS, "prompt_tokens_details": {"cached_tokens": -1}}, UNKNOWN_USAGE),
    ],
)
def test_usage(value: object, usage: Usage) -> None:
    assert usage_of(value) == usage


def error(message: str = "oh", code: object = None, kind: object = None) -> dict[str, object]:
    return {"error": {"message": message, "code": code, "type": kind}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "permanent", "billed"),
    [
        (401, error("bad key", "invalid_api_key"), AnswerError, True, False),
        (402, error("pay first"), AnswerError, True, False),  # TA4
        (403, error("not for you"), AnswerError, True, False),
        (404, error("no such model", "model_not_found"), AnswerError, True, False),
        (404, error("no such path"), AnswerError, True, False),
        (405, "", AnswerError, True, False),
        (429, error("no credit", "insufficient_quota"), AnswerError, True, False),  # TA4
        (429, error("no credit", None, "insufficient_quota"), AnswerError, True, False),
        (400, error("use max_completion_tokens", "unsupported_parameter"), AnswerError, True, False),
        (400, error("too long", "context_length_exceeded"), Unanswerable, True, False),
        (400, error("no"), Unanswerable, True, False),
        (413, "too large", Unanswerable, True, False),
        (422, {"detail": [{"msg": "bad"}]}, Unanswerable, True, False),
        (429, error("slow down", "rate_limit_exceeded"), Overloaded, False, False),
        (429, error("slow down", 429), Overloaded, False, False),
        (429, error("odd", ["x"]), Overloaded, False, False),
        (503, "<html>busy</html>", Overloaded, False, False),
        (529, error("overloaded"), Overloaded, False, False),
        (500, error("oh"), AnswerError, False, False),  # TA2
        (500, "", AnswerError, False, False),
        (500, None, AnswerError, False, False),
        (409, error("conflict"), AnswerError, False, False),
        (502, "<html>bad gateway</html>", AnswerError, False, True),
        (504, error("timeout"), AnswerError, False, True),
        (408, error("timeout"), AnswerError, False, True),
        (524, "", AnswerError, False, True),
        (307, "elsewhere", AnswerError, True, False),
    ],
)
def test_failures(status: int, body: object, kind: type, permanent: bool, billed: bool) -> None:
    failure = failure_of(status, body)
    assert type(failure) is kind
    assert (failure.permanent, failure.billed, failure.retry_after) == (permanent, billed, None)
    assert str(failure).startswith(f"the provider answered {status}: ")


def test_a_filtered_request_is_known_as_such() -> None:
    failure = failure_of(400, error("flagged", "content_policy_violation"))
    assert isinstance(failure, Unanswerable)
    assert failure.reason == "content_filter"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (error("line one\n  line two"), "line one line two"),
        ("<html><head><title>Busy</title></head><body>Come   back</body></html>", "Busy Come back"),
        ("", "nothing more"),
        ({"message": "flat"}, "flat"),
        ({"error": "text"}, "text"),
        ({"error": {"message": None}}, "null"),
        (error("x" * 1000), "x" * 300 + "..."),
        (error(f"Incorrect API key provided: {KEY}. Find yours"), "Incorrect API key provided: [key]. Find yours"),
        (error("Incorrect API key provided: sk-proj-********5678."), "Incorrect API key provided: [key]"),
        (error("x" * 290 + KEY), "x" * 290 + "[key]"),
        (error(f"header Bearer {KEY} refused"), "header [key] refused"),
    ],
)
def test_messages_are_one_line_and_hold_no_key(body: object, message: str) -> None:
    failure = str(failure_of(500, body, key=KEY))
    assert failure.removeprefix("the provider answered 500: ") == message


def test_a_key_of_any_form_is_blotted_out() -> None:
    assert without_key("you sent zzz9", "zzz9") == "you sent [key]"
    assert without_key("a risk-averse desk-top", None) == "a risk-averse desk-top"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),  # TA1
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2026 14:00:30 +0200"}, 30.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Thu, 99 Foo 2026 12:00:30 GMT"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "later", "retry-after": "2"}, 2.0),
        ({"retry-after-ms": "-1", "retry-after": "2"}, 2.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after_seconds(headers, NOW)
    assert found == seconds
    assert found is None or math.isfinite(found)
