"""The OpenAPI document: what the routes take and give, for people and for tools that make requests from it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chiasm.serving.looking import PATH, LookedRequest
from chiasm.serving.wire import ChatRequest
from chiasm.version import __version__

_REF = "#/components/schemas/{model}"
_STRING: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}


def document(model: str, *, keyed: bool, counts_tokens: bool, looks: bool) -> dict[str, Any]:
    """The document of a server of `model`; `keyed`: it wants a key, `looks`: it says where the model looked."""
    requests: list[type[BaseModel]] = [ChatRequest, LookedRequest] if looks else [ChatRequest]
    _, schemas = models_json_schema([(each, "validation") for each in requests], ref_template=_REF)
    components = {**schemas["$defs"], **_answers()}
    for asking in (components[each.__name__] for each in requests):
        named = {"const": model, "description": "The one model here; without it the answer is 404."}
        asking["properties"]["model"] = named
        asking["required"] = ["model", *asking["required"]]
    completion = {
        "200": {
            "description": "The answer, or the events of a stream of it",
            "content": {**_json("ChatCompletion"), "text/event-stream": {"schema": _event()}},
        }
    }
    body = {"required": True, "content": _json("ChatRequest")}
    paths: dict[str, Any] = {
        "/v1/chat/completions": {
            "post": {"operationId": "chat", "requestBody": body, "responses": completion | _errors(*_ASKING)}
        },
        "/v1/models": {"get": {"operationId": "models", "responses": _ok("ModelList") | _errors(400, 401)}},
        "/v1/models/{model}": {
            "get": {
                "operationId": "model",
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": _STRING}],
                "responses": _ok("Model") | _errors(400, 401, 404),
            }
        },
        "/health": {"get": {"operationId": "health", "responses": _ok("Health") | _named(503, "Health")}},
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "responses": {"200": {"description": "Prometheus text", "content": {"text/plain": {"schema": _STRING}}}}
                | _errors(400, 401),
            }
        },
    }
    if counts_tokens:
        paths["/v1/chat/completions/tokens"] = {
            "post": {
                "operationId": "tokens",
                "summary": "What a request would take, without an answer (an extension)",
                "requestBody": body,
                "responses": _ok("TokenCount") | _errors(*_ASKING),
            }
        }
    if looks:
        paths[PATH] = {
            "post": {
                "operationId": "looked",
                "summary": "Where the model looked for an answer (an extension)",
                "requestBody": {"required": True, "content": _json("LookedRequest")},
                "responses": _ok("Looked") | _errors(*_ASKING),
            }
        }
    if keyed:
        components_security = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in paths.items():
            if path != "/health":
                for operation in operations.values():
                    operation["security"] = [{"key": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "chiasm", "version": __version__, "description": "OpenAI's chat protocol, about pictures."},
        "paths": paths,
        "components": {"schemas": components, **({"securitySchemes": components_security} if keyed else {})},
    }


_UNFAMILIAR = (
    "An extension: pictures (0: the first) unlike those the model has learnt from. Absent where there are none."
)
_ASKING = (400, 401, 404, 408, 413, 415, 429, 500, 502, 503, 504)


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=name)}}}


def _event() -> dict[str, Any]:
    """An event of a stream, as tools read them: by its fields."""
    said = [{"$ref": _REF.format(model=name)} for name in ("ChatCompletionChunk", "Error")]
    piece = {**_STRING, "contentMediaType": "application/json", "contentSchema": {"anyOf": said}}
    about = "A piece of the answer, or an error, after which nothing comes. The last event is [DONE]."
    data = {"description": about, "anyOf": [{"const": "[DONE]"}, piece]}
    return {"type": "object", "properties": {"data": data}, "required": ["data"]}


def _ok(name: str) -> dict[str, Any]:
    return _named(200, name)


def _named(status: int, name: str) -> dict[str, Any]:
    return {str(status): {"description": name, "content": _json(name)}}


def _errors(*statuses: int) -> dict[str, Any]:
    return {key: value for status in statuses for key, value in _named(status, "Error").items()}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _answers() -> dict[str, Any]:
    """What is given back."""
    nullable: dict[str, Any] = {"type": ["string", "null"]}
    cached = _object(cached_tokens=_NUMBER)
    usage = _object(
        prompt_tokens=_NUMBER, completion_tokens=_NUMBER, total_tokens=_NUMBER, prompt_tokens_details=cached
    )
    message = _object(role={"const": "assistant"}, content=_STRING, refusal={"type": "null"})
    likely = {"token": _STRING, "logprob": {"type": "number"}, "bytes": {"type": "array", "items": _NUMBER}}
    token = _object(**likely, top_logprobs={"type": "array", "items": _object(**likely)})
    told = _object(content={"type": "array", "items": token}, refusal={"type": "null"})
    likelihoods, reasons = {"anyOf": [told, {"type": "null"}]}, ["stop", "length", "content_filter"]
    choice = _object(index=_NUMBER, message=message, logprobs=likelihoods, finish_reason={"enum": reasons})
    delta = {"type": "object", "properties": {"role": {"const": "assistant"}, "content": _STRING}, "required": []}
    piece = _object(index=_NUMBER, delta=delta, logprobs=likelihoods, finish_reason={"enum": [*reasons, None]})
    chunk = _object(
        id=_STRING,
        object={"const": "chat.completion.chunk"},
        created=_NUMBER,
        model=_STRING,
        choices={"type": "array", "items": piece, "maxItems": 1},
    )
    unfamiliar = {"type": "array", "items": _NUMBER, "minItems": 1, "description": _UNFAMILIAR}
    chunk["properties"]["unfamiliar_pictures"] = unfamiliar
    chunk["properties"]["usage"] = {"anyOf": [usage, {"type": "null"}]}
    whole = _object(
        id=_STRING,
        object={"const": "chat.completion"},
        created=_NUMBER,
        model=_STRING,
        choices={"type": "array", "items": choice, "minItems": 1, "maxItems": 1},
        usage=usage,
    )
    whole["properties"]["unfamiliar_pictures"] = unfamiliar
    card = _object(id=_STRING, object={"const": "model"}, created=_NUMBER, owned_by=_STRING)
    card["properties"]["chiasm"] = _object(looks={"const": True})
    heats = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    word = _object(start=_NUMBER, end=_NUMBER, text=_STRING, heats=heats)
    return {
        "Error": _object(error=_object(message=_STRING, type=_STRING, param=nullable, code=nullable)),
        "ChatCompletion": whole,
        "ChatCompletionChunk": chunk,
        "Looked": _object(
            object={"const": "chiasm.looked"},
            answer=_STRING,
            pictures={"type": "array", "items": _object(rows=_NUMBER, columns=_NUMBER)},
            whole=heats,
            words={"type": "array", "items": word},
        ),
        "Model": card,
        "ModelList": _object(object={"const": "list"}, data={"type": "array", "items": card}),
        "Health": _object(status={"enum": ["ok", "failing", "stopping"]}, running=_NUMBER, waiting=_NUMBER),
        "TokenCount": _object(
            object={"const": "chat.completion.tokens"},
            prompt_tokens=_NUMBER,
            picture_tokens={"type": "array", "items": _NUMBER},
            context_tokens={"type": ["integer", "null"]},
        ),
    }
