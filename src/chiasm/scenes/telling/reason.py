"""The words of one case of `reasons` in one language. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Ways to ask, and for each sentence of the answer the ways to say it; all with {slots}."""

    questions: tuple[str, ...]
    answer: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, questions: tuple[str, ...], *answer: tuple[str, ...]) -> Reason:
        return cls(questions, answer)
