"""Requests made from the server's own OpenAPI document, good ones and spoilt ones: it answers as the document says.

The short version of `bench.documented`, without a tool for it: a generator and a checker of the part of JSON schema
that the document uses. Whatever it should come to use beyond that makes both fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chiasm.serving.looking import PATH
from tests.backends.tiny import assistant
from tests.serving.running import Running, data_url, png, question, running

ASK = "/v1/chat/completions"
Schema = dict[str, Any]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    model = assistant()
    abilities = {"count": model.prompt_tokens, "tells_likely": True, "check_schema": model.check_schema}
    with running(model, max_tokens=3, look=model.looked, **abilities) as server:
        yield server


@pytest.fixture(scope="module")
def document(server: Running) -> Schema:
    found: Schema = json.loads(server.send("GET", "/openapi.json")[2])
    return found


def resolved(schema: Schema, document: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def values(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    """JSON values a schema allows; sometimes spoilt somewhere."""
    return st.integers(0, 30).flatmap(lambda n: ANYTHING if n == 0 else _values(resolved(schema, document), document))


def _values(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([values(each, document) for each in schema[several]])
    kind = schema.get("type")
    if kind == "object":
        return _objects(schema, document)
    if kind == "array":
        most = min(schema.get("maxItems", 3), 3)
        items = values(schema["items"], document) if schema["items"] else ANYTHING
        return st.lists(items, min_size=min(schema.get("minItems", 0), most), max_size=most)
    if kind == "string" and "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    if kind == "integer":
        top = schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else schema.get("maximum")
        return st.integers(schema.get("minimum"), top)
    if kind == "number":
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        return st.floats(least, schema.get("maximum"), exclude_min="exclusiveMinimum" in schema)
    text = st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))
    return {"boolean": st.booleans(), "null": st.none(), "string": text}[str(kind)]


def _objects(schema: Schema, document: Schema) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        return st.dictionaries(st.text(), ANYTHING, max_size=min(schema.get("maxProperties", 3), 3))
    fields = {name: values(each, document) for name, each in schema["properties"].items()}
    needed = {name: fields.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=fields)


def check(value: object, schema: Schema, document: Schema, place: str = "") -> None:
    """Fail unless `value` is what `schema` says."""
    schema = resolved(schema, document)
    if "anyOf" in schema:
        for each in schema["anyOf"]:
            try:
                return check(value, each, document, place)
            except AssertionError as error:
                last = error
        raise last
    if "const" in schema or "enum" in schema:
        assert value in schema.get("enum", [schema.get("const")]), place
        return None
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    known: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
    assert any(value is None if kind == "null" else isinstance(value, known[kind]) for kind in kinds), (place, value)
    if isinstance(value, dict):
        assert set(schema["required"]) <= set(value) <= set(schema["properties"]), place
        for name, each in value.items():
            check(each, schema["properties"][name], document, f"{place}.{name}")
    elif isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), place
        for each in value:
            check(each, schema["items"], document, f"{place}[]")
    elif isinstance(value, int | float) and "minimum" in schema:
        assert value >= schema["minimum"], place
    return None


def check_reply(server: Running, document: Schema, method: str, path: str, body: object = None) -> int:
    """Send it; fail unless what comes back is in the document and no fault of the server."""
    content = None if body is None else json.dumps(body).encode()
    status, headers, reply = server.send(method, path, content, {"Content-Type": "application/json"})
    route = "/v1/models/{model}" if path.startswith("/v1/models/") else path
    said = document["paths"][route][method.lower()]["responses"]
    assert status < 500, reply
    assert str(status) in said, (status, reply)
    kind = headers["content-type"].partition(";")[0]
    assert kind in said[str(status)]["content"]
    if kind == "application/json":
        check(json.loads(reply), said[str(status)]["content"][kind]["schema"], document)
    if kind == "text/event-stream":
        check_events(reply, said[str(status)]["content"][kind]["schema"], document)
    return status


def check_events(reply: bytes, schema: Schema, document: Schema) -> None:
    *events, end = reply.decode().split("\n\n")
    assert (events[-1], end) == ("data: [DONE]", "")
    for event in events:
        check({"data": event.removeprefix("data: ")}, schema, document)
    piece = schema["properties"]["data"]["anyOf"][1]
    for event in events[:-1]:
        check(json.loads(event.removeprefix("data: ")), piece["contentSchema"], document)


def test_generated_requests_are_answered_as_documented(server: Running, document: Schema) -> None:
    seen = set()

    @settings(max_examples=80, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=values({"$ref": "#/ChatRequest"}, document), counts=st.booleans())
    @example(body=question(), counts=False)  # what is drawn depends on all modules that are loaded: a good one is rare
    def asked(body: object, counts: bool) -> None:
        seen.add(check_reply(server, document, "POST", f"{ASK}/tokens" if counts else ASK, body))

    asked()
    assert {200, 400} <= seen, seen


def test_generated_questions_where_it_looked_are_answered_as_documented(server: Running, document: Schema) -> None:
    @settings(max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(body=values({"$ref": "#/LookedRequest"}, document))
    def asked(body: object) -> None:
        check_reply(server, document, "POST", PATH, body)

    asked()
    body = {**question("What?", data_url(png()), data_url(png())), "answer": "A dog."}
    assert check_reply(server, document, "POST", PATH, body) == 200


def test_answers_of_every_kind_are_as_documented(server: Running, document: Schema) -> None:
    said = [{"role": "user", "content": "Hi"}]
    fields: list[Schema] = [{}, {"stream": True}, {"logprobs": True, "top_logprobs": 2}]
    fields.append({"response_format": {"type": "json_object"}, "logprobs": True, "stream": True})
    fields.append({"stream": True, "stream_options": {"include_usage": True}})
    for each in fields:
        assert check_reply(server, document, "POST", ASK, {"model": "tiny", "messages": said, **each}) == 200
    assert check_reply(server, document, "POST", ASK, {"model": "other", "messages": said}) == 404
    for path in ("/v1/models", "/v1/models/tiny", "/v1/models/x", "/health", "/metrics"):
        check_reply(server, document, "GET", path)


def test_the_checker_can_fail(document: Schema) -> None:
    error = {"$ref": "#/Error"}
    good = {"error": {"message": "x", "type": "y", "param": None, "code": None}}
    check(good, error, document)
    for bad in ({}, {"error": {}}, {"error": {**good["error"], "more": 1}}, {"error": {**good["error"], "param": 3}}):
        with pytest.raises(AssertionError):
            check(bad, error, document)
