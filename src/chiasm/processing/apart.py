"""Questions asked apart as conversations of their own."""

from __future__ import annotations

from chiasm.conversation import Conversation, Message


def each_alone(conversation: Conversation) -> tuple[Conversation, ...]:
    """Where questions were asked apart, each with its answer and the same system turn and pictures; else itself."""
    turns = conversation.turns
    if not conversation.apart or not turns:
        return (conversation,)
    before, shown = conversation.messages[: -len(turns)], turns[0].images
    alone = []
    for begin in range(0, len(turns), 2):
        asked = turns[begin]
        if begin:
            asked = Message("user", (*shown, *asked.parts)).with_pictures_first()
        alone.append(Conversation((*before, asked, *turns[begin + 1 : begin + 2]), conversation.id))
    return tuple(alone)
