"""A judge as `chiasm eval` and `chiasm score` are told of it: who, where, at what price; and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from chiasm.chat import ChatModel
from chiasm.cli.benchmarks import note
from chiasm.cli.progress import bar
from chiasm.dispatch import Prices
from chiasm.errors import UserError
from chiasm.evals.asked import Asked
from chiasm.evals.ensembles import Ensemble, TwoModels
from chiasm.evals.judging import Watch
from chiasm.evals.outcome import REVIEWS, judged, review_note
from chiasm.evals.score import Scored
from chiasm.evals.task import Rule

RULINGS = "rulings.jsonl"  # of a judge between two models' answers


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge that is opened when there is something to judge."""

    name: str
    base_url: str | None
    prices: Prices | None

    @classmethod
    def of(
        cls, name: str | None, base_url: str | None, price_in: float | None = None, price_out: float | None = None
    ) -> Judge | None:
        """The judge options name; None without one. Options that say more about nobody are wrong usage."""
        if (price_in is None) != (price_out is None):
            raise typer.BadParameter("--price-in and --price-out go together: a reply uses tokens of both")
        prices = Prices(price_in, price_out) if price_in is not None and price_out is not None else None
        if name is None:
            if base_url is not None or prices is not None:
                raise typer.BadParameter("no judge is named: --judge openai:NAME, for example", param_hint="--judge")
            return None
        return cls(name, base_url, prices)

    def review(self, asked: Asked, texts: Mapping[str, str], reviews: Path) -> tuple[Scored, list[str]]:
        """Answers reviewed into a file, what that comes to, and what a person should know of it."""
        judging = asked.task.judging
        assert judging is not None
        with bar(f"{asked.name}, judging", len(asked.wanted) * len(judging.orders)) as advance:
            watch = Watch(advance, note)
            scored = judged(asked, texts, self.opened(), self.name, reviews, prices=self.prices, watch=watch)
        return scored, review_note(scored, reviews)

    def opened(self) -> ChatModel:
        """Whoever judges."""
        from chiasm.backends import open_model

        return open_model(self.name, base_url=self.base_url)


def score_by_judge(
    asked: Asked, answers: Path, judge: Judge | None, out: Path | None
) -> tuple[Scored, dict[str, str] | None, list[str]]:
    """The scores of reviews that are there, or of answers `judge` reviews; their texts, where known; and notes."""
    from chiasm.evals.outcome import from_reviews, reviews_at

    if judge is None:
        if (reviews := reviews_at(asked, answers)) is not None:
            scored = from_reviews(asked, reviews)
            return scored, None, review_note(scored, reviews)
        raise UserError(
            f"{asked.name} is scored by a judge, not by a rule: hand in the judge's reviews, or let one judge these "
            "answers with --judge BACKEND:MODEL"
        )
    if reviews_at(asked, answers) == answers:
        raise UserError(f"{answers} holds reviews, not answers: leave out --judge to sum them up")
    read = asked.answers(answers)
    scored, notes = judge.review(asked, read.texts, _kept(asked, answers, out, REVIEWS))
    return scored, None, [*read.notes, *notes]


def put_together(
    asked: Asked, answers: Path, other: Path, rule: Rule, judge: Judge | None, out: Path | None
) -> Ensemble:
    """The answers in two files as one: complemented, or settled by `judge` where they disagree."""
    two = TwoModels(asked.task, asked.wanted, asked.answers(answers).texts, asked.answers(other).texts, rule)
    if judge is None:
        return two.complement()
    rulings = _kept(asked, answers, out, RULINGS)
    return two.arbitrate(judge.opened(), judge.name, rulings, Watch(note=note))


def _kept(asked: Asked, answers: Path, out: Path | None, name: str) -> Path:
    """Where a judge's replies go: into the report's folder, the run's, or beside the answers."""
    if out is not None:
        return out / asked.name / name
    if answers.is_dir():
        below = answers / asked.name
        return (below if below.is_dir() else answers) / name
    return answers.with_name(f"{answers.stem}.{name}")
