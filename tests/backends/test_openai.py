"""The HTTP backend against a real socket: what the rows TA of the fault list say must happen."""

from __future__ import annotations

import builtins
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chiasm.backends.openai import OpenAIChatModel
from chiasm.chat import Answer, AnswerError, ChatModel, Delta, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.dispatch import Account, Overloaded, Patience, Request, Unanswerable, dispatch
from chiasm.errors import UserError
from tests.hostile_teacher import HostileTeacher, Reply, answer_reply, error_reply, stream_reply

KEY = "sk-test-0123456789abcdef"
QUESTION = Conversation((user("how many cats are there"),))
HASTE = Patience(first_wait=0.001, longest_wait=0.002, seed=0)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHIASM_KEY_OVER_HTTP"):
        monkeypatch.delenv(name, raising=False)
    # A proxy must not stand between this machine and itself.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


def model(teacher: HostileTeacher, **options: Any) -> OpenAIChatModel:
    return OpenAIChatModel("m", **{"base_url": teacher.base_url, "api_key": KEY, "patience": HASTE, **options})


def ask(*script: Reply, **options: Any) -> Answer:
    with HostileTeacher(script=script) as teacher:
        return model(teacher, **options).ask(QUESTION, Sampling())


def failure(*script: Reply, **options: Any) -> AnswerError:
    """What `ask` raises, after one request and no more, without the key anywhere in it."""
    with HostileTeacher(script=script) as teacher, pytest.raises(AnswerError) as raised:
        model(teacher, **options).ask(QUESTION, Sampling())
    assert teacher.ledger().num_received == 1
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert "\n" not in str(raised.value)
    return raised.value


def test_a_question_and_its_answer() -> None:
    with HostileTeacher(share=0, answers=lambda messages: "two cats") as teacher:
        asked = model(teacher)
        assert isinstance(asked, ChatModel)
        sampling = Sampling(max_tokens=9, temperature=0.5, top_p=0.8, seed=3, stop=("#",))
        assert asked.ask(QUESTION, sampling) == Answer("two cats", "stop", Usage(5, 0, 2))
        headers, body = teacher.requests[0]
    sent = json.loads(body)
    assert {name: sent[name] for name in ("model", "max_tokens", "temperature", "top_p", "seed", "stop")} == {
        "model": "m",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.8,
        "seed": 3,
        "stop": ["#"],
    }
    assert headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent() -> None:
    with HostileTeacher(share=0) as teacher:
        model(teacher, api_key=None).ask(QUESTION, Sampling())
        assert "sk-" not in teacher.requests[0][0]["authorization"]


def test_openai_itself_gets_the_newer_name_of_the_limit() -> None:
    limits = [OpenAIChatModel("m", base_url=url, api_key=KEY)._limit_field for url in (None, "https://example.org/v1")]
    assert limits == ["max_completion_tokens", "max_tokens"]


# ---- one attempt, and what its failure says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (error_reply(429, "slow down", "rate_limit_exceeded"), Overloaded, "429: slow down"),
        (error_reply(500, "oh"), AnswerError, "500: oh"),
        (Reply(500, b""), AnswerError, "500: nothing more"),
        (Reply(503, b"<html><h1>Busy</h1></html>", {"Content-Type": "text/html"}), Overloaded, "503: Busy"),
        (error_reply(401, f"no such key: {KEY}", "invalid_api_key"), AnswerError, r"401: no such key: \[key\]"),
        (error_reply(402, "pay"), AnswerError, "402: pay"),
        (error_reply(404, "no model m", "model_not_found"), AnswerError, "404: no model m"),
        (error_reply(400, "too long", "context_length_exceeded"), Unanswerable, "400: too long"),
    ],
)
def test_statuses(reply: Reply, kind: type[AnswerError], message: str) -> None:
    found = failure(reply)
    assert type(found) is kind
    assert not found.billed
    with pytest.raises(AnswerError, match=message):
        raise found


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry_After": "2.5"}, 2.5), ({"retry_after_ms": "40"}, 0.04), ({"Retry_After": "-5"}, None), ({}, None)],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert failure(error_reply(429, "slow down", **headers)).retry_after == seconds


GOOD = answer_reply("two cats")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (replace(GOOD, body=GOOD.body[:60]), "60 bytes is not JSON"),
        (replace(GOOD, body=b""), "0 bytes is not JSON"),
        (replace(GOOD, body=b"<html>" + KEY.encode()), "not JSON; it begins with '<html>"),
        (replace(GOOD, body=b"\xff\xfe\xfd"), "not JSON"),
        (replace(GOOD, body=b"[" * 100_000), "not JSON"),
        (replace(GOOD, body=b"{}"), "no chat completion"),
        (replace(GOOD, cut=50), "no reply from http"),  # TA5: reset in the middle of the body
        (replace(GOOD, cut=0), "no reply from http"),
    ],
)
def test_a_broken_reply_may_have_been_billed(reply: Reply, message: str) -> None:
    found = failure(reply)
    assert (found.billed, found.permanent) == (True, False)
    with pytest.raises(AnswerError, match=message):
        raise found


def test_an_error_inside_a_reply_of_status_200() -> None:
    body = {"error": {"message": "upstream is busy", "code": 429}}
    found = failure(Reply(200, json.dumps(body).encode()))
    assert isinstance(found, Overloaded)
    assert found.billed


def test_a_server_that_hangs_or_drips_is_not_waited_for() -> None:
    for reply in (replace(GOOD, silence=0.5), replace(GOOD, drip=0.03)):
        begun = time.monotonic()
        found = failure(reply, timeout=0.15)
        assert time.monotonic() - begun < 0.45
        assert (found.billed, found.permanent) == (True, False)
        assert "0.15 seconds" in str(found)


def test_a_reply_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.backends.openai._LARGEST_REPLY", 1000)
    assert "longer than" in str(failure(answer_reply("x" * 5000)))


def test_nobody_there_costs_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(AnswerError, match=r"no reply from .*ConnectError") as raised:
        OpenAIChatModel("m", base_url=url).ask(QUESTION, Sampling())
    assert (raised.value.billed, raised.value.permanent) == (False, False)


def test_a_server_that_speaks_no_tls_costs_nothing() -> None:
    with HostileTeacher() as teacher:
        asked = OpenAIChatModel("m", base_url=teacher.base_url.replace("http:", "https:"))
        with pytest.raises(AnswerError, match="no reply from https") as raised:
            asked.ask(QUESTION, Sampling())
    assert not raised.value.billed


def test_a_host_without_name_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(AnswerError, match="Name or service not known") as raised:
        OpenAIChatModel("m", base_url="http://localhost:1/v1").ask(QUESTION, Sampling())
    assert not raised.value.billed


def test_redirects_are_not_followed() -> None:
    with HostileTeacher() as elsewhere:
        away = Reply(307, b"", {"Location": elsewhere.base_url + "/chat/completions"})
        found = failure(away)
        assert elsewhere.ledger().num_received == 0  # TA19
    assert found.permanent
    assert "redirect to http://127.0.0.1" in str(found)


def test_a_client_that_follows_redirects_is_misuse() -> None:
    import openai

    with openai.DefaultHttpxClient() as client, pytest.raises(ValueError, match="follow_redirects=False"):
        OpenAIChatModel("m", base_url="http://127.0.0.1:1/v1", http_client=client)
    with (
        openai.DefaultHttpxClient(follow_redirects=False, trust_env=False) as client,
        HostileTeacher(share=0) as teacher,
    ):
        assert model(teacher, http_client=client).ask(QUESTION, Sampling()).finish_reason == "stop"


def test_the_key_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with HostileTeacher(share=0) as teacher:
        asked = model(teacher)
        asked.ask(QUESTION, Sampling())
        assert repr(asked) == f"OpenAIChatModel('m', base_url='{teacher.base_url}')"
    assert KEY not in caplog.text


def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "openai":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"chiasm\[teach\]"):
        OpenAIChatModel("m", base_url="http://127.0.0.1:1/v1")


def test_a_model_without_a_name() -> None:
    with pytest.raises(UserError, match="openai:NAME"):
        OpenAIChatModel(" ", base_url="http://127.0.0.1:1/v1")


# ---- streams -----------------------------------------------------------------------------------------------------


def stream(reply: Reply) -> Iterator[Delta]:
    with HostileTeacher(script=[reply]) as teacher:
        yield from model(teacher).stream(QUESTION, Sampling())
        assert json.loads(teacher.requests[0][1])["stream_options"] == {"include_usage": True}


def sse(*events: object, end: bytes = b"data: [DONE]\n\n") -> Reply:
    data = b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n\r\n" for event in events)
    return Reply(200, b": hello\n\nevent: x\n" + data + end, {"Content-Type": "text/event-stream"})


def chunk(finish_reason: object = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"delta": delta, "finish_reason": finish_reason}]}


def test_a_stream_comes_piece_by_piece_and_ends_with_usage() -> None:
    deltas = list(stream(stream_reply(["two ", "cats", " and a 猫\u2028"])))
    assert [delta.text for delta in deltas] == ["two ", "cats", " and a 猫\u2028", ""]
    assert deltas[-1] == Delta("", "stop", Usage(10, 0, 5))
    assert all(delta.finish_reason is None for delta in deltas[:-1])


@pytest.mark.parametrize(
    ("reply", "text", "last"),
    [
        (sse(chunk(content="a"), chunk("length")), "a", Delta("", "length", Usage(0, 0, 0))),
        (sse(chunk(content="a")), "a", Delta("", "unknown", Usage(0, 0, 0))),
        (sse(chunk("stop", content="a"), end=b""), "a", Delta("", "stop", Usage(0, 0, 0))),
        (
            sse(chunk(refusal="I "), chunk(refusal="won't"), chunk("stop")),
            "I won't",
            Delta("", "refusal", Usage(0, 0, 0)),
        ),
        (
            sse({"choices": None}, {"choices": [3]}, chunk(content="\u2028猫")),
            "\u2028猫",
            Delta("", "unknown", Usage(0, 0, 0)),
        ),
        (
            sse(chunk("stop"), {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 1}}),
            "",
            Delta("", "stop", Usage(4, 0, 1)),
        ),
        (
            sse(end=b'data: {"choices": [{"delta": {"content": "no newline"}}]}'),
            "no newline",
            Delta("", "unknown", Usage(0, 0, 0)),
        ),
    ],
)
def test_streams(reply: Reply, text: str, last: Delta) -> None:
    deltas = list(stream(reply))
    assert "".join(delta.text for delta in deltas) == text
    assert deltas[-1] == last


def test_an_error_in_the_middle_of_a_stream() -> None:
    deltas = stream(sse(chunk(content="a"), {"error": {"message": "lost the model", "code": 503}}))
    assert next(deltas) == Delta("a")
    with pytest.raises(Overloaded, match="503: lost the model") as raised:
        next(deltas)
    assert raised.value.billed


@pytest.mark.parametrize("bad", [b"data: {cut\n\n", b"data: 3\n\n"])
def test_a_torn_event(bad: bytes) -> None:
    with pytest.raises(AnswerError, match="no JSON object"):
        list(stream(sse(chunk(content="a"), end=bad)))


def test_a_stream_that_breaks() -> None:
    whole = stream_reply(["two ", "cats"])
    with pytest.raises(AnswerError, match="no reply from") as raised:
        list(stream(replace(whole, cut=len(whole.body) - 30)))
    assert raised.value.billed


def test_closing_a_stream_closes_the_connection() -> None:
    before = threading.active_count()
    slow = replace(stream_reply(["word "] * 400), drip=0.0005)
    with HostileTeacher(script=[slow]) as teacher:
        deltas = model(teacher).stream(QUESTION, Sampling())
        assert next(deltas).text == "word "
        deltas.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 2
        while threading.active_count() > before + 1 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert threading.active_count() <= before + 1  # the server's thread saw the connection close


# ---- many --------------------------------------------------------------------------------------------------------


def questions(count: int) -> list[Conversation]:
    return [Conversation((user(f"question {i}"),)) for i in range(count)]


def test_all_answers_carry_the_index_of_their_question() -> None:
    with HostileTeacher(share=0, answers=lambda messages: f"re {messages[0]['content']}", delay=0.003) as teacher:
        answers = list(model(teacher).answer_all(questions(40), Sampling()))
    assert sorted(answer.index for answer in answers) == list(range(40))
    assert all(answer.text == f"re question {answer.index}" for answer in answers)


def test_a_misbehaving_server_still_answers_in_the_end() -> None:
    with HostileTeacher(seed=5, share=0.5) as teacher:
        answers = list(model(teacher).answer_all(questions(150), Sampling()))
        ledger = teacher.ledger()
    assert sorted(answer.index for answer in answers) == list(range(150))
    assert ledger.num_received > 150
    finish_reasons = {answer.finish_reason for answer in answers}
    assert {"stop", "length", "content_filter", "refusal"} <= finish_reasons


def test_what_runs_out_of_tries_is_unknown_and_what_is_filtered_says_so() -> None:
    replies = [error_reply(400, "flagged", "content_filter"), *[error_reply(500, "oh")] * 6, answer_reply("yes")]
    with HostileTeacher(script=replies) as teacher:
        answers = list(model(teacher, max_concurrent=1).answer_all(questions(2), Sampling()))
    assert answers == [Answer("", "content_filter", Usage(0, 0, 0), 0), Answer("", "unknown", Usage(0, 0, 0), 1)]


def test_a_permanent_failure_ends_it() -> None:
    with HostileTeacher(script=[answer_reply("yes"), error_reply(401, "expired", "invalid_api_key")]) as teacher:
        answers = model(teacher, max_concurrent=1).answer_all(questions(50), Sampling())
        assert next(answers).text == "yes"
        with pytest.raises(AnswerError, match="401: expired"):
            next(answers)
        assert teacher.ledger().num_received == 2


def test_our_bill_and_the_servers_ledger_agree() -> None:
    account = Account()
    with HostileTeacher(seed=7, share=0.4) as teacher:
        asked = model(teacher)
        requests = (Request(str(i), question, Sampling()) for i, question in enumerate(questions(200)))
        outcomes = list(dispatch(requests, asked.ask, account=account, journal=None, patience=HASTE))
        ledger, tally = teacher.ledger(), account.bill().tally
    assert len(outcomes) == 200
    assert tally.num_sent == ledger.num_received
    # Billed by the server: every reply, and the cut and broken ones, of which we cannot know.
    lost = ledger.by_what["cut JSON"] + ledger.by_what["broken connection"]
    assert (tally.num_lost, tally.num_replied) == (lost, ledger.num_billed - lost)
    assert tally.used.num_prompt <= ledger.num_prompt <= tally.used.num_prompt + tally.lost.num_prompt
    assert tally.used.num_answer <= ledger.num_answer <= tally.used.num_answer + tally.lost.num_answer
