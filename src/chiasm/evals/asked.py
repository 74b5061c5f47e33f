"""A task with its questions, and which of them are asked: what running, scoring and reporting share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.answers import Answers, read_answers
from chiasm.evals.score import Scored, score
from chiasm.evals.task import Question, Rule, Task


@dataclass(frozen=True, slots=True)
class Asked:
    """A task, and the first `len(wanted)` of its `questions`: those to be answered and scored."""

    name: str
    task: Task
    questions: Sequence[Question]
    wanted: Sequence[Question]

    @classmethod
    def of(cls, name: str, task: Task, data: Path, limit: int | None = None) -> Asked:
        """Read a task's questions. Raises `UserError` where its files are not whole, or hold none."""
        questions = task.questions(data)
        if not questions:
            raise UserError(f"{name}: there are no questions in {data}. Name another folder with --data")
        return cls(name, task, questions, questions[:limit])

    def answers(self, path: Path) -> Answers:
        """The answers in a file or in the folder of a run; raises `UserError` unless they are whole."""
        return read_answers(path, self.name, self.task, self.questions, len(self.wanted))

    def score(self, texts: Mapping[str, str], rule: Rule) -> Scored:
        """What `texts` score by `rule`."""
        return score(self.name, self.task, self.wanted, texts, rule, len(self.questions))
