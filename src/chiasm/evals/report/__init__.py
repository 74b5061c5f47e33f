"""The report of an evaluation: what each task came to, as JSON, Markdown and one HTML file to read offline.

Each task leaves `scores.json` and `gallery.json` in its folder; the report over all of them is made from these alone,
so that tasks may be run one by one, or by several machines. It asks no model and scores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chiasm.evals.journal import write_json, write_whole
from chiasm.evals.report.entry import Entry, Report
from chiasm.evals.report.gallery import Gallery
from chiasm.evals.report.markdown import markdown
from chiasm.evals.report.page import page

SCORES, GALLERY = "scores.json", "gallery.json"

__all__ = ["Entry", "Gallery", "Report", "save_task", "write_report"]


def save_task(folder: Path, entry: Entry, gallery: Gallery) -> None:
    """Keep what a task came to in its folder, for `write_report`."""
    write_json(folder / GALLERY, gallery.model_dump())
    write_json(folder / SCORES, entry.model_dump())


def write_report(folder: Path, first: Sequence[str] = ()) -> Path:
    """Write report.json, report.md and report.html over all tasks below `folder`; returns the page's path.

    The tasks `first` come first, in that order. Raises `UserError` for a task's file of another version.
    """
    paths = sorted(folder.glob(f"*/{SCORES}"), key=lambda path: (_place(path.parent.name, first), path.parent.name))
    entries = [Entry.read(path) for path in paths]
    galleries = [Gallery.read(path.with_name(GALLERY)) for path in paths]
    report = Report.of(entries)
    write_json(folder / "report.json", report.model_dump())
    write_whole(folder / "report.md", markdown(report))
    write_whole(folder / "report.html", page(report, galleries))
    return folder / "report.html"


def _place(task: str, first: Sequence[str]) -> int:
    return first.index(task) if task in first else len(first)
