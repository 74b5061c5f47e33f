"""`chiasm score`: the score of an answers file. No model, no torch; a whole set takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chiasm.cli.benchmarks import known_rule, known_task, note, print_entry, print_json, read_other
from chiasm.errors import UserError
from chiasm.evals.asked import Asked
from chiasm.evals.score import Scored
from chiasm.evals.task import Rule


def score(
    task: Annotated[str, typer.Argument(help="A benchmark: see `chiasm list tasks`.")],
    answers: Annotated[Path, typer.Argument(help="LLaVA's JSON lines, a benchmark's own form, reviews, or a run.")],
    data: Annotated[Path, typer.Option(help="The folder of the benchmark's files, or of LLaVA's bundle.")],
    rule: Annotated[str, typer.Option(help="How answers are read: published or strict.")] = "published",
    limit: Annotated[int | None, typer.Option(min=1, help="Score only the first so many questions.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare question by question with these answers, or this run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a report with a gallery into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score answers to a benchmark again; no model is needed.

    \b
    Examples:
      chiasm score pope answers.jsonl --data playground/data/eval
      chiasm score mme runs/eval/llava-v1.5-7b --data MME --rule strict --json
    """
    found = known_task(task)
    by_rule = known_rule(rule, {task: found})
    asked = Asked.of(task, found, data, limit)
    scored, texts, notes = _scored(asked, answers, by_rule)
    if as_json:
        for message in notes:
            note(message)
        print_json(scored)
        if out is None:
            return

    from chiasm.evals import outcome

    other = read_other(asked, against, scored) if against is not None else None
    entry = outcome.entry_for(asked, scored, str(answers), texts).model_copy(update={"notes": notes})
    if other is not None and against is not None:
        entry = entry.model_copy(update={"against": outcome.against(asked, scored, other, str(against))})
    if out is not None:
        from chiasm.evals.report import save_task, write_report
        from chiasm.evals.report.gallery import gallery_of

        sent = outcome.submission(asked, texts, out / task / "submission") if texts else None
        entry = entry.model_copy(update={"submission": str(sent) if sent else ""})
        save_task(out / task, entry, gallery_of(scored, other))
        page = write_report(out, [task])
    if not as_json:
        print_entry(entry)
        if out is not None:
            print(f"report: {page}")


def _scored(asked: Asked, answers: Path, rule: Rule) -> tuple[Scored, dict[str, str] | None, list[str]]:
    """The scores, the texts they are of (None for reviews), and notes for a person."""
    if asked.task.judging is not None:
        from chiasm.evals.outcome import from_reviews, reviews_at

        if (reviews := reviews_at(asked, answers)) is not None:
            return from_reviews(asked, reviews), None, []
        raise UserError(
            f"{asked.name} is scored by a judge, not by a rule: hand in the judge's reviews, or let one judge with "
            f"`chiasm eval {asked.name} --judge BACKEND:MODEL`"
        )
    read = asked.answers(answers)
    return asked.score(read.texts, rule), read.texts, list(read.notes)
