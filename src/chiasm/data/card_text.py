"""A card as Markdown, from the values of its JSON. Knows nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def as_markdown(card: Mapping[str, Any]) -> str:
    """The card of `chiasm.data.mix.Mixed.as_dict`, for people."""
    parts: Mapping[str, Mapping[str, Any]] = card["parts"]
    missing = card["pictures_missing"]
    lines = [
        f"# {_cell(card['mixture'])}",
        "",
        f"{card['records']:,} records, {card['with_picture']:,} with a picture, seed {card['seed']}, chiasm "
        f"{card['chiasm']}. Pictures missing: {'not looked for' if missing is None else f'{missing:,}'}.",
        "",
        "## Sources",
        "",
        *_table(*_sources(parts)),
        "",
        f"## Lengths, in {card['unit']}",
        "",
        *_table(*_lengths(card, parts)),
        "",
        "## Response formats",
        "",
        *_table(("format", "records", "share"), _shares(card["formats"], card["records"])),
        "",
        "A record with two formats counts for both.",
        "",
        "## Scripts of the answers",
        "",
        *_table(("script", "records", "share"), _shares(card["scripts"], card["records"])),
    ]
    if "recognised" in card:
        rows = _shares(card["recognised"], sum(card["recognised"].values()))
        lines += ["", "## Looks like", "", "Your own records by the published source they have the form of.", ""]
        lines += _table(("source", "records", "share"), rows)
    for title, rows in (("Dropped, damaged", _reasons(parts, "dropped")), ("Left out", _reasons(parts, "left_out"))):
        if rows:
            lines += ["", f"## {title}", "", *_table(("part", "reason", "count"), rows)]
    if card["missing_examples"]:
        lines += ["", "## Missing pictures, the first", "", *(f"- {_cell(name)}" for name in card["missing_examples"])]
    files = [
        (name, file["key"], file["name"], f"{file['bytes']:,}", file["sha256"][:16])
        for name, part in parts.items()
        for file in part.get("files", ())
    ]
    if files:
        lines += ["", "## Files read", "", *_table(("part", "file", "name", "bytes", "sha256"), files)]
    return "\n".join(lines) + "\n"


def _sources(parts: Mapping[str, Mapping[str, Any]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Published counts get columns only where a part has one."""
    compare = any("published" in part for part in parts.values())
    head = ["part", "source", "records", "of", "wanted", "with picture"]
    head += ["published", "difference"] if compare else []
    rows: list[Sequence[str]] = []
    for name, part in parts.items():
        of = f"absent: {part['absent']}" if "absent" in part else f"{part['available']:,}"
        wanted = f"{part['wanted']:,}" if "wanted" in part else "all"
        row = [name, part.get("source", ""), f"{part['records']:,}", of, wanted, f"{part['with_picture']:,}"]
        if compare:
            known = "published" in part
            row += [f"{part['published']:,}", f"{part['difference']:+,}"] if known else ["", ""]
        rows.append(row)
    if compare and len(parts) > 1:
        kept, known = (sum(part.get(key, 0) for part in parts.values()) for key in ("records", "published"))
        rows.append(["all", "", f"{kept:,}", "", "", "", f"{known:,}", f"{kept - known:+,}"])
    return head, rows


def _lengths(
    card: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]
) -> tuple[Sequence[str], list[Sequence[str]]]:
    head = ("part", "answers a record", "record, median", "95 %", "longest", "answer, median", "95 %", "longest")
    rows: list[Sequence[str]] = []
    for name, part in [*parts.items(), ("all", card)]:
        if part["records"]:
            record, answer = part["length"], part["answer_length"]
            row = [name, f"{part['answers_a_record']['mean']:g}"]
            rows.append(row + [f"{spread[key]:,}" for spread in (record, answer) for key in ("median", "p95", "max")])
    return head, rows


def _shares(counts: Mapping[str, int], whole: int) -> list[Sequence[str]]:
    return [(name, f"{count:,}", f"{100 * count / max(whole, 1):.1f} %") for name, count in counts.items()]


def _reasons(parts: Mapping[str, Mapping[str, Any]], key: str) -> list[Sequence[str]]:
    return [(n, reason, f"{count:,}") for n, part in parts.items() for reason, count in part.get(key, {}).items()]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: object) -> str:
    """Text that cannot break out of its cell, whatever file names and records hold."""
    flat = " ".join(str(text).split()).encode("utf-8", "backslashreplace").decode("utf-8")
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
