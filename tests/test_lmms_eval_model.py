"""Inside lmms-eval: its base class and registry are stood in for as its version 0.7 has them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image as Pictures

import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, Ranking, Sampling, Usage
from chiasm.conversation import Conversation, Image
from chiasm.errors import UserError

RED, BLUE = Pictures.new("RGB", (4, 4), "red"), Pictures.new("RGB", (4, 4), "blue")


@dataclass
class Request:
    """lmms-eval's `Instance`, as models read it."""

    args: tuple[Any, ...]


class RankingModel(ScriptedChatModel):
    """Likes the longer of two options."""

    def rank_all(self, conversations: Sequence[Conversation], options: Sequence[Sequence[str]]) -> Iterator[Ranking]:
        for index in reversed(range(len(conversations))):
            lengths = tuple(len(option.split()) for option in options[index])
            yield Ranking(tuple(-1.0 if length == max(lengths) else -8.0 for length in lengths), lengths, index)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A model of lmms-eval around one of ours, as its evaluator makes it."""

    class Base:
        def __init__(self) -> None:
            self.task_dict: dict[str, Any] = {}

    @dataclass
    class GenerationResult:
        text: Any

    @dataclass(frozen=True)
    class ModelManifest:
        model_id: str
        simple_class_path: str | None = None
        chat_class_path: str | None = None
        aliases: tuple[str, ...] = ()

    for name, content in {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.instance": {"GenerationResult": GenerationResult},
        "lmms_eval.api.model": {"lmms": Base},
        "lmms_eval.models": {},
        "lmms_eval.models.registry_v2": {"ModelManifest": ModelManifest},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "chiasm.lmms_eval_model.model", raising=False)
    from chiasm.lmms_eval_model import manifest

    found = manifest()
    assert found.model_id == "chiasm"
    where, _, name = found.simple_class_path.rpartition(".")

    def made(model: object, **options: object) -> Any:
        opened: list[tuple[object, dict[str, object]]] = []

        def open_model(name: object, **how: object) -> object:
            opened.append((name, how))
            return model

        monkeypatch.setattr(chiasm.backends, "open_model", open_model)
        monkeypatch.delitem(sys.modules, where, raising=False)
        kind = getattr(importlib.import_module(where), name)
        assert issubclass(kind, Base)
        assert kind.is_simple
        asked = kind(**{"batch_size": 1, "max_batch_size": None, "device": "cpu", **options})
        asked.opened = opened
        asked.task_dict["t"] = {"test": [{"p": [RED], "a": "red"}, {"p": [RED, BLUE], "a": "blue"}, {"p": [], "a": ""}]}
        return asked

    return made


def request(context: str, second: object, doc_id: int = 0) -> Request:
    return Request((context, second, lambda doc: doc["p"], doc_id, "t", "test"))


def test_answers_come_in_order_by_each_tasks_settings(make: Callable[..., Any]) -> None:
    class Backwards(ScriptedChatModel):
        def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
            return iter(list(super().answer_all(conversations, sampling))[::-1])

    ours = Backwards(lambda each: f"about {each.turns[0].text.strip()}")
    model = make(ours, pretrained="some/where", dtype="float32")
    assert model.opened == [("some/where", {"dtype": "float32", "template": None, "base_url": None, "device": "cpu"})]
    short = {"max_new_tokens": 16, "temperature": 0, "top_p": None, "num_beams": 1, "do_sample": False}
    requests = [
        request("one", short),
        request("two", {"until": ["\n\n", ""], "temperature": 0.7, "top_p": 0.9}, 1),
        request("three", dict(short), 2),
    ]
    assert model.generate_until(requests) == ["about one", "about two", "about three"]
    assert [sampling for _, sampling in ours.asked] == [
        Sampling(max_tokens=16),
        Sampling(max_tokens=16),
        Sampling(max_tokens=1024, temperature=0.7, top_p=0.9, stop=("\n\n",)),
    ]
    first, third, second = (conversation for conversation, _ in ours.asked)
    assert [image.source for image in first.images] == [RED]
    assert first.turns[0].text == "\none"
    assert [image.source for image in second.images] == [RED, BLUE]
    assert third.images == ()


def test_pictures_stand_where_the_task_marks_them(make: Callable[..., Any]) -> None:
    ours = ScriptedChatModel(["yes"])
    make(ours).generate_until([request("Is <image> like <image>?", {}, 1), request("<image>\nWhat?", {})])
    parts = ours.asked[0][0].turns[0].parts
    said = [part.source if isinstance(part, Image) else part.text for part in parts]
    assert said == ["Is ", RED, " like ", BLUE, "?"]
    assert isinstance(ours.asked[1][0].turns[0].parts[0], Image)
    assert ours.asked[1][0].turns[0].text == "\nWhat?"


def test_multiple_choice_takes_the_smallest_loss(make: Callable[..., Any]) -> None:
    model = make(RankingModel(lambda each: "a red house" if each.images else "nothing"))
    requests = [
        request("What?", " a red house"),
        request("Who?", lambda doc: doc["a"], 1),
        request("What?", " red"),
    ]
    assert [each.text for each in model.loglikelihood(requests)] == [
        (pytest.approx(1 / 3), True),
        (1.0, False),
        (8.0, False),
    ]
    with pytest.raises(UserError, match="six were expected"):
        model.loglikelihood([Request(("", "red"))])
    with pytest.raises(UserError, match="cannot say how likely"):
        make(ScriptedChatModel(["x"])).loglikelihood(requests)


def test_what_cannot_be_run_is_said(make: Callable[..., Any]) -> None:
    model = make(ScriptedChatModel(["x"]))
    with pytest.raises(UserError, match="t asks for 5 beams"):
        model.generate_until([request("one", {"num_beams": 5})])
    model.task_dict["t"]["test"][0]["p"] = ["film.mp4"]
    with pytest.raises(UserError, match="t shows a str where a picture was expected"):
        model.generate_until([request("one", {})])
    with pytest.raises(UserError, match="several rounds"):
        model.generate_until_multi_round([])

    class Silent(ScriptedChatModel):
        def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
            yield Answer("", "unknown", Usage(0, 0, 0), 0)

    with pytest.raises(UserError, match="request 0 got no answer"):
        make(Silent([])).generate_until([request("one", {}, 2)])


def test_a_remote_model_is_told_no_device(make: Callable[..., Any]) -> None:
    model = make(ScriptedChatModel(["x"]), pretrained="openai:m", base_url="http://127.0.0.1:1/v1")
    assert model.opened[0][1]["device"] is None
    assert model.device == "cpu"


def test_nothing_of_lmms_eval_is_imported_before_it_is_asked_for(tmp_path: Path) -> None:
    source = Path(chiasm.backends.__file__).parents[1] / "lmms_eval_model" / "__init__.py"
    head = source.read_text().partition("def manifest")[0]
    assert "import lmms_eval" not in head
    assert "from lmms_eval" not in head
