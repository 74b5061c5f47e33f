"""Llama 2 chat with LLaVA's system text (LLaVA's conversation.py, `llava_llama_2`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import bracketed

TEMPLATE = Template(
    style=bracketed,
    system=(
        "You are a helpful language and vision assistant. You are able to understand the visual content that "
        "the user provides, and assist the user with a variety of tasks using natural language."
    ),
    user="USER",
    assistant="ASSISTANT",
    start="<s>",
    end="</s>",
)
