"""Answers held to schemas, and likelihoods, of many conversations at once and of models that answer one by one."""

from __future__ import annotations

import json

import pytest

from chiasm.backends import local_prompts
from chiasm.backends.local import LocalChatModel
from chiasm.chat import Sampling, collect
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from tests.backends.tiny import assistant

SCHEMA = json.dumps({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "maxItems": 2})
ASKED = [Conversation((user(f"Question {i}?"),)) for i in range(5)]

pytest.importorskip("llguidance")


def one_by_one() -> LocalChatModel:
    """A model whose attention cannot be shared out."""
    model = assistant()
    model._engine._shares = False
    model._together._stepper = model._engine.stepper(4, 4)
    return model


@pytest.mark.parametrize("model", [assistant, one_by_one])
def test_many_keep_to_a_schema_and_tell_their_likelihoods(model: object) -> None:
    made: LocalChatModel = model()  # type: ignore[operator]
    sampling = Sampling(max_tokens=30, json_schema=SCHEMA, num_likely=2)
    answers = sorted(made.answer_all(ASKED, sampling), key=lambda answer: answer.index)
    for asked, answer in zip(ASKED, answers, strict=True):
        assert set(json.loads(answer.text)) <= {"a", "b"}
        assert answer.finish_reason == "stop"
        assert len(answer.tokens) == answer.usage.num_answer
        assert b"".join(token.content for token in answer.tokens).decode() == answer.text
        assert all(len(token.likeliest) == 2 for token in answer.tokens)
        streamed = collect(made.stream(asked, sampling))
        assert (streamed.text, len(streamed.tokens)) == (answer.text, len(answer.tokens))
    assert all(answer.tokens == () for answer in made.answer_all(ASKED, Sampling(max_tokens=3)))


def test_a_schema_that_cannot_be_followed_to_its_end_is_an_error_of_its_own_answer() -> None:
    model = assistant()
    # Found by trying: within the bounds at its beginning, beyond them after the first brace.
    schema = json.dumps({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(1500)}})
    sampling = Sampling(max_tokens=8, json_schema=schema)
    with pytest.raises(UserError, match="too complex"):
        collect(model.stream(ASKED[0], sampling))
    with pytest.raises(UserError, match="too complex"):
        list(model.answer_all(ASKED[:1], sampling))
    with pytest.raises(local_prompts.UnansweredError, match="2 of 2"):
        list(model.answer_all(ASKED[:2], sampling))
    assert collect(model.stream(ASKED[0], Sampling(max_tokens=3))).text


def test_schemas_are_compiled_once_and_forgotten_in_the_end() -> None:
    model = assistant()
    for i in range(70):
        model.check_schema(json.dumps({"const": i}))
    assert len(model._json._grammars) == 64
    matcher = model._json._grammars[json.dumps({"const": 69})]
    model.check_schema(json.dumps({"const": 69}))
    assert model._json._grammars[json.dumps({"const": 69})] is matcher


@pytest.mark.parametrize("schema", ["", "3", "[1]", "{", '{"a":' * 2000])
def test_what_is_no_schema_is_refused(schema: str) -> None:
    with pytest.raises(UserError, match="the schema"):
        assistant().check_schema(schema)
