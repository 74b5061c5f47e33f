"""What `chiasm eval` and `chiasm score` share: benchmarks by name, and their scores as a table on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chiasm import evals
from chiasm.errors import UserError, suggest
from chiasm.evals.answers import answer_files
from chiasm.evals.asked import Asked
from chiasm.evals.score import Scored
from chiasm.evals.task import Rule, Task

if TYPE_CHECKING:
    from chiasm.evals.report import Entry

RULES: tuple[Rule, ...] = ("published", "strict")


def known_task(name: str) -> Task:
    """The task called `name`; another name is wrong usage."""
    try:
        return evals.find(name)
    except UserError as error:
        raise typer.BadParameter(str(error), param_hint="TASK") from None


def known_rule(name: str, tasks: dict[str, Task]) -> Rule:
    """The rule called `name`, which every one of `tasks` has."""
    rule = next((each for each in RULES if each == name), None)
    if rule is None:
        raise typer.BadParameter(f"no rule '{name}': {suggest(name, RULES)}", param_hint="--rule")
    if without := [task for task, found in tasks.items() if rule not in found.rules]:
        raise typer.BadParameter(
            f"{', '.join(without)} has no rule '{rule}', only {' and '.join(tasks[without[0]].rules)}",
            param_hint="--rule",
        )
    return rule


def read_other(asked: Asked, run: Path, scored: Scored) -> Scored:
    """The scores of another run's answers to the same questions, by the same rule, or by its judge's reviews."""
    if asked.task.judging is None:
        return asked.score(asked.answers(run).texts, scored.rule)
    from chiasm.evals.outcome import from_reviews

    texts = asked.answers(run).texts if answer_files(run, asked.name) else None
    return from_reviews(asked, _reviews(asked, run), texts)


def check_other(asked: Asked, run: Path) -> None:
    """Raise `UserError` unless another run's answers can be compared with."""
    if asked.task.judging is None:
        asked.answers(run)
    else:
        _reviews(asked, run)


def note(message: str) -> None:
    """A line for a person, where no program reads it."""
    print(f"note: {message}", file=sys.stderr)


def print_json(scored: Scored) -> None:
    """The one object programs rely on."""
    print(json.dumps(scored.to_json(), ensure_ascii=False))


def print_entry(entry: Entry) -> None:
    """An entry's numbers as a table, with what must be known to read them."""
    from chiasm.evals.report.wording import beside, compared, difference, facts, number, span

    print(f"{entry.task}: {'; '.join(facts(entry))}")
    if entry.metrics:
        published = {model: of for model, of in beside(entry).items() if set(of) & set(entry.metrics)}
        head = [
            "",
            entry.rule,
            "95 %",
            *(other.name for other in entry.others),
            *(["difference"] * bool(entry.against)),
        ]
        rows = [[*head, *published]]
        for name, measured in entry.metrics.items():
            columns = [other.metrics for other in entry.others]
            change = entry.against.differences.get(name) if entry.against else None
            row = [name, number(measured.value), span(measured), *(_cell(of.get(name)) for of in columns)]
            row += [difference(change) if change else ""] * bool(entry.against)
            rows.append([*row, *(_cell(of.get(name)) for of in published.values())])
        _print_table(rows)
        for other in entry.others:
            if other.num_invalid != entry.num_invalid:
                print(f"  by {other.name}: {other.num_invalid:,} invalid answers")
    elif entry.submission:
        print("  only the benchmark's server knows the truth")
    if entry.against:
        print(f"  {compared(entry.against)}")
    for message in entry.notes:
        note(message)
    if entry.submission:
        print(f"  in the server's form: {entry.submission}")


def _reviews(asked: Asked, run: Path) -> Path:
    from chiasm.evals.outcome import reviews_at

    reviews = reviews_at(asked, run)
    if reviews is None:
        raise UserError(f"{run} holds no reviews of {asked.name} to compare with: let a judge review it first")
    return reviews


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cell for cell, width in zip(cells, widths, strict=True) if width).rstrip())
