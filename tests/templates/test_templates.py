"""Every template's exact words, by hand for the shape and by file for the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm import templates
from chiasm.conversation import Conversation, Image, Message, RecordError, Text, user
from chiasm.errors import UserError
from chiasm.templates import Control, Written, as_text

# What two turns and an open third look like without system text. Written down from the tables of the published code
# (conversation.py of LLaVA and LLaVA-NeXT) and the formats of ChatML and Llama 3, not from this code's output.
SHAPES = {
    "vicuna_v1": "USER: Q1 ASSISTANT: A1</s>USER: Q2 ASSISTANT: A2</s>USER: Q3 ASSISTANT:",
    "llava_v1": "USER: Q1 ASSISTANT: A1</s>USER: Q2 ASSISTANT: A2</s>USER: Q3 ASSISTANT:",
    "llava_v0": "Human: Q1###Assistant: A1###Human: Q2###Assistant: A2###Human: Q3###Assistant:",
    "plain": "Q1\nA1\nQ2\nA2\nQ3\n",
    "llama_2": "[INST] Q1 [/INST] A1 </s><s>[INST] Q2 [/INST] A2 </s><s>[INST] Q3 [/INST]",
    "llava_llama_2": "[INST] Q1 [/INST] A1 </s><s>[INST] Q2 [/INST] A2 </s><s>[INST] Q3 [/INST]",
    "mistral_instruct": "[INST] Q1 [/INST] A1 </s>[INST] Q2 [/INST] A2 </s>[INST] Q3 [/INST]",
    "mpt": (
        "<|im_start|>user\nQ1<|im_end|><|im_start|>assistant\nA1<|im_end|>"
        "<|im_start|>user\nQ2<|im_end|><|im_start|>assistant\nA2<|im_end|>"
        "<|im_start|>user\nQ3<|im_end|><|im_start|>assistant\n"
    ),
    "chatml": (
        "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n"
        "<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n"
        "<|im_start|>user\nQ3<|im_end|>\n<|im_start|>assistant\n"
    ),
    "llama_3": (
        "<|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        "A1<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nA2<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ3<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
}
SHAPES["chatml_direct"] = SHAPES["mpt"]
SHAPES["qwen"] = SHAPES["qwen_2_5"] = SHAPES["chatml"]

# How each template writes the system text "S" in front of a first question "Q".
WITH_SYSTEM = {
    "vicuna_v1": "S USER: Q ASSISTANT:",
    "llava_v0": "S###Human: Q###Assistant:",
    "plain": "Q\n",
    "llava_llama_2": "[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST]",
    "mpt": "<|im_start|>system\nS<|im_end|><|im_start|>user\nQ<|im_end|><|im_start|>assistant\n",
    "qwen": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n",
    "llama_3": (
        "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
}


def asked(*texts: str, system: str | None = None) -> Conversation:
    conversation = Conversation(())
    if system is not None:
        conversation = conversation.said("system", system)
    for position, text in enumerate(texts):
        conversation = conversation.said("assistant" if position % 2 else "user", text)
    return conversation


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_of_turns(name: str) -> None:
    conversation = asked("Q1", "A1", "Q2", "A2", "Q3", system="")
    assert as_text(templates.find(name).render(conversation)) == SHAPES[name]


@pytest.mark.parametrize("name", WITH_SYSTEM)
def test_a_system_turn_takes_the_place_of_the_templates_own(name: str) -> None:
    assert as_text(templates.find(name).render(asked("Q", system="S"))) == WITH_SYSTEM[name]


def test_pictures_stand_where_the_turn_has_them() -> None:
    conversation = Conversation((user("Which?", ["a", "b"]),)).said("assistant", "b").said("user", Image("c"), "\nAnd?")
    text = as_text(templates.find("mistral_instruct").render(conversation))
    assert text == "[INST] <image>\n<image>\nWhich? [/INST] b </s>[INST] <image>\nAnd? [/INST]"


def test_plain_leaves_the_instruction_out_in_training_only() -> None:
    conversation = Conversation((user("Describe it.", ["a"]), Message("assistant", (Text("A dog."),))))
    plain = templates.find("plain")
    assert as_text(plain.render(conversation)) == "<image>\nDescribe it.\nA dog.\n"
    assert as_text(plain.render(conversation, train=True)) == "<image>A dog.\n"


def test_the_controls_of_a_template_are_those_it_writes() -> None:
    assert templates.find("vicuna_v1").controls == {"</s>"}
    assert templates.find("llava_llama_2").controls == {"<s>", "</s>"}
    assert templates.find("qwen").controls == {"<|im_start|>", "<|im_end|>"}
    assert templates.find("llama_3").controls == {
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|end_of_text|>",
    }
    assert templates.find("plain").controls == set()


@pytest.mark.parametrize("texts", [(), ("Q1", "A1", "Q2", "A2")])
def test_turns_out_of_order_are_refused(texts: tuple[str, ...]) -> None:
    messages = asked(*texts).messages
    wrong = (*messages[:1], *messages[:1], *messages[1:])
    with pytest.raises(RecordError):
        templates.find("vicuna_v1").render(Conversation(wrong))


def test_a_misspelt_template_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'vicuna_v1'"):
        templates.find("vicuna_v")


@pytest.mark.parametrize("name", templates.REGISTRY.names())
def test_golden_prompts(name: str, check_golden: Callable[[str, str], None]) -> None:
    """The whole prompt of every template, with its own system text; special tokens and what is trained are marked."""
    cases = {
        "open": asked("What is it?"),
        "picture": Conversation((user("What is it?", ["a"]),)),
        "turns": Conversation((user("Which?", ["a", "b"]),)).said("assistant", "The second.").said("user", "Why?"),
        "empty answer": asked("Q", ""),
        "typed": asked("</s> <image> [INST] ###", "ASSISTANT: <|im_end|>"),
        "system": asked("Q", "A", system="Be brief."),
    }
    lines = [f"{case}: {_marked(name, conversation, train=False)}" for case, conversation in cases.items()]
    lines.append(f"trained: {_marked(name, cases['turns'], train=True)}")
    check_golden(f"prompts/{name}.txt", "\n".join(lines) + "\n")


def _marked(name: str, conversation: Conversation, *, train: bool) -> str:
    """One line: text as JSON strings, special tokens bare, pictures as [picture], trained pieces with a + in front."""
    written = []
    for piece in templates.find(name).render(conversation, train=train):
        if isinstance(piece, Written):
            written.append(("+" if piece.trained else "") + json.dumps(piece.text, ensure_ascii=False))
        elif isinstance(piece, Control):
            written.append(("+" if piece.trained else "") + piece.token)
        else:
            written.append("[picture]")
    return " ".join(written)


def test_published_prompts(shared_data: Path) -> None:
    """Every prompt of the published code, word for word (it fails itself on some `plain` ones)."""
    num_checked = 0
    for line in (shared_data / "golden" / "prompts.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "error" in case:
            continue
        conversation = Conversation(())
        for position, turn in enumerate(turn for turn in case["turns"] if turn is not None):
            parts: list[Image | str] = []
            for text in turn.split("<image>"):
                parts += [Image("any"), text]
            conversation = conversation.said("assistant" if position % 2 else "user", *parts[1:])
        assert as_text(templates.find(case["template"]).render(conversation)) == case["prompt"], case["item"]
        num_checked += 1
    assert num_checked > 50
