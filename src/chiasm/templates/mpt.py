"""MPT chat: blocks without newlines between them (LLaVA's conversation.py, `mpt`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import blocks

TEMPLATE = Template(
    style=blocks,
    system=(
        "A conversation between a user and an LLM-based AI assistant. The assistant gives helpful and honest answers."
    ),
    user="user",
    assistant="assistant",
    start="<|im_start|>",
    end="<|im_end|>",
)
