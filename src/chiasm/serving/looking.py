"""Where the model looked for an answer, as an extension of the protocol: the request and what is said back.

A client sends the messages it sent, and the answer it got; nothing is kept here from one request to the next.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from chiasm.chat import Looked, Sampling
from chiasm.serving import wire
from chiasm.serving.faults import Refused

PATH = "/v1/chiasm/looked"
_LONGEST = 100_000  # characters of an answer; ours


class LookedRequest(wire.Read):
    """The body: a conversation that ends with the user, and the answer it got."""

    model: str | None = Field(None, description="A name of /v1/models. Required: without it the answer is 404.")
    messages: wire.Messages
    answer: Annotated[str, Field(min_length=1, max_length=_LONGEST, description="As the model gave it.")]


@dataclass(frozen=True, slots=True)
class AskedWhere:
    """A checked request: what was asked, and what was answered."""

    asked: wire.Asked
    answer: str


def parse(body: object) -> AskedWhere:
    """The request in a JSON value. Raises `Refused` naming a bad field."""
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    try:
        request = LookedRequest.model_validate(body)
    except ValidationError as error:
        raise wire.bad_field(error) from None
    except RecursionError:
        raise Refused(400, "the body is nested too deeply") from None
    if not request.answer.strip():
        raise Refused(400, "the answer is empty: nothing was looked at for it", param="answer")
    asked = wire.Asked(request.model, wire.conversation_of(request.messages), Sampling())
    if not asked.urls:
        raise Refused(400, "there is no picture in these messages to have looked at", param="messages")
    return AskedWhere(asked, request.answer)


def written(looked: Looked) -> bytes:
    """The reply: words by their characters in `answer`, and heats in the order of the pictures, row by row."""
    pictures = [{"rows": heat.rows, "columns": heat.columns} for heat in looked.whole]
    words = [
        {"start": w.start, "end": w.end, "text": looked.text[w.start : w.end], "heats": [h.shares for h in w.heats]}
        for w in looked.words
    ]
    reply = {
        "object": "chiasm.looked",
        "answer": looked.text,
        "pictures": pictures,
        "whole": [list(heat.shares) for heat in looked.whole],
        "words": words,
    }
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
