"""Prompts one after another, for models whose attention cannot be shared out: a `Stepper` like the scheduler.

What the next prompt has in common with the last one is taken from its cache all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from chiasm.generation.sampling import Decoding
from chiasm.generation.scheduler import Event
from chiasm.generation.trunk import Branch

if TYPE_CHECKING:
    from chiasm.generation.engine import Answering, Session
    from chiasm.generation.prompt import Prompt


class OneByOne:
    """Answers with `stream` and scores with `score`, both of `Engine`, over one session."""

    def __init__(
        self,
        stream: Callable[[Prompt, Decoding, Session], Answering],
        score: Callable[[Prompt, tuple[int, ...], Session], float],
        session: Session,
    ) -> None:
        self._stream, self._score, self._session = stream, score, session
        self._waiting: deque[Branch] = deque()
        self._current: tuple[Branch, Answering] | None = None

    @property
    def num_waiting(self) -> int:
        """Prompts that have not begun."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """One, or none."""
        return int(self._current is not None)

    def submit(self, branch: Branch) -> None:
        """Queue a prompt."""
        self._waiting.append(branch)

    def cancel(self, branch: Branch) -> None:
        """No further tokens for `branch`."""
        if branch in self._waiting:
            self._waiting.remove(branch)
        elif self._current is not None and self._current[0] is branch:
            self._current = None

    def step(self) -> list[Event]:
        """One token of the prompt whose turn it is, or all of its targets."""
        if self._current is None:
            if not self._waiting:
                return []
            branch = self._waiting[0]
            if branch.targets:
                branch.log_likelihood = self._score(branch.prompt, branch.targets, self._session)
                branch.finish = "stop"
                self._waiting.popleft()
                return [Event(branch, None, "stop")]
            self._current = branch, self._stream(branch.prompt, branch.decoding, self._session)
            self._waiting.popleft()
        branch, answering = self._current
        token = next(answering, None)
        branch.num_cached = answering.num_cached
        if token is not None:
            branch.ids.append(token)
            branch.likelihoods = answering.likelihoods
            branch.finish = "length" if len(branch.ids) == branch.limit else None
        else:
            branch.finish = answering.finish or "stop"
        if branch.finish is not None:
            self._current = None
        return [Event(branch, token, branch.finish)]
