"""Vicuna 1.1 and later: the template LLaVA-1.5 is trained and evaluated with (LLaVA's conversation.py, `vicuna_v1`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import named_roles

TEMPLATE = Template(
    style=named_roles,
    system=(
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
        "helpful, detailed, and polite answers to the user's questions."
    ),
    user="USER",
    assistant="ASSISTANT",
    separator=" ",
    end="</s>",
)
