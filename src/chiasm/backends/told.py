"""Answers as they are written: ids in, pieces out, to whoever asks for them or is told. It knows no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chiasm.backends.shared_steps import SharedSteps
from chiasm.backends.spoken import Spoken
from chiasm.chat import Delta, Reader, Usage
from chiasm.errors import UserError
from chiasm.generation.prompt import Picture
from chiasm.generation.trunk import Branch

LOST = "the JSON schema became too complex to be followed in the middle of the answer: simplify it"


@dataclass(slots=True)
class WrittenAnswer:
    """One answer, id by id. `unfamiliar` says which pictures are unlike those the model has learnt from."""

    branch: Branch
    spoken: Spoken
    unfamiliar: Callable[[Sequence[Picture]], tuple[int, ...]]
    num_heard: int = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string has ended it."""
        return self.spoken.stopped

    def hear(self, token_id: int) -> Delta:
        """What may be shown with the next id."""
        likely = None if self.branch.decoding.num_likely is None else self.branch.likelihoods[self.num_heard]
        self.num_heard += 1
        return self.spoken.hear(token_id, likely)

    def end(self) -> Delta:
        """The last piece; raises `UserError` where the answer could not keep to its schema."""
        branch = self.branch
        if branch.is_lost:
            raise UserError(LOST)
        used = Usage(len(branch.prompt.ids), branch.num_cached, self.num_heard)
        last = self.spoken.end(branch.finish or "stop", used)
        return replace(last, unfamiliar=self.unfamiliar(branch.prompt.pictures))


@dataclass(frozen=True, slots=True)
class Listening:
    """Tells `reader` in pieces what it hears in ids: see `shared_steps.Listener`."""

    answer: WrittenAnswer
    reader: Reader

    def hear(self, token: int) -> bool:
        """The next id; True when a stop string has come."""
        self.reader.hear(self.answer.hear(token))
        return self.answer.stopped

    def end(self, error: Exception | None) -> None:
        """The last piece, or the error."""
        last: Delta | Exception
        try:
            last = error or self.answer.end()
        except Exception as failed:  # whatever it is, somebody must say so
            last = failed
        self.reader.hear(last)

    def wants(self) -> bool:
        """Whether the reader wants more."""
        return self.reader.wants()


@dataclass(frozen=True, slots=True)
class LocalTelling:
    """An answer that is being told: see `chat.Telling`."""

    together: SharedSteps
    branch: Branch

    def go_on(self) -> None:
        """The reader wants more."""
        self.together.go_on()

    def close(self) -> None:
        """No further tokens."""
        self.together.leave(self.branch)
