"""Vicuna 0 for the first LLaVA models; `###` ends every turn (LLaVA's conversation.py, `llava_v0`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import named_roles

TEMPLATE = Template(
    style=named_roles,
    system=(
        "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
        "helpful, detailed, and polite answers to the human's questions."
    ),
    user="Human",
    assistant="Assistant",
    separator="###",
    end="###",
)
