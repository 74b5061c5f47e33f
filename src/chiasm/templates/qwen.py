"""Qwen 1.5 and 2: ChatML with Qwen's system text (LLaVA-NeXT's conversation.py, `qwen_1_5`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import blocks

TEMPLATE = Template(
    style=blocks,
    system="You are a helpful assistant.",
    user="user",
    assistant="assistant",
    start="<|im_start|>",
    separator="\n",
    end="<|im_end|>",
)
