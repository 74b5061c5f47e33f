"""What is asked and what became of it, as values; and a conversation's content as JSON and as a key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from chiasm.chat import Answer, Sampling
from chiasm.conversation import Conversation, Message, Text


@dataclass(frozen=True, slots=True)
class Request:
    """Something to ask. Requests of one `key` are one request: it is asked once and answered once."""

    key: str
    conversation: Conversation
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended.

    `reason` is "answered" with an `answer`; else "no answer" (every attempt failed; a later run asks again), "not sent"
    (it could not be written, such as a picture that cannot be read) or the word of an `Unanswerable` ("refused",
    "content_filter"; kept, never asked again), and `message` says more. `num_attempts` were made now: 0 means that
    the journal knew.
    """

    key: str
    answer: Answer | None
    reason: str
    message: str
    num_attempts: int


def content_key(conversation: Conversation, sampling: Sampling, *more: str) -> str:
    """64 hexadecimal digits that name what is asked: turns, pictures, sampling and whatever else `more` says.

    Pictures count by name when they are paths, so that a key never needs the disk.
    """
    how = asdict(sampling)
    for later in ("num_likely", "json_schema"):  # keys written before these were there stay as they are
        if how[later] is None:
            del how[later]
    content = [[said(message) for message in conversation.messages], how, more]
    return hashlib.sha256(_dumped(content)).hexdigest()


def said(message: Message) -> dict[str, Any]:
    """A turn as JSON, pictures by path or by the digest of their bytes."""
    parts = [
        {"text": part.text} if isinstance(part, Text) else {"image": _picture(part.source)} for part in message.parts
    ]
    return {"role": message.role, "parts": parts}


def said_digest(written: dict[str, Any]) -> str:
    """24 hexadecimal digits that name a turn as `said` wrote it."""
    return hashlib.blake2b(_dumped(written), digest_size=12).hexdigest()


def _picture(source: object) -> str:
    if isinstance(source, bytes):
        return f"sha256:{hashlib.sha256(source).hexdigest()}"
    # A picture held in memory has no name; it cannot be sent either, and whoever sends it will say so.
    return str(source) if hasattr(source, "__fspath__") or isinstance(source, str) else type(source).__name__


def _dumped(value: object) -> bytes:
    # Escaped, so that texts no UTF-8 can hold (lone surrogates) have a key as well.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
