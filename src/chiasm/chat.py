"""The one port for whoever answers a conversation: a local model, a teacher, a judge, an API, a script.

It knows neither torch nor HTTP. Evaluation, data generation and serving are written against it alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from chiasm.conversation import Conversation
from chiasm.errors import UserError

# Models here end with the first two; the others are what a provider may answer instead of an answer.
FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "refusal", "unknown"]


class AnswerError(UserError):
    """Whoever was asked gave no answer. Its message is the provider's, in one line, and holds no key.

    `permanent`: asking again cannot help (wrong key, no credit, unknown model). Otherwise `retry_after` is how many
    seconds the provider asks to wait, None when it did not say. `billed`: the provider may have counted the request all
    the same (a time-out, a broken connection), so a budget must.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, billed: bool = False
    ) -> None:
        super().__init__(message)
        self.permanent, self.retry_after, self.billed = permanent, retry_after, billed


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is chosen. `temperature` 0 is greedy; `seed` makes sampling repeatable; `stop` ends the answer.

    `num_likely`: the answer's tokens are wanted with how likely they were, and so many of the likeliest beside each.
    `json_schema`: a JSON schema, written as JSON, that the answer has to keep to. Models that cannot raise `UserError`.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    num_likely: int | None = None
    json_schema: str | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if not 0 <= self.temperature <= 100:
            raise ValueError(f"temperature must be between 0 (greedy) and 100, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        stops: object = self.stop  # a lone string is a tuple of its letters to everyone but this line
        if not isinstance(stops, tuple | list) or not all(isinstance(stop, str) for stop in stops):
            raise ValueError(f"stop must be a tuple of strings such as ('###',), not {self.stop!r}")
        if any(not stop for stop in self.stop):
            raise ValueError("a stop string must not be empty")
        if self.num_likely is not None and self.num_likely < 0:
            raise ValueError(f"num_likely must be at least 0, not {self.num_likely}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of an answer: `num_cached` of the `num_prompt` prompt tokens were taken from an earlier turn's cache."""

    num_prompt: int
    num_cached: int
    num_answer: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token by its bytes, and its log-probability (natural, before temperature and top-p) where it could stand.

    `likeliest`: the likeliest tokens of its place, best first.
    """

    content: bytes
    log_probability: float
    likeliest: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer as it is written. The last one carries why the answer ended and what it used.

    One may be empty, while what comes is not to be shown yet: whoever reads may stop there, too.
    `tokens`, where they are wanted, go with the text; those of a stop string are not among them. The last one also
    says which of the conversation's pictures (0: the first) are unlike those the model has learnt from, if it can tell.
    """

    text: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    tokens: tuple[Token, ...] = ()
    unfamiliar: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `index` is the position of its conversation among those asked. `tokens` where they are wanted.

    `unfamiliar` as in `Delta`.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    index: int = 0
    tokens: tuple[Token, ...] = ()
    unfamiliar: tuple[int, ...] = ()


@runtime_checkable
class ChatModel(Protocol):
    """Whoever answers conversations."""

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        """The answer to the last user turn, piece by piece. Closing the iterator stops the work."""
        ...

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """Answers in the order they finish, each with the `index` of its conversation."""
        ...


class Reader(Protocol):
    """Whoever is told an answer, by a thread of the model's that must not be kept waiting."""

    def hear(self, piece: Delta | Exception) -> None:
        """The next piece, or why there will be none. Nothing comes behind an error or a `finish_reason`."""
        ...

    def wants(self) -> bool:
        """Whether to write on, asked between two tokens. Who has said no calls `Telling.go_on` when that changes."""
        ...


class Telling(Protocol):
    """An answer that is being told."""

    def go_on(self) -> None:
        """The reader wants more, after it has said that it wants none."""
        ...

    def close(self) -> None:
        """No further tokens; a piece that is on its way may still come."""
        ...


@runtime_checkable
class Teller(Protocol):
    """Whoever tells answers as they are written, so that no thread has to wait for each.

    A server asks it for no `stream` then.
    """

    def tell(self, conversation: Conversation, sampling: Sampling, reader: Reader) -> Telling:
        """Begin the answer to the last user turn: `reader` hears what `stream` gives. Raises what `stream` raises."""
        ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """How likely each option is as the answer: `log_likelihoods` in the order of the options, summed over tokens.

    `num_tokens` are the tokens of each option. `index` is the position of its conversation among those asked.
    """

    log_likelihoods: tuple[float, ...]
    num_tokens: tuple[int, ...]
    index: int = 0


@runtime_checkable
class Ranker(Protocol):
    """Whoever can say how likely given answers are."""

    def rank_all(self, conversations: Sequence[Conversation], options: Sequence[Sequence[str]]) -> Iterator[Ranking]:
        """Rankings in the order they finish: how likely each of `options[i]` is as the answer to conversation i."""
        ...


@dataclass(frozen=True, slots=True)
class Heat:
    """A map over a picture, which its cells cover exactly: `rows` x `columns` shares of attention, row by row."""

    rows: int
    columns: int
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """A piece of an answer, its characters from `start` to `end`, and the heat of each picture when it was written."""

    start: int
    end: int
    heats: tuple[Heat, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """Where a model looked for the answer `text`: token by token, word by word, and in the mean of all tokens.

    Shares are of all that was attended to: what is missing to 1 went to text, or to padding around a picture.
    """

    text: str
    tokens: tuple[Glance, ...]
    words: tuple[Glance, ...]
    whole: tuple[Heat, ...]


@runtime_checkable
class Looker(Protocol):
    """Whoever can say where it looks."""

    def looked(self, conversation: Conversation, answer: str) -> Looked:
        """Where it looks to give `answer` to the last user turn of `conversation`, in each of its pictures in order."""
        ...


def collect(deltas: Iterable[Delta], index: int = 0) -> Answer:
    """The whole answer of a stream; raises `ValueError` for a stream that ended without its last delta."""
    text, tokens = list[str](), list[Token]()
    for delta in deltas:
        text.append(delta.text)
        tokens += delta.tokens
        if delta.finish_reason is not None and delta.usage is not None:
            return Answer("".join(text), delta.finish_reason, delta.usage, index, tuple(tokens), delta.unfamiliar)
    raise ValueError("the stream ended without saying why: its last delta must carry finish_reason and usage")
