"""Samples made in one line, and what a single check finds in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from chiasm.synthesis.checks import REGISTRY, Reading
from chiasm.synthesis.sample import Box, Context, Language, Sample, Turn

Find = Callable[..., list[str]]


@dataclass(frozen=True)
class Maker:
    """`Maker()(answer, ...)` is a sample whose only turn has that answer, or whose turns are given."""

    def __call__(
        self,
        answer: str = "A dog.",
        *,
        question: str = "What is in the picture?",
        turns: Sequence[tuple[str, str]] | None = None,
        boxes: Sequence[Box] = (),
        captions: Sequence[str] = (),
        kind: str = "detail",
        language: Language = "en",
        finish_reason: str = "stop",
        key: str = "key",
        image: str = "000000000042.jpg",
    ) -> Sample:
        pairs = [(question, answer)] if turns is None else turns
        return Sample(
            key,
            kind,
            language,
            Context("42", image, tuple(captions), tuple(boxes)),
            tuple(Turn(*pair) for pair in pairs),
            finish_reason,
        )


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def find(make: Maker) -> Find:
    """`find(check, answer, ...)`: what the check of that name says."""

    def found(check: str, answer: str = "A dog.", **others: object) -> list[str]:
        return list(REGISTRY.find(check).module.check(Reading(make(answer, **others))))  # type: ignore[arg-type]

    return found
