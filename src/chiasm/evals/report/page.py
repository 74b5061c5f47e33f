"""The report as one HTML file: tables made here, the gallery drawn by `page.js` from JSON in the page.

Answers are untrusted text: in tables everything is escaped, in the gallery it is only ever set as text, and the page's
policy runs no script but ours and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from chiasm.evals.report.entry import Entry, Measured, Report
from chiasm.evals.report.gallery import Gallery
from chiasm.evals.report.wording import beside, compared, difference, facts, invalid, number, published_title, span

_WIDTH, _HEIGHT = 180, 20  # pixels of a strip
_EDGE = 6


def page(report: Report, galleries: Sequence[Gallery]) -> str:
    """The whole file."""
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    plural = "" if len(report.tasks) == 1 else "s"
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        style=_asset("page.css"),
        script=script,
        model=escape(report.model),
        written=escape(f"{len(report.tasks)} benchmark{plural} · {report.written} · chiasm {report.chiasm}"),
        summary=_summary(report.tasks),
        sections="".join(_section(entry) for entry in report.tasks),
        galleries=_json([gallery.model_dump() for gallery in galleries]),
    )


def _asset(name: str) -> str:
    return (files("chiasm.evals.report") / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that no HTML parser leaves: `</script>` and `<!--` cannot occur without a `<`."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _summary(entries: Sequence[Entry]) -> str:
    known = ((model, of, entry.headline) for entry in entries for model, of in beside(entry).items())
    models = list(dict.fromkeys(model for model, of, headline in known if headline in of))
    rows = []
    for entry in entries:
        score, others = entry.score, {model: values.get(entry.headline) for model, values in beside(entry).items()}
        link = f'<a href="#of-{escape(entry.task)}">{escape(entry.task)}</a><small>{escape(entry.headline)}</small>'
        if score is None:
            told = f'<td colspan="3" class="quiet">{"scored by its server" if entry.submission else "not scored"}'
        else:
            strip = _strip(score, {model: value for model, value in others.items() if value is not None})
            told = f'<td class="score">{number(score.value)}<td class="quiet">{span(score)}<td>{strip}'
        part = "" if entry.whole else ' class="part"'
        rows.append(
            f"<tr><th scope=row>{link}{told}<td{part}>{escape(entry.extent)}<td>{escape(invalid(entry))}"
            + "".join(f'<td class="quiet">{_cell(others.get(model))}' for model in models)
        )
    head = ["benchmark", "score", "95 %", "", "asked", "invalid", *models]
    return _table(head, rows)


def _section(entry: Entry) -> str:
    parts = [f'<section id="of-{escape(entry.task)}"><h2>{escape(entry.task)}</h2><p>{escape(entry.about)}</p>']
    if entry.score is not None:
        parts.append(
            f'<p class="headline"><b>{number(entry.score.value)}</b> '
            f"<span>{escape(entry.headline)} {span(entry.score)}</span></p>"
        )
    parts.append('<ul class="facts">' + "".join(f"<li>{escape(fact)}" for fact in facts(entry)) + "</ul>")
    parts += [f'<p class="note">{escape(note)}</p>' for note in entry.notes]
    if entry.submission:
        parts.append(f"<p>In the server's form: <code>{escape(entry.submission)}</code></p>")
    if entry.against:
        parts.append(f'<p class="against">{escape(compared(entry.against))}</p>')
    if entry.metrics:
        parts.append(_metrics(entry))
    parts += [
        f"<p>By {escape(other.name)}: {other.num_invalid:,} invalid answers.</p>"
        for other in entry.others
        if other.num_invalid
    ]
    if entry.published:
        parts.append(_published(entry))
    return "".join(parts) + "</section>"


def _metrics(entry: Entry) -> str:
    published, against = beside(entry), entry.against
    rows = []
    for name, measured in entry.metrics.items():
        values = {model: of[name] for model, of in published.items() if name in of}
        row = f"<th scope=row>{escape(name)}<td class=score>{number(measured.value)}<td class=quiet>{span(measured)}"
        row += f"<td>{_strip(measured, values)}"
        row += "".join(f"<td>{_cell(other.metrics.get(name))}" for other in entry.others)
        if against:
            change = against.differences.get(name)
            row += f"<td>{_cell(against.metrics.get(name))}<td>{difference(change) if change else ''}"
        row += "".join(f'<td class="quiet">{_cell(values.get(model))}' for model in published)
        kind = ' class="main"' if name == entry.headline else ""
        rows.append(f"<tr{kind}>{row}")
    head = ["metric", entry.rule, "95 %", "", *(other.name for other in entry.others)]
    head += [against.run, "difference"] if against else []
    return _table([*head, *published], rows)


def _published(entry: Entry) -> str:
    known = entry.published
    assert known is not None
    names = list(dict.fromkeys(name for of in known.values.values() for name in of))
    rows = [
        f"<tr><th scope=row>{escape(model)}" + "".join(f"<td>{_cell(of.get(name))}" for name in names)
        for model, of in known.values.items()
    ]
    title, source = escape(published_title(entry)), escape(known.source)
    return (
        f"<details><summary>{title}</summary><p class=quiet>Source: {source}.</p>"
        f"{_table(['model', *names], rows)}</details>"
    )


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    cells = "".join(f"<th scope=col>{escape(title)}" for title in head)
    return f'<div class="scroll"><table><thead><tr>{cells}<tbody>{"".join(rows)}</table></div>'


def _cell(value: float | None) -> str:
    return "" if value is None else number(value)


def _strip(measured: Measured, published: Mapping[str, float]) -> str:
    """A value with its interval on a line from 0 to 100, or to whatever holds all of them; ticks are published."""
    highest = max([measured.value, measured.high or 0, *published.values()])
    top = 100.0 if highest <= 100 else highest * 1.05

    def at(value: float) -> str:
        return f"{_EDGE + (_WIDTH - 2 * _EDGE) * max(0.0, value) / top:.1f}"

    middle = _HEIGHT / 2
    drawn = [f'<line class="rail" x1="{at(0)}" x2="{at(top)}" y1="{middle}" y2="{middle}"/>']
    if measured.low is not None and measured.high is not None:
        drawn.append(
            f'<line class="span" x1="{at(measured.low)}" x2="{at(measured.high)}" y1="{middle}" y2="{middle}"/>'
        )
    for model, value in published.items():
        place = at(value)
        drawn.append(
            f'<line class="tick" x1="{place}" x2="{place}" y1="3" y2="{_HEIGHT - 3}">'
            f"<title>{escape(model)} {number(value)}</title></line>"
        )
    drawn.append(f'<circle cx="{at(measured.value)}" cy="{middle}" r="4"/>')
    said = f"{number(measured.value)} of {top:,.0f}"
    return f'<svg class="strip" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}">{"".join(drawn)}</svg>'
