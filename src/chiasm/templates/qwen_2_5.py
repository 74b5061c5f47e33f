"""Qwen 2.5: ChatML with Alibaba's longer system text (LLaVA-NeXT's conversation.py, `qwen_2_5`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import blocks

TEMPLATE = Template(
    style=blocks,
    system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    user="user",
    assistant="assistant",
    start="<|im_start|>",
    separator="\n",
    end="<|im_end|>",
)
