"""Scoring answers that are there: marks by a rule, metrics over them. No model, no files, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chiasm.errors import UserError
from chiasm.evals.task import Mark, Question, Rule, Task

_DECIMALS = 4  # of a metric in JSON; ours


@dataclass(frozen=True, slots=True)
class Scored:
    """Answers to a task's first `len(marks)` of `num_total` questions, as one rule sees them.

    `metrics` are empty where only the benchmark's server knows the truth.
    """

    task: str
    rule: Rule
    marks: tuple[Mark, ...]
    metrics: dict[str, float]
    num_total: int

    @property
    def num_invalid(self) -> int:
        """Answers that could not be read as one."""
        return sum(mark.invalid for mark in self.marks)

    @property
    def extent(self) -> str:
        """ "8,910 questions", or "first 100 of 8,910 questions"."""
        if len(self.marks) == self.num_total:
            return f"{self.num_total:,} questions"
        return f"first {len(self.marks):,} of {self.num_total:,} questions"

    def to_json(self) -> dict[str, object]:
        """What `--json` prints: programs rely on exactly these keys."""
        return {
            "task": self.task,
            "rule": self.rule,
            "num_questions": len(self.marks),
            "num_invalid": self.num_invalid,
            "metrics": {name: round(value, _DECIMALS) for name, value in self.metrics.items()},
        }


def score(
    name: str,
    task: Task,
    questions: Sequence[Question],
    texts: Mapping[str, str],
    rule: Rule,
    num_total: int | None = None,
) -> Scored:
    """Mark `texts` (by key, one for every question) by `rule`. `num_total` is how many questions the task has in all.

    Raises `UserError` for a rule the task does not have.
    """
    if rule not in task.rules:
        raise UserError(f"{name} has no rule '{rule}', only {' and '.join(task.rules)}")
    return sum_up(name, task, task.mark(questions, texts, rule), rule, num_total)


def sum_up(name: str, task: Task, marks: Sequence[Mark], rule: Rule, num_total: int | None = None) -> Scored:
    """The metrics of marks that are already there, a judge's for example."""
    return Scored(name, rule, tuple(marks), task.metrics(marks), len(marks) if num_total is None else num_total)
