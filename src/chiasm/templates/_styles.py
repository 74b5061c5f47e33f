"""The families of templates. Each style is one function from template and conversation to pieces.

Source of all: `Conversation.get_prompt` and the `preprocess_*` functions of LLaVA (conversation.py, train.py); chatml
and llama_3 as the tokenizers of Qwen and Llama 3 write them. What is trained is the answer with the space the model
itself has to write before it, and the token that ends it.
"""

from __future__ import annotations

from collections.abc import Iterator

from chiasm.conversation import Conversation
from chiasm.templates._pieces import Control, Piece, Template, Written, contents


def named_roles(t: Template, conversation: Conversation) -> Iterator[Piece]:
    """`SYSTEM USER: question ASSISTANT: answer</s>`: LLaVA's separator style TWO, and SINGLE where `end` is text."""
    yield Written(t.system + t.separator if t.system else "")
    for turn in conversation.turns:
        if turn.role == "user":
            yield Written(f"{t.user}: ")
            yield from contents(turn)
            yield Written(t.separator)
        else:
            yield Written(f"{t.assistant}:")
            # An empty answer is written without the space, like the open prompt, so that only its end is learnt.
            yield Written(f" {turn.text}" if turn.text else "", trained=True)
            yield Control(t.end, trained=True)
    if conversation.turns[-1].role == "user":
        yield Written(f"{t.assistant}:")


def blocks(t: Template, conversation: Conversation) -> Iterator[Piece]:
    r"""`<|im_start|>user\n...<|im_end|>`: LLaVA's MPT style, and ChatML where `separator` is a newline."""
    if t.system:
        yield from (Control(t.start), Written(f"system\n{t.system}"), Control(t.end), Written(t.separator))
    for turn in conversation.turns:
        yield Control(t.start)
        if turn.role == "user":
            yield Written(f"{t.user}\n")
            yield from contents(turn)
            yield Control(t.end)
        else:
            yield Written(f"{t.assistant}\n")
            yield Written(turn.text, trained=True)
            yield Control(t.end, trained=True)
        yield Written(t.separator)
    if conversation.turns[-1].role == "user":
        yield from (Control(t.start), Written(f"{t.assistant}\n"))


def bracketed(t: Template, conversation: Conversation) -> Iterator[Piece]:
    r"""`[INST] <<SYS>>\nsystem\n<</SYS>>\n\nquestion [/INST] answer </s>`: LLaVA's LLAMA_2 style."""
    for position, turn in enumerate(conversation.turns):
        if turn.role == "user":
            if position:  # the first start token is the tokenizer's own
                yield Control(t.start) if t.start else Written("")
            yield Written("[INST] ")
            yield Written(f"<<SYS>>\n{t.system}\n<</SYS>>\n\n" if t.system and not position else "")
            yield from contents(turn)
            yield Written(" [/INST]")
        else:
            yield Written(f" {turn.text} " if turn.text else "", trained=True)
            yield Control(t.end, trained=True)


def headed(t: Template, conversation: Conversation) -> Iterator[Piece]:
    r"""`<|start_header_id|>user<|end_header_id|>\n\n...<|eot_id|>`: Llama 3's own chat format."""

    def header(role: str) -> Iterator[Piece]:
        yield from (Control(t.start), Written(role), Control(t.separator), Written("\n\n"))

    if t.system:
        yield from header("system")
        yield from (Written(t.system), Control(t.end))
    for turn in conversation.turns:
        if turn.role == "user":
            yield from header(t.user)
            yield from contents(turn)
            yield Control(t.end)
        else:
            yield from header(t.assistant)
            yield from (Written(turn.text, trained=True), Control(t.end, trained=True))
    if conversation.turns[-1].role == "user":
        yield from header(t.assistant)


def bare(t: Template, conversation: Conversation) -> Iterator[Piece]:
    """Every turn followed by a newline, nobody named: what a stage-1 model is asked with."""
    for turn in conversation.turns:
        if turn.role == "user":
            yield from contents(turn)
            yield Written(t.end)
        else:
            yield Written(f"{turn.text}{t.end}", trained=True)


def caption(t: Template, conversation: Conversation) -> Iterator[Piece]:
    """Pictures, then caption and newline; the instruction is left out (`preprocess_plain` of LLaVA's train.py)."""
    for turn in conversation.turns:
        if turn.role == "user":
            yield from turn.images
        else:
            yield Written(f"{turn.text}{t.end}", trained=True)
