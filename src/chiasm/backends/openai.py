"""Any server that speaks OpenAI's chat completions, asked over HTTP through the official SDK.

One call is one attempt: whether to try again, how many at once and what it may cost is `chiasm.dispatch`'s. It knows no
provider but OpenAI itself, whose own address takes the limit of an answer under its newer name.
"""

from __future__ import annotations

import contextlib
import json
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.backends.openai_access import OPENAI_URL, access
from chiasm.backends.openai_wire import (
    LimitField,
    answer_of,
    failure_of,
    finish_reason_of,
    request_body,
    retry_after_seconds,
    text_of,
    usage_of,
    without_key,
)
from chiasm.chat import Answer, AnswerError, Delta, FinishReason, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.dispatch import Account, Outcome, Patience, Request, dispatch
from chiasm.errors import UserError

_CONNECT_SECONDS = 10.0  # ours
_LARGEST_REPLY = 32 * 2**20  # bytes; ours. The longest answer is far below
# Names of httpx's exceptions (of either major version) after which nothing was sent.
_NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError"}


class OpenAIChatModel:
    """The model `name` of a server. Threads may share it.

    `base_url` and the key: see `chiasm.backends.openai_access.access`. `timeout` is how many seconds a whole answer may
    take, and a streamed one may be silent. `http_client` is handed to the SDK (for proxies, certificates); it must not
    follow redirects, which could carry the key elsewhere. `max_concurrent` and `patience` are for `answer_all`. Raises
    `UserError` without the SDK, or for an address or key that should not be used.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        api_key_file: str | Path | None = None,
        timeout: float = 300.0,
        http_client: Any = None,
        max_concurrent: int = 8,
        patience: Patience | None = None,
    ) -> None:
        if not name.strip():
            raise UserError("the name of the model is empty: it must look like openai:NAME, as the server calls it")
        try:
            import openai
        except ImportError as error:
            raise UserError(
                f"asking a server needs the Python package openai ({error}). Install it: pip install 'chiasm[teach]'"
            ) from None
        found = access(base_url, api_key, api_key_file)
        self.name, self.base_url = name, found.base_url
        self._key, self._timeout, self._max_concurrent, self._patience = found.key, timeout, max_concurrent, patience
        self._limit_field: LimitField = "max_completion_tokens" if found.base_url == OPENAI_URL else "max_tokens"
        if http_client is None:
            # No proxy stands between this machine and itself.
            http_client = openai.DefaultHttpxClient(follow_redirects=False, trust_env=not found.on_this_machine)
            weakref.finalize(self, http_client.close)
        elif http_client.follow_redirects:
            raise ValueError(
                "http_client must be made with follow_redirects=False: a redirect could carry the key away"
            )
        self._sdk: Any = openai
        self._client: Any = openai.OpenAI(
            base_url=found.base_url,
            api_key=found.key or "none",  # the SDK insists on one; servers that need none ignore it
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            http_client=http_client,
        )

    def __repr__(self) -> str:
        return f"OpenAIChatModel({self.name!r}, base_url={self.base_url!r})"

    def ask(self, conversation: Conversation, sampling: Sampling) -> Answer:
        """The answer to the last user turn, by one HTTP request. Raises `AnswerError`, `UserError` if none was sent."""
        body = request_body(conversation, sampling, self.name, self._limit_field)
        with self._errors():
            deadline = time.monotonic() + self._timeout
            with self._client.chat.completions.with_streaming_response.create(**body) as response:
                data = self._whole(response, deadline)
                return self._answer(data, response.headers)

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        """The answer as the server sends it. Closing the iterator closes the connection. Raises `AnswerError`."""
        body = request_body(conversation, sampling, self.name, self._limit_field)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        finish_reason: FinishReason = "unknown"
        usage, refused = usage_of(None), False
        with (
            self._errors(),
            self._client.chat.completions.with_streaming_response.create(**body) as response,
        ):
            for event in _events(response.iter_bytes()):
                if event.get("error"):
                    raise self._failure(_status_in(event), event, response.headers)
                usage = usage_of(event["usage"]) if event.get("usage") else usage
                choices = event.get("choices")
                choice = choices[0] if isinstance(choices, list) and choices else {}
                delta = choice.get("delta") if isinstance(choice, Mapping) else None
                if isinstance(delta, Mapping):
                    refusal = text_of(delta.get("refusal"))
                    refused = refused or bool(refusal)
                    if text := text_of(delta.get("content")) or refusal:
                        yield Delta(text)
                if isinstance(choice, Mapping) and choice.get("finish_reason") is not None:
                    finish_reason = finish_reason_of(choice["finish_reason"], refused=refused)
        yield Delta("", "refusal" if refused else finish_reason, usage)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """Answers as they come, many asked at once and tried again as `chiasm.dispatch` does.

        What is not answered in the end comes as an empty text, "content_filter" or "unknown". Raises `AnswerError` for
        failures that asking again cannot help.
        """
        requests = (Request(str(i), conversation, sampling) for i, conversation in enumerate(conversations))
        outcomes = dispatch(
            requests,
            self.ask,
            account=Account(),
            journal=None,
            max_concurrent=self._max_concurrent,
            patience=self._patience,
        )
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                yield _answer_of_outcome(outcome)

    def _whole(self, response: Any, deadline: float) -> bytes:
        """The body of a reply, within the time and size allowed: a byte a second would otherwise never time out."""
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST_REPLY:
                raise AnswerError(f"the reply is longer than {_LARGEST_REPLY // 2**20} MiB", billed=True)
            if time.monotonic() > deadline:
                raise AnswerError(f"the reply was not whole after {self._timeout:g} seconds", billed=True)
        return b"".join(pieces)

    def _answer(self, data: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            reply = json.loads(data)
        except (ValueError, RecursionError):
            shown = without_key(" ".join(data[:2000].decode("utf-8", "replace").split()), self._key)[:60]
            raise AnswerError(
                f"the reply of {len(data)} bytes is not JSON; it begins with {shown!r}", billed=True
            ) from None
        if isinstance(reply, Mapping) and reply.get("error") and not reply.get("choices"):
            raise self._failure(_status_in(reply), reply, headers)
        return answer_of(reply)

    def _failure(self, status: int, body: object, headers: Mapping[str, str], *, billed: bool = True) -> AnswerError:
        retry_after = retry_after_seconds(headers)
        return failure_of(status, body, retry_after=retry_after, billed=billed, key=self._key)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """The SDK's exceptions as `AnswerError`, without the request (and its key) behind them."""
        sdk = self._sdk
        failure: AnswerError
        try:
            yield
            return
        except sdk.APIStatusError as error:
            body = error.body if error.body is not None else error.response.text
            if 300 <= error.status_code < 400:
                body = f"a redirect to {error.response.headers.get('location', 'nowhere')}, which is not followed"
            failure = self._failure(error.status_code, body, error.response.headers, billed=False)
        except sdk.APITimeoutError as error:
            billed = type(error.__cause__).__name__ not in _NOT_SENT
            failure = AnswerError(f"{self.base_url} did not answer in {self._timeout:g} seconds", billed=billed)
        except (sdk.APIError, OSError) as error:
            failure = self._broken(error.__cause__ or error)
        except Exception as error:
            # Reading the body, httpx's own exceptions come through; all of them descend from these two names.
            if not {"TransportError", "StreamError", "DecodingError"} & {kind.__name__ for kind in type(error).__mro__}:
                raise
            failure = self._broken(error)
        raise failure from None

    def _broken(self, error: BaseException) -> AnswerError:
        kind = type(error).__name__
        what = without_key(" ".join(str(error).split()), self._key) or "no reason given"
        return AnswerError(f"no reply from {self.base_url}: {kind}: {what}", billed=kind not in _NOT_SENT)


def _events(pieces: Iterator[bytes]) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of server-sent events, until [DONE] or the end. Raises `AnswerError` for what is none."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if (event := _event(line)) is None:
                continue
            if event == "[DONE]":
                return
            yield event
    if isinstance(event := _event(rest), Mapping):
        yield event


def _event(line: bytes) -> Mapping[str, Any] | Any:
    name, _, data = line.strip().partition(b":")
    data = data.strip()
    if name != b"data" or not data:
        return None
    if data == b"[DONE]":
        return "[DONE]"
    with contextlib.suppress(ValueError, RecursionError):
        event = json.loads(data)
        if isinstance(event, Mapping):
            return event
    raise AnswerError(f"the stream holds an event of {len(data)} bytes that is no JSON object", billed=True)


def _status_in(body: Mapping[str, Any]) -> int:
    """The HTTP status an error inside a reply of status 200 names, as gateways write it; 500 where it names none."""
    error = body.get("error")
    code = error.get("code", error.get("status")) if isinstance(error, Mapping) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _answer_of_outcome(outcome: Outcome) -> Answer:
    index = int(outcome.key)
    if outcome.answer is not None:
        return Answer(outcome.answer.text, outcome.answer.finish_reason, outcome.answer.usage, index)
    finish_reason: FinishReason = "content_filter" if outcome.reason == "content_filter" else "unknown"
    return Answer("", finish_reason, Usage(0, 0, 0), index)
