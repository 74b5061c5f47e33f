"""A model that says what it was told to: for tests of everything written against `ChatModel`, and for dry runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from chiasm.backends.stop_strings import StopStrings
from chiasm.chat import Answer, Delta, Sampling, Usage, collect
from chiasm.conversation import Conversation


class ScriptedChatModel:
    """Answers from a script: one text a question in turn, over again when they run out, or a function's.

    A token is a word with the space behind it. `asked` records every conversation with its sampling.
    """

    def __init__(self, script: Iterable[str] | Callable[[Conversation], str]) -> None:
        if callable(script):
            self._next = script
        else:
            texts = itertools.cycle(script)
            self._next = lambda _: next(texts)
        self.asked: list[tuple[Conversation, Sampling]] = []

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        """The next answer of the script, word by word."""
        conversation.check_turns()
        self.asked.append((conversation, sampling))
        num_prompt = sum(len(message.text.split()) for message in conversation.messages)
        words = [word for word in self._next(conversation).split(" ") if word]
        stop, num_answer = StopStrings(sampling.stop), 0
        for word in words[: sampling.max_tokens]:
            num_answer += 1
            yield Delta(stop.feed(word if num_answer == 1 else f" {word}"))
            if stop.stopped:
                break
        cut = num_answer < len(words) and not stop.stopped
        yield Delta(stop.finish(), "length" if cut else "stop", Usage(num_prompt, 0, num_answer))

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """Answers in the order asked."""
        for index, conversation in enumerate(conversations):
            yield collect(self.stream(conversation, sampling), index)
