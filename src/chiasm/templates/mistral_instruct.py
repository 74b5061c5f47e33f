"""Mistral instruct: Llama 2's brackets, no system text, no start token between turns (LLaVA's conversation.py)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import bracketed

TEMPLATE = Template(
    style=bracketed,
    system="",
    user="USER",
    assistant="ASSISTANT",
    end="</s>",
)
