"""What a kind of sample is: its prompt in each language, and a parser for replies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chiasm.conversation import Conversation, Message, Text
from chiasm.errors import UserError
from chiasm.synthesis.context import TEXT_VERSION, as_text
from chiasm.synthesis.sample import Box, Context, Language, Turn


class WrongFormat(UserError):
    """A reply that is not of the form its kind asks for. `reason` is the short word it is counted under."""

    def __init__(self, message: str, reason: str = "format") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Parsed:
    """The turns of a reply. `repairs` names every rule that had to be bent to read it; the sample keeps them."""

    turns: tuple[Turn, ...]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture that does not exist, and the reply we would like to see about it."""

    captions: tuple[str, ...]
    boxes: tuple[Box, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a teacher is told before the context. The system message ends with the line `task_line` writes."""

    system: str
    shots: tuple[Shot, ...] = ()


def task_line(kind: str, language: Language) -> str:
    """The last line of every system message: by it a teacher that works by rules knows what to do."""
    return f"Task: {kind}; language: {language}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sample.

    `with_boxes`: whether the teacher is shown boxes besides captions. `parse(reply)` gives its turns and raises
    `WrongFormat`. Where `questions` are given the teacher writes the answer alone, and one of these is put before it,
    drawn by the sample's key. `max_tokens` is the longest reply that is paid for.
    """

    about: str
    with_boxes: bool
    prompts: Mapping[Language, Prompt]
    parse: Callable[[str], Parsed]
    questions: Mapping[Language, tuple[str, ...]] = field(default_factory=dict)
    max_tokens: int = 1024

    def context_text(self, context: Context) -> str:
        """What the teacher reads of a picture."""
        return as_text(context.captions, context.boxes if self.with_boxes else ())

    def asked(self, context: Context, language: Language, name: str | None = None) -> Conversation:
        """The whole request: system message, examples, context; `name` becomes the conversation's id."""
        prompt = self.prompts[language]
        messages = [Message("system", (Text(prompt.system),))]
        for shot in prompt.shots:
            shown = as_text(shot.captions, shot.boxes if self.with_boxes else ())
            messages += [Message("user", (Text(shown),)), Message("assistant", (Text(shot.reply),))]
        return Conversation((*messages, Message("user", (Text(self.context_text(context)),))), name)

    def digest(self, language: Language) -> str:
        """Twelve hex digits that change with every letter of the prompt and of the way contexts are written."""
        empty = Context("", "", ("",))
        said = [(message.role, message.text) for message in self.asked(empty, language).messages]
        written = json.dumps([TEXT_VERSION, said], ensure_ascii=False)
        return hashlib.sha256(written.encode("utf-8")).hexdigest()[:12]
