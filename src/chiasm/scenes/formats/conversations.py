"""Records of LLaVA's JSON from questions and answers. Knows the format, no picture's content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chiasm.scenes.asking.question import Question
from chiasm.scenes.formats.picture import Record
from chiasm.scenes.telling.language import Language

Turn = tuple[str, str]
"""What is asked and what is answered."""


def record(
    identity: str, turns: Sequence[Turn], images: Sequence[str] = (), before: str = "", *, apart: bool = False
) -> Record:
    """A conversation; a marker for each picture, then the text `before`, stand in front of the first question.

    `apart`: each question is learnt from as if it were the only one.
    """
    lead = "<image>\n" * len(images) + (f"{before}\n" if before else "")
    said = []
    for number, (asked, answered) in enumerate(turns):
        said.append({"from": "human", "value": asked if number else lead + asked})
        said.append({"from": "gpt", "value": answered})
    pictures = {"image": images[0] if len(images) == 1 else list(images)} if images else {}
    return {"id": identity, **pictures, **({"apart": True} if apart else {}), "conversations": said}


def turns_of(questions: Iterable[Question], language: Language) -> list[Turn]:
    """Questions as a model is asked them, each with its answer."""
    return [(question.prompt(language), question.answer) for question in questions]
