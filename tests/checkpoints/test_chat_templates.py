"""The Jinja we write says what our templates say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm import checkpoints, templates
from chiasm.checkpoints.chat_templates import jinja, recognise, render
from chiasm.conversation import Conversation
from chiasm.templates import as_text
from tests.checkpoints import tiny

IMAGE = {"type": "image_url", "image_url": {"url": "a.png"}}

MESSAGES = {
    "question": [{"role": "user", "content": "What?"}],
    "picture": [{"role": "user", "content": [IMAGE, {"type": "text", "text": '  What\'s "this"? {{ x }}\n'}]}],
    "picture in the middle": [
        {"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE, IMAGE, {"type": "text", "text": "here."}]}
    ],
    "picture alone": [{"role": "user", "content": [IMAGE]}],
    "turns": [
        {"role": "user", "content": [IMAGE, {"type": "text", "text": "One\ntwo?"}]},
        {"role": "assistant", "content": "Три 四."},
        {"role": "user", "content": "And?"},
    ],
    "answered": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}],
    "empty answer": [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Q"},
    ],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Q"}],
}


@pytest.mark.parametrize("name", templates.REGISTRY.names())
@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES)
def test_the_same_text(name: str, messages: list[dict[str, object]]) -> None:
    template = templates.find(name)
    source = jinja(template)
    assert source is not None
    open_end = messages[-1]["role"] == "user"
    assert render(source, messages, open_end) == as_text(template.render(Conversation.from_openai(messages)))


@pytest.mark.parametrize("name", ["vicuna_v1", "llava_v1", "chatml", "qwen", "llama_3", "mistral_instruct"])
def test_a_template_is_known_by_what_it_writes(name: str, hf: Path) -> None:
    source = jinja(templates.find(name))
    assert source is not None
    assert recognise("{{ bos_token }}" + source, "<s>") == name
    (hf / "processor.json").unlink()
    tiny.without_manifest(hf)
    (hf / "chat_template.jinja").unlink()
    (hf / "chat_template.json").write_text(json.dumps({"chat_template": source}))
    loaded = checkpoints.load(hf)
    assert (loaded.layout, loaded.processor.template_name) == ("hf", name)


@pytest.mark.parametrize("source", ["{{ messages", "{{ 1 / 0 }}", "{{ ''.__class__.__mro__ }}", "other"])
def test_a_stranger_is_not_guessed_at(source: str, hf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recognise(source, None) is None
    (hf / "processor.json").unlink()
    (hf / "chat_template.jinja").write_text(source)
    tiny.without_manifest(hf)
    assert checkpoints.load(hf).processor.template_name == "vicuna_v1"
    assert capsys.readouterr().err.count("processor.json is missing; assuming template vicuna_v1") == 1
    assert checkpoints.load(hf, template="llava_v1").processor.template_name == "llava_v1"
