"""Answers as OpenAI's protocol writes them: whole, or as the events of a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chiasm.chat import Answer, FinishReason, Token, Usage

DONE = b"data: [DONE]\n\n"

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # `json.dumps` would make one for every piece

# What providers may say beside OpenAI's own words.
_NEVER = -9999.0  # what OpenAI's reference writes for tokens that are next to impossible
_FINISH: Mapping[FinishReason, str] = {"refusal": "content_filter", "unknown": "stop", "tool_calls": "stop"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to be written; all its events carry the same id and time. `tells_likely`: its tokens are wanted."""

    model: str
    include_usage: bool = False
    tells_likely: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))
    _around_text: tuple[bytes, bytes] = field(init=False)  # the same for every piece

    def __post_init__(self) -> None:
        before, empty, after = self._event({"content": ""}).partition(b'"content":""')
        object.__setattr__(self, "_around_text", (before + empty[:-2], after))

    def whole(self, answer: Answer) -> dict[str, object]:
        """A chat completion."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self._logprobs(answer.tokens),
            "finish_reason": _finish(answer.finish_reason),
        }
        whole = {**self._head("chat.completion"), "choices": [choice], "usage": usage(answer.usage)}
        return {**whole, **_unfamiliar(answer.unfamiliar)}

    def begin(self) -> bytes:
        """The event that opens a stream."""
        return self._event({"role": "assistant", "content": ""})

    def text(self, text: str, tokens: Sequence[Token] = ()) -> bytes:
        """The event of a piece of the answer."""
        if tokens:
            return self._event({"content": text}, tokens=tokens)
        before, after = self._around_text
        return before + _JSON.encode(text).encode("utf-8", "replace") + after

    def end(self, finish_reason: FinishReason, used: Usage, unfamiliar: Sequence[int] = ()) -> bytes:
        """The last events: why it ended, what it used where that was asked for, and the end of the stream."""
        events = self._event({}, _finish(finish_reason), more=_unfamiliar(unfamiliar))
        if self.include_usage:
            events += _sse({**self._head("chat.completion.chunk"), "choices": [], "usage": usage(used)})
        return events + DONE

    def _event(
        self,
        delta: Mapping[str, object],
        finish_reason: str | None = None,
        tokens: Sequence[Token] = (),
        more: Mapping[str, object] | None = None,
    ) -> bytes:
        logprobs = self._logprobs(tokens) if tokens else None
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        event: dict[str, object] = {**self._head("chat.completion.chunk"), "choices": [choice], **(more or {})}
        return _sse({**event, "usage": None} if self.include_usage else event)

    def _logprobs(self, tokens: Sequence[Token]) -> dict[str, object] | None:
        if not self.tells_likely:
            return None
        content = [{**_likely(t), "top_logprobs": [_likely(other) for other in t.likeliest]} for t in tokens]
        return {"content": content, "refusal": None}

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def failure(body: Mapping[str, object]) -> bytes:
    """The event of an error in the middle of a stream; nothing follows it."""
    return _sse(body)


def usage(used: Usage) -> dict[str, object]:
    """Tokens as OpenAI counts them."""
    return {
        "prompt_tokens": used.num_prompt,
        "completion_tokens": used.num_answer,
        "total_tokens": used.num_prompt + used.num_answer,
        "prompt_tokens_details": {"cached_tokens": used.num_cached},
    }


def model_card(name: str, created: int, *, looks: bool) -> dict[str, object]:
    """A model as /v1/models lists it; `looks`: it says where it looked, which our own clients are told."""
    card: dict[str, object] = {"id": name, "object": "model", "created": created, "owned_by": "chiasm"}
    return {**card, "chiasm": {"looks": True}} if looks else card


def _unfamiliar(pictures: Sequence[int]) -> dict[str, object]:
    """An extension: the pictures (0: the first) unlike those the model has learnt from. Absent where there is none."""
    return {"unfamiliar_pictures": list(pictures)} if pictures else {}


def _likely(token: Token) -> dict[str, object]:
    """A token as OpenAI writes it. Its text is a guess where it is part of a character; its bytes are exact."""
    value = max(token.log_probability, _NEVER)
    return {"token": token.content.decode("utf-8", "replace"), "logprob": value, "bytes": list(token.content)}


def _finish(reason: FinishReason) -> str:
    return _FINISH.get(reason, reason)


def _sse(event: Mapping[str, object]) -> bytes:
    return b"data: " + _JSON.encode(event).encode("utf-8", "replace") + b"\n\n"
