"""What a task came to, as a value that is written to disk and read back: the numbers of every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from chiasm.errors import UserError
from chiasm.evals.published import published
from chiasm.evals.score import Scored
from chiasm.evals.statistics import Comparison, Interval, Intervals
from chiasm.version import __version__


class Stored(BaseModel):
    """A value kept as JSON; a file with other keys is another version's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The value in a file; raises `UserError` when it is not there whole."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}. Evaluate the task again") from None
        except ValidationError as error:
            raise UserError(
                f"{path} is not what this version of chiasm writes ({error.error_count()} faults). Remove it, and "
                "evaluate the task again: its answers are kept"
            ) from None


class Measured(Stored):
    """A metric with the ends of its 95 % interval, None where there are too few questions for one."""

    value: float
    low: float | None = None
    high: float | None = None


class ByRule(Stored):
    """The same answers by another rule, or the likeliest options in place of the answers."""

    name: str
    num_invalid: int
    metrics: dict[str, float]


class Against(Stored):
    """Another run on the same questions; `differences` are this run minus the other."""

    run: str
    num_won: int
    num_lost: int
    num_tied: int
    p_value: float
    test: str
    metrics: dict[str, float]
    differences: dict[str, Measured]


class PublishedNumbers(Stored):
    """What the papers say: `values[model][metric]`. Only `comparable` numbers are of these very questions."""

    on: str
    comparable: bool
    source: str
    values: dict[str, dict[str, float]]


class Spent(Stored):
    """What the answers cost. `seconds` are summed over processes; `cost` is words, where a price is known."""

    seconds: float
    num_prompt: int
    num_answer: int
    num_cut: int
    num_refused: int
    cost: str = ""


class Entry(Stored):
    """One task of a report. `metrics` are empty where only the benchmark's server knows the truth."""

    task: str
    model: str
    about: str
    headline: str
    rule: str
    extent: str
    num_questions: int
    num_total: int
    num_invalid: int
    num_groups: int
    num_resamples: int
    metrics: dict[str, Measured]
    others: list[ByRule] = []
    published: PublishedNumbers | None = None
    spent: Spent | None = None
    judge: str = ""
    submission: str = ""
    notes: list[str] = []
    against: Against | None = None

    @property
    def whole(self) -> bool:
        """Whether all questions of the task were asked."""
        return self.num_questions == self.num_total

    @property
    def score(self) -> Measured | None:
        """The one metric to print alone."""
        return self.metrics.get(self.headline)


class Report(Stored):
    """All tasks of a run. `model` is whose answers they are, or of whom some are."""

    model: str
    written: str
    chiasm: str
    tasks: list[Entry]

    @classmethod
    def of(cls, tasks: Sequence[Entry]) -> Report:
        """The report of now."""
        model = " and ".join(dict.fromkeys(entry.model for entry in tasks))
        return cls(model=model, written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", chiasm=__version__, tasks=[*tasks])


def measured(metrics: Mapping[str, float], intervals: Mapping[str, Interval]) -> dict[str, Measured]:
    """Metrics with their intervals, where there are any."""
    return {
        name: Measured(value=value, low=intervals[name].low, high=intervals[name].high)
        if name in intervals
        else Measured(value=value)
        for name, value in metrics.items()
    }


def entry_of(scored: Scored, model: str, about: str, headline: str, intervals: Intervals) -> Entry:
    """The entry of one scored task, beside the numbers published for it; `model_copy` adds what else is known."""
    known = published(scored.task)
    return Entry(
        task=scored.task,
        model=model,
        about=about,
        headline=headline,
        rule=scored.rule,
        extent=scored.extent,
        num_questions=len(scored.marks),
        num_total=scored.num_total,
        num_invalid=scored.num_invalid,
        num_groups=intervals.num_groups,
        num_resamples=intervals.num_resamples,
        metrics=measured(scored.metrics, intervals.of),
        published=None
        if known is None
        else PublishedNumbers(
            on=known.on,
            comparable=len(scored.marks) == scored.num_total and scored.num_total in known.sizes,
            source=known.source,
            values={model: dict(of) for model, of in known.values.items()},
        ),
    )


def against_of(run: str, other: Scored, comparison: Comparison) -> Against:
    """How `other`, the scores of `run`, compare; `comparison` is ours against it."""
    return Against(
        run=run,
        num_won=comparison.num_won,
        num_lost=comparison.num_lost,
        num_tied=comparison.num_tied,
        p_value=comparison.p_value,
        test=comparison.test,
        metrics=other.metrics,
        differences=measured(comparison.differences, comparison.intervals.of),
    )
