"""Llama 3 instruct with LLaVA's system text (LLaVA-NeXT's conversation.py, `llava_llama_3`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import headed

TEMPLATE = Template(
    style=headed,
    system=(
        "You are a helpful language and vision assistant. You are able to understand the visual content that "
        "the user provides, and assist the user with a variety of tasks using natural language."
    ),
    user="user",
    assistant="assistant",
    start="<|start_header_id|>",
    separator="<|end_header_id|>",
    end="<|eot_id|>",
    stop=("<|end_of_text|>",),
)
