"""Stage 1: picture, caption, newline. In training the instruction is left out (LLaVA's conversation.py, `plain`)."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import bare, caption

TEMPLATE = Template(
    style=bare,
    training_style=caption,
    system="",
    user="",
    assistant="",
    end="\n",
)
