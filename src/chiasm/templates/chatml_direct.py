"""LLaVA-1.6 34B: MPT's blocks with a shorter system text (LLaVA's conversation.py, `chatml_direct`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import blocks

TEMPLATE = Template(
    style=blocks,
    system="Answer the questions.",
    user="user",
    assistant="assistant",
    start="<|im_start|>",
    end="<|im_end|>",
)
