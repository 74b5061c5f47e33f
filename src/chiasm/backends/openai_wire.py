"""OpenAI's chat completions as they travel: the body of a request, a reply as an answer, a failure as an error.

Pure functions over JSON values, shared by the HTTP backend and by batch files. A reply is not trusted: fields may be
missing, null or of another type.
"""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from chiasm.chat import Answer, AnswerError, FinishReason, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.dispatch.failures import Overloaded, Unanswerable
from chiasm.errors import UserError

LimitField = Literal["max_tokens", "max_completion_tokens"]

UNKNOWN_USAGE = Usage(0, 0, 0)  # no reply has a prompt of no tokens, so a budget knows that nobody counted
_MOST_TOKENS = 10_000_000  # beyond any context: a count that cannot be; our choice
_LONGEST_MESSAGE = 300  # characters of a provider's message that are shown; our choice

_FINISH_REASONS: Mapping[object, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",  # the older form of the same
}
# Codes and types of OpenAI's errors that no second try can change (its guide to error codes).
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"}
_EVERY_REQUEST = {
    "invalid_api_key",
    "model_not_found",
    "unknown_parameter",
    "unknown_url",
    "unsupported_model",
    "unsupported_parameter",
    "unsupported_value",
}
_FILTERED = {"content_filter", "content_policy_violation"}
# Waiting for a model that may have worked all the same (RFC 9110; 520 to 524 are Cloudflare's).
_GATEWAY = {408, 502, 504, 520, 522, 524}
_OVERLOAD = {429, 503, 529}  # 529 is what some providers say for "overloaded"


def request_body(
    conversation: Conversation, sampling: Sampling, model: str, limit_field: LimitField = "max_tokens"
) -> dict[str, Any]:
    """The body that asks `model` for the answer to `conversation`. Raises `UserError` for a picture it cannot read."""
    body: dict[str, Any] = {"model": model, "messages": conversation.to_openai(), limit_field: sampling.max_tokens}
    body["temperature"] = sampling.temperature
    if sampling.top_p != 1:  # 1 is the default everywhere; some providers take only one of the two
        body["top_p"] = sampling.top_p
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.json_schema is not None:
        wanted = {"name": "answer", "schema": json.loads(sampling.json_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    if sampling.num_likely is not None:
        raise UserError("how likely tokens were is not read from replies of an API: leave num_likely out")
    return body


def answer_of(reply: object, index: int = 0) -> Answer:
    """The answer of a chat completion; raises `AnswerError` (billed) for a value that is none."""
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(reply, Mapping) or not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        raise AnswerError(f"the reply is JSON but no chat completion: {_shown(repr(reply))}", billed=True)
    text, refusal = text_of(message.get("content")), text_of(message.get("refusal"))
    finish_reason = finish_reason_of(choice.get("finish_reason"), refused=bool(refusal))
    return Answer(text or refusal, finish_reason, usage_of(reply.get("usage")), index)


def text_of(content: object) -> str:
    """The text of a message's content: a string, or a list of parts as some servers write it; else nothing."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def finish_reason_of(value: object, *, refused: bool = False) -> FinishReason:
    """Why the answer ended; "unknown" for what the protocol does not define."""
    if refused:
        return "refusal"
    return _FINISH_REASONS.get(value, "unknown") if isinstance(value, str) else "unknown"


def usage_of(value: object) -> Usage:
    """The tokens of a reply; `UNKNOWN_USAGE` where they are missing or cannot be."""
    if not isinstance(value, Mapping):
        return UNKNOWN_USAGE
    details = value.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    counts = [value.get("prompt_tokens"), 0 if cached is None else cached, value.get("completion_tokens")]
    whole = [c for c in counts if isinstance(c, int) and not isinstance(c, bool) and 0 <= c <= _MOST_TOKENS]
    if len(whole) < len(counts) or whole[1] > whole[0]:
        return UNKNOWN_USAGE
    return Usage(*whole)


def failure_of(
    status: int, body: object, *, retry_after: float | None = None, billed: bool = False, key: str | None = None
) -> AnswerError:
    """The error that a reply of `status` stands for; `body` is its JSON value, or its text where it is none.

    Wrong key, no credit, no such model or address: permanent. Wrong in this one request alone: `Unanswerable`.
    """
    error = body.get("error", body) if isinstance(body, Mapping) else body
    fields = error if isinstance(error, Mapping) else {}
    codes = (
        {fields.get("code"), fields.get("type")} if all(_is_word(fields.get(n)) for n in ("code", "type")) else set()
    )
    said = fields.get("message", fields.get("detail", error))
    # The key goes first: a message cut within it would show its beginning.
    text = _shown(without_key(said if isinstance(said, str) else json.dumps(said), key))
    message = f"the provider answered {status}: {text or 'nothing more'}"
    if codes & _NO_CREDIT or codes & _EVERY_REQUEST or status in (401, 402, 403, 405):
        return AnswerError(message, permanent=True)
    if status == 404:
        return AnswerError(
            f"{message} (is the model's name right, and the base URL, which often ends in /v1?)", permanent=True
        )
    if codes & _FILTERED:
        return Unanswerable(message, reason="content_filter")
    if status in _OVERLOAD:
        return Overloaded(message, retry_after=retry_after, billed=billed)
    if status in (409, 425) or status in _GATEWAY or status >= 500:
        return AnswerError(message, retry_after=retry_after, billed=billed or status in _GATEWAY)
    if 300 <= status < 400:
        return AnswerError(message, permanent=True)
    return Unanswerable(message) if 400 <= status < 500 else AnswerError(message, billed=True)


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long the provider asks to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date.

    None where nothing was asked or it is no time (negative, not a number). A date that is past is 0.
    """
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = (headers.get(name) or "").strip()
        if not value:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = math.nan if name.endswith("ms") else _seconds_until(value, now or datetime.now(UTC))
        if 0 <= seconds < math.inf:
            return seconds
    return None


def _seconds_until(date: str, now: datetime) -> float:
    try:
        then = email.utils.parsedate_to_datetime(date)
        return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return math.nan


def without_key(text: str, key: str | None) -> str:
    """`text` with the key, and whatever else looks like one, blotted out: providers repeat it in their messages."""
    if key:
        text = text.replace(key, "[key]")
    return re.sub(r"\b[sp]k-[\w*.-]{6,}|\bBearer \S+|[\w.-]*\*{3,}[\w.-]*", "[key]", text)


def _is_word(value: object) -> bool:
    return value is None or isinstance(value, str | int)


def _shown(text: str) -> str:
    """The beginning of a message, in one line, without the tags of an error page."""
    if text.lstrip()[:1] == "<":
        text = re.sub(r"<[^<>]*>", " ", text[:20_000])
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "..."
