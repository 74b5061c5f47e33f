"""What the hostile teacher says when it answers well: the rulebook's replies."""

from __future__ import annotations

from typing import Any

from chiasm.backends.rulebook import RulebookTeacher
from chiasm.chat import Sampling
from chiasm.conversation import Conversation

_TEACHER = RulebookTeacher()


def rulebook(messages: list[dict[str, Any]]) -> str:
    """The rulebook's reply to OpenAI's messages."""
    return _TEACHER.ask(Conversation.from_openai(messages), Sampling(max_tokens=4000)).text
