"""From answers that are there to everything a report says about a task: scores by each rule, intervals, comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chiasm.chat import ChatModel
from chiasm.dispatch import Prices
from chiasm.evals.asked import Asked
from chiasm.evals.report.entry import Against, ByRule, Entry, Spent, against_of, entry_of
from chiasm.evals.run import Used, likeliest
from chiasm.evals.score import Scored, sum_up
from chiasm.evals.statistics import Intervals, bootstrap, compare
from chiasm.evals.task import Rule

if TYPE_CHECKING:
    from chiasm.evals.judging import Watch

LIKELIEST = "likeliest option"
REVIEWS = "reviews.jsonl"  # of a judge, in a task's folder


def entry_for(asked: Asked, scored: Scored, model: str, texts: Mapping[str, str] | None) -> Entry:
    """The entry of `model`'s scores, with those of the task's other rules where `texts` are given."""
    around = bootstrap(scored.marks, asked.task.metrics) if scored.metrics else Intervals({}, 0, 0)
    entry = entry_of(scored, model, asked.task.about, asked.task.headline, around)
    others = [] if texts is None else [asked.score(texts, rule) for rule in asked.task.rules if rule != scored.rule]
    return entry.model_copy(update={"others": [_by_rule(other.rule, other) for other in others]})


def against(asked: Asked, scored: Scored, other: Scored, run: str) -> Against:
    """How `scored` compares with `other`, the same questions as answered in `run`."""
    return against_of(run, other, compare(scored.marks, other.marks, asked.task.metrics))


def by_likelihood(asked: Asked, folder: Path, rule: Rule) -> ByRule | None:
    """The score of always giving the likeliest option, as ranked in a run's folder; None where nothing was ranked.

    Over the questions that have options; metrics of the others are left out only where all questions have some.
    """
    having = [question for question in asked.wanted if question.options]
    texts = likeliest(folder, asked.task, having)
    if texts is None:
        return None
    part = replace(asked, wanted=having)
    name = LIKELIEST if len(having) == len(asked.wanted) else f"{LIKELIEST}, {len(having):,} questions"
    return _by_rule(name, part.score(texts, rule))


def spent_of(used: Used, cost: str = "") -> Spent:
    """What answering used, as a report keeps it."""
    return Spent(
        seconds=used.seconds,
        num_prompt=used.num_prompt,
        num_answer=used.num_answer,
        num_cut=used.num_cut,
        num_refused=used.num_refused,
        cost=cost,
    )


def submission(asked: Asked, texts: Mapping[str, str], folder: Path) -> Path | None:
    """Write what the benchmark's server takes into `folder`; None for tasks without one.

    Raises `UserError` unless all questions of the task are asked: servers refuse parts.
    """
    if asked.task.submit is None:
        return None
    if len(asked.wanted) != len(asked.questions):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return asked.task.submit(asked.questions, texts, folder)


def _by_rule(name: str, scored: Scored) -> ByRule:
    return ByRule(name=name, num_invalid=scored.num_invalid, metrics=scored.metrics)


def reviews_at(asked: Asked, path: Path) -> Path | None:
    """A judge's reviews: the file itself, or that of a run's folder; None where there are none."""
    from chiasm.evals import judging

    places = (path, path / asked.name / REVIEWS, path / REVIEWS)
    return next((place for place in places if place.is_file() and judging.are_reviews(place)), None)


def from_reviews(asked: Asked, reviews: Path, texts: Mapping[str, str] | None = None) -> Scored:
    """What a judge's stored reviews sum up to; `texts` are the answers where they are at hand."""
    from chiasm.evals import judging

    marks = judging.marks_from_reviews(asked.task, asked.wanted, texts, reviews)
    return sum_up(asked.name, asked.task, marks, asked.task.rules[0], len(asked.questions))


def judged(
    asked: Asked,
    texts: Mapping[str, str],
    judge: ChatModel,
    judge_name: str,
    reviews: Path,
    *,
    prices: Prices | None = None,
    watch: Watch | None = None,
) -> Scored:
    """Let `judge` review answers into the file `reviews`; what stands there is not asked again."""
    from chiasm.evals import judging

    judging.judge_answers(asked.task, asked.wanted, texts, judge, reviews, judge_name, prices=prices, watch=watch)
    return from_reviews(asked, reviews, texts)


def review_note(scored: Scored, reviews: Path) -> list[str]:
    """How many answers a judge's reviews are valid for, who judged, and what that used, as a line for a person."""
    from chiasm.evals import judging

    num, num_valid = len(scored.marks), len(scored.marks) - scored.num_invalid
    who = judging.spent_on(reviews)
    return [f"{num_valid:,} of {num:,} answers have a valid review" + (f"; {who}" if who else "")]
