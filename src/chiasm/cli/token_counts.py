"""How many tokens a conversation takes, text and pictures apart, where chiasm itself computes the model."""

from __future__ import annotations

from dataclasses import dataclass

from chiasm.chat import ChatModel, Usage
from chiasm.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Counts:
    """`text` tokens, what the template writes around them included; tokens of each of the `pictures`; the context."""

    text: int
    pictures: tuple[int, ...]
    context: int | None

    def sentence(self) -> str:
        """For people."""
        each = f" ({' + '.join(map(str, self.pictures))})" if len(self.pictures) > 1 else ""
        total = self.text + sum(self.pictures)
        shown = f"{total:,} tokens: text {self.text:,}, pictures {sum(self.pictures):,}{each}"
        if self.context is None:
            return f"{shown}; the context has no bound"
        return f"{shown}; {max(0, self.context - total):,} of {self.context:,} are left"


def count(model: ChatModel, conversation: Conversation) -> Counts | None:
    """The tokens of `conversation`; None for a model that others compute."""
    from chiasm.backends.light import LightChatModel
    from chiasm.processing.pictures import open_picture
    from chiasm.processing.tokens import PICTURE

    if isinstance(model, LightChatModel):
        num_positions: int | None = model.max_positions
    else:
        from chiasm.backends.local import LocalChatModel

        if not isinstance(model, LocalChatModel):
            return None
        num_positions = model._engine.max_positions
    processor = model.processor
    tokens = processor.tokenizer.encode(processor.template.render(conversation)).ids
    sizes = [open_picture(image.source, processor.limits).size for image in conversation.images]
    pictures = tuple(processor.images.layout(*size).num_tokens for size in sizes)
    return Counts(sum(token != PICTURE for token in tokens), pictures, num_positions)


def reported(usage: Usage | None) -> str:
    """What a server counted for the last answer, for people."""
    if usage is None or not usage.num_prompt:
        return "the model has not counted anything yet"
    return f"the model counted {usage.num_prompt:,} tokens of prompt and {usage.num_answer:,} of answer last time"
