"""The report as Markdown: the page's tables without its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chiasm.evals.report.entry import Entry, Report
from chiasm.evals.report.wording import beside, compared, difference, facts, invalid, number, published_title, span


def markdown(report: Report) -> str:
    """The whole file."""
    parts = [f"# {_plain(report.model)}", f"chiasm {report.chiasm}, {report.written}. Brackets are 95 % intervals."]
    parts += [_summary(report.tasks), *(_section(entry) for entry in report.tasks)]
    return "\n\n".join(parts) + "\n"


def _summary(entries: Sequence[Entry]) -> str:
    models = list(dict.fromkeys(model for entry in entries for model in beside(entry)))
    rows = []
    for entry in entries:
        score, others = entry.score, beside(entry)
        told = [number(score.value), span(score)] if score else ["by the server" if entry.submission else "–", ""]
        published = [_cell(others.get(model, {}).get(entry.headline)) for model in models]
        rows.append([entry.task, entry.headline, *told, entry.extent, invalid(entry), *published])
    return table(["task", "metric", "score", "95 %", "asked", "invalid", *models], rows, left=2)


def _section(entry: Entry) -> str:
    parts = [f"## {_plain(entry.task)}", _plain(entry.about), _plain("; ".join(facts(entry))) + "."]
    parts += [f"Note: {_plain(note)}." for note in entry.notes]
    if entry.submission:
        parts.append(f"In the server's form: {_plain(entry.submission)}")
    if entry.metrics:
        others, published = entry.others, beside(entry)
        head = ["metric", entry.rule, "95 %", *(other.name for other in others)]
        head += [f"against {entry.against.run}"] if entry.against else []
        rows = []
        for name, measured in entry.metrics.items():
            row = [name, number(measured.value), span(measured)]
            row += [_cell(other.metrics.get(name)) for other in others]
            if entry.against:
                change = entry.against.differences.get(name)
                row.append(difference(change) if change else "")
            rows.append([*row, *(_cell(values.get(name)) for values in published.values())])
        parts.append(table([*head, *published], rows))
        parts += [f"By {other.name}: {other.num_invalid:,} invalid answers." for other in others if other.num_invalid]
    if entry.against:
        parts.append(_plain(compared(entry.against)))
    if entry.published:
        parts.append(f"{published_title(entry)}. Source: {entry.published.source}.")
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table whose first `left` columns stand left, numbers right."""
    lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _cell(value: float | None) -> str:
    return "" if value is None else number(value)


def _plain(text: str) -> str:
    """Text that cannot break out of its cell or line."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
