"""ChatML as many models write it: a newline after every block, no system text of its own."""

from __future__ import annotations

from chiasm.templates._pieces import Template
from chiasm.templates._styles import blocks

TEMPLATE = Template(
    style=blocks,
    system="",
    user="user",
    assistant="assistant",
    start="<|im_start|>",
    separator="\n",
    end="<|im_end|>",
)
