"""Vicuna 1.1 with the older system text that LLaVA's demo shows (LLaVA's conversation.py, `llava_v1`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import named_roles

TEMPLATE = Template(
    style=named_roles,
    system=(
        "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
        "helpful, detailed, and polite answers to the human's questions."
    ),
    user="USER",
    assistant="ASSISTANT",
    separator=" ",
    end="</s>",
)
