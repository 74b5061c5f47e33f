"""The demo's report: one file that needs no network and shows whatever a model may say as text."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chiasm.demo.report import write_report
from chiasm.demo.story import MOMENTS, Story


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture
def written(told: Story) -> Path:
    return write_report(told)


def test_it_stands_alone(written: Path, told: Story) -> None:
    assert written == told.folder / "report.html"
    reader = _read(written)
    assert reader.addresses
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert not {"script", "link", "iframe"} & set(reader.tags)
    assert "@import" not in written.read_text()
    assert not re.search(r"url\(", written.read_text())


def test_it_holds_the_table_the_curves_and_the_answers(written: Path, told: Story) -> None:
    text = html.unescape(written.read_text())
    for moment, title in MOMENTS.items():
        assert title in text
        assert f"{told.accuracy(moment):.1f}" in text
    for kind in told.kinds:
        assert f"<td>{kind}" in text
    assert f"{told.guessing():.1f}" in text
    reader = _read(written)
    assert reader.tags.count("svg") == 4  # see, talk, align, instruct
    assert reader.tags.count("figure") == min(24, len(told.asked))


def test_what_a_model_says_is_text(told: Story, tmp_path: Path) -> None:
    evil = '<script>alert(1)</script><img src="http://evil">'
    asked = [replace(a, answers=dict.fromkeys(MOMENTS, evil), truth=evil, question=evil, kind=evil) for a in told.asked]
    for name in ("world", "run"):
        (tmp_path / name).symlink_to(told.folder / name)
    reader = _read(write_report(Story(tmp_path, asked)))
    assert "script" not in reader.tags
    assert all(address.startswith("data:") for address in reader.addresses)
    assert evil in "".join(reader.texts)


@pytest.mark.parametrize("log", [None, "", '{"stage": "align", "step": 1, "num_trained": 0}\n{"stage": "al'])
def test_without_a_log_there_are_no_curves(told: Story, tmp_path: Path, log: str | None) -> None:
    (tmp_path / "world").symlink_to(told.folder / "world")
    (tmp_path / "run").mkdir()
    if log is not None:
        (tmp_path / "run" / "metrics.jsonl").write_text(log)
    reader = _read(write_report(Story(tmp_path, told.asked)))
    assert "svg" not in reader.tags
    assert "figure" in reader.tags


@pytest.mark.parametrize("losses", [[2.0], [0.0, 0.0], [3.0, 1.0]])
def test_curves_of_any_length(told: Story, tmp_path: Path, losses: list[float]) -> None:
    (tmp_path / "world").symlink_to(told.folder / "world")
    (tmp_path / "run").mkdir()
    lines = (f'{{"stage": "align", "step": {n}, "loss": {loss}}}\n' for n, loss in enumerate(losses, start=1))
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(lines))
    text = write_report(Story(tmp_path, told.asked)).read_text()
    assert f"{losses[0]:.2f} → {losses[-1]:.2f} in {len(losses)} steps" in text
