"""An offline teacher: it answers what teachers are asked, from the same text, by rules.

The kind of sample and the language stand in the last line of the system message, `Task: KIND; language: LANGUAGE`; the
last user message is the context, captions and boxes. Examples in between are ignored. Equal messages get equal replies.
It says only what the text bears out, in plain English or Chinese, and knows some facts of everyday life; it is no
language model and never pretends to understand more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random

from chiasm.backends.rulebook import replies_en, replies_zh
from chiasm.backends.rulebook.reading import Known, read
from chiasm.chat import Answer, Delta, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.errors import UserError

_TASK = re.compile(r"Task: (\w+); language: (\w+)")
_WRITERS: Mapping[tuple[str, str], Callable[[Known, Random], str]] = {
    ("conversation", "en"): replies_en.conversation,
    ("detail", "en"): replies_en.detail,
    ("reasoning", "en"): replies_en.reasoning,
    ("conversation", "zh"): replies_zh.conversation,
    ("detail", "zh"): replies_zh.detail,
    ("reasoning", "zh"): replies_zh.reasoning,
}


class RulebookTeacher:
    """Implements `chiasm.chat.ChatModel`. Safe to share between threads; it keeps nothing but a small cache."""

    name = "rulebook-2"  # raised when equal messages would get other replies: a job then asks anew

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        """The reply in one piece."""
        answer = self.ask(conversation, sampling)
        yield Delta(answer.text, answer.finish_reason, answer.usage)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """One reply after the other."""
        for index, conversation in enumerate(conversations):
            answer = self.ask(conversation, sampling)
            yield Answer(answer.text, answer.finish_reason, answer.usage, index)

    def ask(self, conversation: Conversation, sampling: Sampling) -> Answer:
        """The reply to the last user turn. Tokens are counted as words, none of which cost anything.

        Raises `UserError` when the messages are not those of a known kind.
        """
        context = conversation.messages[-1].text
        kind, language = _task(conversation.system or "")
        seed = hashlib.blake2b(f"{kind}\n{language}\n{context}".encode(), digest_size=8).digest()
        try:
            known = _read(context)
        except ValueError as error:
            raise UserError(f"the rulebook cannot read this context: {error}") from None
        text = _WRITERS[kind, language](known, Random(int.from_bytes(seed)))
        words = text.split()
        usage = Usage(_num_words(conversation), 0, len(words))
        if len(words) > sampling.max_tokens:
            return Answer(" ".join(words[: sampling.max_tokens]), "length", usage)
        return Answer(text, "stop", usage)


_read = lru_cache(maxsize=64)(read)  # the kinds of one picture are asked one after the other


def _task(system: str) -> tuple[str, str]:
    last = system.strip().rpartition("\n")[2]
    match = _TASK.fullmatch(last)
    kinds = sorted({kind for kind, _ in _WRITERS})
    if match is None:
        raise UserError(
            "the rulebook answers only requests of `chiasm synth`, whose system message ends with "
            f"'Task: KIND; language: LANGUAGE'; this one ends with {last[-60:]!r}"
        )
    if (match[1], match[2]) not in _WRITERS:
        raise UserError(
            f"the rulebook knows no kind '{match[1]}' in '{match[2]}', only {', '.join(kinds)} in en and zh. "
            "Another teacher is named with --teacher, such as openai:NAME"
        )
    return match[1], match[2]


def _num_words(conversation: Conversation) -> int:
    return sum(_words_in(message.text) for message in conversation.messages)


@lru_cache(maxsize=256)
def _words_in(text: str) -> int:
    return len(text.split())
