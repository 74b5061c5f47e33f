"""Requests of OpenAI's chat protocol as values: every field is checked, what cannot be done is refused.

Fields nobody here knows are ignored and act on nothing (`chat_template`, `extra_body`, ...). It knows no pictures and
no HTTP: pictures stay the URLs they are, the guard turns them into bytes.

Source of the fields: OpenAI's API reference, "Create chat completion". Bounds without a source are ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from chiasm.chat import Sampling
from chiasm.conversation import Conversation, Image, Message, RecordError
from chiasm.serving.faults import Refused

_LARGEST_SEED = 2**63

# What is refused unless it asks for what happens anyway, and why.
_NOT_HERE = {
    "n": "one answer a request is all this server gives: leave n out, or set it to 1",
    "best_of": "one answer a request is all this server gives: leave best_of out, or set it to 1",
    "tool_choice": 'this model calls no tools: leave tool_choice out, or set it to "auto" or "none"',
    "presence_penalty": "penalties are not supported: leave presence_penalty out, or set it to 0",
    "frequency_penalty": "penalties are not supported: leave frequency_penalty out, or set it to 0",
    "logit_bias": "logit_bias is not supported: leave it out",
    "modalities": 'only text can be answered: leave modalities out, or set it to ["text"]',
}


class Read(BaseModel):
    """What is read from a client: of exactly its type, unknown fields ignored, never shown in an error."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class ImageUrl(Read):
    """Where a picture is: a data URL, or an address where those are allowed."""

    url: str = Field(min_length=1, description="data:image/...;base64,... or, where the server allows it, https://...")
    detail: Literal["auto", "low", "high"] | None = Field(None, description="Without effect: the model decides.")


class ImagePart(Read):
    """A picture in a turn."""

    type: Literal["image_url"]
    image_url: ImageUrl | Annotated[str, StringConstraints(min_length=1)]


class TextPart(Read):
    """Text in a turn."""

    type: Literal["text"]
    text: str


_SomeParts = Field(min_length=1, max_length=5000)


class System(Read):
    """Instructions for the whole conversation; the first message, if any."""

    role: Literal["system", "developer"]
    content: str | Annotated[list[TextPart], _SomeParts]


class User(Read):
    """A turn of the user."""

    role: Literal["user"]
    content: str | Annotated[list[Annotated[TextPart | ImagePart, Field(discriminator="type")]], _SomeParts]


class Assistant(Read):
    """A turn of the assistant."""

    role: Literal["assistant"]
    content: str | Annotated[list[TextPart], _SomeParts]


Turn = Annotated[System | User | Assistant, Field(discriminator="role")]
Messages = Annotated[list[Turn], Field(min_length=1, max_length=1000)]


class StreamOptions(Read):
    """Options of a stream."""

    include_usage: bool | None = None


class TextFormat(Read):
    """An answer in words."""

    type: Literal["text"]


class JsonObjectFormat(Read):
    """An answer that is a JSON object."""

    type: Literal["json_object"]


class JsonSchema(Read):
    """A JSON schema by its name. It is always kept to, `strict` or not."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Read):
    """An answer that is JSON by a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


_Stop = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
_Whole = Annotated[int, Field(ge=1)]
_Tools = Annotated[list[dict[str, Any]], Field(max_length=128)]


class ChatRequest(Read):
    """The body of a chat completion."""

    model: str | None = Field(None, description="A name of /v1/models. Required: without it the answer is 404.")
    messages: Messages
    max_tokens: _Whole | None = Field(None, description="The longest answer; never above the server's own bound.")
    max_completion_tokens: _Whole | None = Field(None, description="The newer name of max_tokens; goes before it.")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="0, which is also the default here, always takes the likeliest token."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-_LARGEST_SEED, lt=_LARGEST_SEED)] | None = None
    stop: _Stop | Annotated[list[_Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    best_of: Literal[1] | None = None
    logprobs: bool | None = Field(None, description="How likely each token of the answer was, where the model says.")
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = Field(
        None, description="With logprobs: so many of the likeliest tokens beside each."
    )
    response_format: Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None = (
        None
    )
    # Whoever offers tools leaves the choice to the model, and this one always answers in words.
    tools: _Tools | None = Field(None, description="What the model may call. It never does.")
    functions: _Tools | None = Field(None, description="The older name of tools.")
    tool_choice: Literal["none", "auto"] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=10)] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. Pictures in `conversation` are the URLs they came as."""

    model: str | None
    conversation: Conversation
    sampling: Sampling
    stream: bool = False
    include_usage: bool = False

    @property
    def urls(self) -> list[str]:
        """The pictures in reading order."""
        return [str(image.source) for image in self.conversation.images]


def parse(body: object, longest: int) -> Asked:
    """The request in a JSON value; answers get at most `longest` tokens. Raises `Refused` naming a bad field."""
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    try:
        request = ChatRequest.model_validate(body)
    except ValidationError as error:
        raise bad_field(error) from None
    except RecursionError:
        raise Refused(400, "the body is nested too deeply") from None
    if request.top_logprobs is not None and not request.logprobs:
        raise Refused(400, "top_logprobs needs logprobs: true", param="top_logprobs")
    if request.stream_options is not None and not request.stream:
        raise Refused(400, "stream_options needs stream: true", param="stream_options")
    return Asked(
        request.model,
        conversation_of(request.messages),
        _sampling(request, longest),
        bool(request.stream),
        bool(request.stream_options and request.stream_options.include_usage),
    )


def with_pictures(conversation: Conversation, pictures: list[bytes]) -> Conversation:
    """`conversation` with its pictures, in reading order, replaced by `pictures`."""
    waiting = iter(pictures)
    return Conversation(
        tuple(
            Message(m.role, tuple(Image(next(waiting)) if isinstance(part, Image) else part for part in m.parts))
            for m in conversation.messages
        )
    )


def _sampling(request: ChatRequest, longest: int) -> Sampling:
    wanted = request.max_completion_tokens or request.max_tokens or longest
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    for text in stop:
        _check_text(text, "stop")
    return Sampling(
        max_tokens=min(wanted, longest),
        temperature=request.temperature or 0.0,
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=request.seed,
        stop=tuple(stop),
        num_likely=request.top_logprobs or 0 if request.logprobs else None,
        json_schema=_schema(request.response_format),
    )


def _schema(wanted: TextFormat | JsonObjectFormat | JsonSchemaFormat | None) -> str | None:
    """The JSON schema of an answer's format, as JSON; None for words."""
    if isinstance(wanted, JsonObjectFormat):
        return '{"type": "object"}'
    return json.dumps(wanted.json_schema.schema_) if isinstance(wanted, JsonSchemaFormat) else None


def conversation_of(turns: Sequence[System | User | Assistant]) -> Conversation:
    """The conversation, by the one rule for OpenAI messages, its pictures the URLs they are. It ends with the user.

    Raises `Refused` for one that cannot be answered.
    """
    # Pictures go by a number meanwhile.
    urls: list[str] = []
    messages: list[dict[str, object]] = []
    for message in turns:
        role = "system" if message.role == "developer" else message.role
        content: list[dict[str, object]] = []
        for part in (
            [TextPart(type="text", text=message.content)] if isinstance(message.content, str) else message.content
        ):
            if isinstance(part, TextPart):
                content.append({"type": "text", "text": part.text})
            else:
                urls.append(part.image_url if isinstance(part.image_url, str) else part.image_url.url)
                content.append({"type": "image_url", "image_url": {"url": str(len(urls) - 1)}})
        before = messages[-1] if messages and role == "user" == messages[-1]["role"] else None
        if before is None:
            messages.append({"role": role, "content": content})
        else:
            # OpenAI's models take several messages of the user in a row, and Gradio sends each picture as one.
            before["content"] = [*cast("list[object]", before["content"]), {"type": "text", "text": "\n"}, *content]
    try:
        conversation = Conversation.from_openai(messages)
        conversation.check_turns()
    except RecordError as error:
        raise Refused(400, str(error), param="messages") from None
    if conversation.turns[-1].role != "user":
        raise Refused(400, "the last message is the assistant's: there is nothing to answer", param="messages")
    if not any(part_text.strip() for part_text in (conversation.turns[-1].text,)) and not conversation.turns[-1].images:
        raise Refused(400, "the last message is empty: there is nothing to answer", param="messages")
    return Conversation(
        tuple(
            Message(m.role, tuple(Image(urls[int(str(p.source))]) if isinstance(p, Image) else p for p in m.parts))
            for m in conversation.messages
        )
    )


def bad_field(error: ValidationError) -> Refused:
    """The most telling of pydantic's complaints as one of OpenAI's: of what may be this or that, the deepest."""
    complaints = error.errors(include_url=False, include_context=False, include_input=False)[:1000]
    top = str(complaints[0]["loc"][0]) if complaints[0]["loc"] else ""
    if top in _NOT_HERE:
        return Refused(400, _NOT_HERE[top], param=top, code="unsupported_value")
    found = max((c for c in complaints if str(c["loc"][:1]) == str(complaints[0]["loc"][:1])), key=_telling)
    # Of a union told apart by a word, that word is in the place too, in front of what may be a field of the same name.
    places = [
        p for p, after in zip(found["loc"], (*found["loc"][1:], None), strict=True) if _is_written(p) and p != after
    ]
    param = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in places).lstrip(".")
    message = f"{param or 'the body'}: {found['msg'][:1].lower()}{found['msg'][1:]}"
    return Refused(400, message, param=param or None, code="missing" if found["type"] == "missing" else "invalid_value")


def _telling(complaint: Any) -> tuple[int, bool]:
    return sum(map(_is_written, complaint["loc"])), complaint["type"] == "too_long"


def _is_written(place: int | str) -> bool:
    return isinstance(place, int) or place in _NAMES


# pydantic's places also name the branches of unions; these are the ones a client wrote.
_NAMES = frozenset(
    {
        *ChatRequest.model_fields,
        "answer",
        *("role", "content", "type", "text", "image_url", "url", "detail", "include_usage"),
        *("json_schema", "name", "schema", "description", "strict"),
    }
)


def _check_text(text: str, param: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(400, f"{param} holds half a surrogate pair, which no text can", param=param) from None
