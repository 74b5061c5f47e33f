"""What a template is made of and what it yields.

A conversation is rendered to a flat list of pieces: text, special tokens and pictures. Text and special tokens say
whether they are trained (are targets of the loss), so that labels come from the rendering itself and never from
searching for separators afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from chiasm.conversation import IMAGE_MARKER, Conversation, Image, Message


@dataclass(frozen=True, slots=True)
class Written:
    """Text as the template writes it; tokenised together with the texts around it."""

    text: str
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """A special token by its written form. A tokenizer that does not know it reads it as text, as published."""

    token: str
    trained: bool = False


Piece = Written | Control | Image


@dataclass(frozen=True, slots=True)
class Template:
    """How a conversation is written for one family of models.

    `style` does the rendering from the other fields; `end` is what closes an answer and is trained with it; `stop` are
    further strings at which an answer of a model that never learnt `end` is cut.
    """

    style: Callable[[Template, Conversation], Iterator[Piece]]
    system: str
    user: str
    assistant: str
    end: str
    separator: str = ""
    start: str = ""
    stop: tuple[str, ...] = ()
    training_style: Callable[[Template, Conversation], Iterator[Piece]] | None = None

    @property
    def controls(self) -> frozenset[str]:
        """The special tokens this template writes, found by writing with it, and the further ends of answers."""
        sample = Conversation((), None).said("system", "s")
        for _ in range(2):  # the second round shows what stands between turns
            sample = sample.said("user", "q").said("assistant", "a")
        return frozenset(p.token for p in self.render(sample) if isinstance(p, Control)) | frozenset(self.stop)

    def render(self, conversation: Conversation, *, train: bool = False) -> list[Piece]:
        """The pieces of a conversation. One that ends with the user is left open for the assistant to answer.

        `train` matters only to templates that are written differently in training (`plain`). Raises `RecordError` when
        turns do not alternate.
        """
        conversation.check_turns()
        if conversation.system is not None:
            # A message's own system text takes the place of the template's.
            template = replace(self, system=conversation.system)
        else:
            template = self
        style = self.training_style if train and self.training_style is not None else self.style
        return [piece for piece in style(template, conversation) if not isinstance(piece, Written) or piece.text]


def contents(message: Message) -> Iterator[Piece]:
    """The parts of a user's turn, verbatim and untrained."""
    for part in message.parts:
        yield part if isinstance(part, Image) else Written(part.text)


def as_text(pieces: Iterable[Piece]) -> str:
    """The plain string a person would read: pictures as `<image>`."""
    written = (IMAGE_MARKER if isinstance(p, Image) else p.text if isinstance(p, Written) else p.token for p in pieces)
    return "".join(written)
