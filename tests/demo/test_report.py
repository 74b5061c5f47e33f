"""The demo's report: one file that needs no network and shows whatever a model may say as text."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chiasm import checkpoints
from chiasm.demo.asking import CODES
from chiasm.demo.looking import LookedWord
from chiasm.demo.report import write_report
from chiasm.demo.report.accuracy import accuracy
from chiasm.demo.report.curves import curve, ends
from chiasm.demo.report.gallery import choose
from chiasm.demo.report.sequence import chips
from chiasm.demo.report.shown_pictures import Shown
from chiasm.demo.report.wording import count, duration
from chiasm.demo.story import LAST, MOMENTS, SIZE, Story
from chiasm.processing.processor import Processor
from tests.serving.browser import Browser, Page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.classes: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.addresses.append(value or "")
            if name == "class":
                self.classes += (value or "").split()
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def written(told: Story) -> Path:
    return write_report(told)


def test_it_stands_alone(written: Path, told: Story) -> None:
    assert written == told.folder / "report.html"
    reader, text = _read(written), written.read_text(encoding="utf-8")
    assert reader.addresses
    assert all(address.startswith("data:image/") for address in reader.addresses)
    assert not {"link", "iframe", "object", "base"} & set(reader.tags)
    assert "@import" not in text
    assert all(found.startswith("data:image/") for found in re.findall(r"url\(([^)]*)\)", text))
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    assert len(text) < 4_000_000


def test_it_holds_what_the_issue_of_a_demo_is(written: Path, told: Story) -> None:
    text = html.unescape(written.read_text(encoding="utf-8"))
    reader = _read(written)
    assert reader.classes.count("sequence") == 2 * len(CODES)  # two stages, two languages
    assert reader.classes.count("curve") == 2
    assert reader.classes.count("set") == len({request.images[0] for request in told.requests})
    for request in told.requests:
        assert request.text.partition("\n")[0] in text
        assert request.expected in text
    for name in MOMENTS:
        assert f"<b>{told.total(name).percent:.0f}<i>%" in text
    for code in CODES:
        for share in told.shares(LAST, code).values():
            assert f"{share.percent:.1f} <small>{share.interval.low:.0f}–{share.interval.high:.0f}" in text
    assert f"chiasm chat -m {told.folder / 'final'}" in text
    assert "chiasm train llava_v15_7b" in text


def test_what_a_model_says_is_text(told: Story, tmp_path: Path) -> None:
    evil = '</script><script>alert(1)</script><img src="http://evil" onerror="x">'
    answers = {moment: dict.fromkeys(texts, evil) for moment, texts in told.answers.items()}
    looked = {
        key: [replace(word, text=evil) for word in words] or [LookedWord(evil)] for key, words in told.looked.items()
    }
    for name in ("world", "run", "final"):
        (tmp_path / name).symlink_to(told.folder / name)
    reader = _read(write_report(replace(told, folder=tmp_path, answers=answers, looked=looked)))
    assert reader.tags.count("script") == 2  # the page's data and its own
    assert reader.handlers == []
    assert all(address.startswith("data:") for address in reader.addresses)
    assert evil in "".join(reader.texts)


@pytest.mark.parametrize("log", [None, "", '{"stage": "align", "step": 1, "num_trained": 0}\n{"stage": "al'])
def test_without_a_log_there_are_no_curves(told: Story, tmp_path: Path, log: str | None) -> None:
    for name in ("world", "final"):
        (tmp_path / name).symlink_to(told.folder / name)
    (tmp_path / "run").mkdir()
    shutil.copy(told.run_folder / "recipe.yaml", tmp_path / "run")
    if log is not None:
        (tmp_path / "run" / "metrics.jsonl").write_text(log)
    reader = _read(write_report(replace(told, folder=tmp_path)))
    assert "curve" not in reader.classes
    assert "sequence" in reader.classes


# ---- its parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [[2.0], [0.0, 0.0], [3.0, 1.0], [9.0, *[1.0] * 200]])
def test_curves_of_any_length(losses: list[float]) -> None:
    drawn = curve(list(range(1, len(losses) + 1)), losses, "loss")
    for points in re.findall(r'points="([^"]+)"', drawn):
        places = [tuple(map(float, point.split(","))) for point in points.split()]
        assert len(places) == len(losses)
        assert all(0 <= x <= 460 and 0 <= y <= 210 for x, y in places)
    assert ends(losses) == (losses[0], losses[-1])


def test_no_steps_no_curve() -> None:
    assert curve([], [], "loss") == ""


def test_tokens_of_one_character_are_one_chip(told: Story) -> None:
    processor: Processor = checkpoints.load_processor(told.folder / "final")
    ids = processor.tokenizer.encode_text("ox🐂")
    found = list(
        chips([(token, False) for token in ids] + [(processor.tokenizer.special["<|im_end|>"], True)], processor)
    )
    assert "".join(chip.text for chip in found) == "ox🐂<|im_end|>"
    assert next(chip for chip in found if chip.text == "🐂").num_tokens == 4  # no vocabulary of 300 knows it
    assert [chip.learnt for chip in found] == [False] * (len(found) - 1) + [True]
    assert [chip.special for chip in found] == [False] * (len(found) - 1) + [True]


def test_tokens_that_make_no_character_are_shown_all_the_same(told: Story) -> None:
    processor: Processor = checkpoints.load_processor(told.folder / "final")
    ids = processor.tokenizer.encode_text("🐂")
    (chip,) = chips([(token, True) for token in ids[:2]], processor)
    assert (chip.num_tokens, set(chip.text)) == (2, {"\ufffd"})


def test_pictures_come_again_only_when_there_is_no_other(told: Story) -> None:
    chosen = choose(told)
    kinds = [name for name, _ in chosen]
    assert kinds == list(dict.fromkeys(kinds))  # one of a kind: no more were asked here
    for name, questions in chosen:
        assert questions["en"].images == questions["zh"].images
        assert {question.category for question in questions.values()} == {name}
    shown = [questions["en"].images for _, questions in chosen]
    assert len(set(shown)) >= 2


def test_every_lane_is_where_its_number_is(told: Story) -> None:
    drawn = accuracy(told)
    for code in CODES:
        for share in told.shares(LAST, code).values():
            assert f'class="dot {LAST}" style="left:{share.percent:.1f}%"' in drawn


def test_boxes_lie_where_they_lie_in_the_picture(told: Story) -> None:
    """Boxes are of the padded square: in a picture twice as wide as high, its middle half is the picture."""
    shown = Shown(told.requests[0].images[0], told.seed, SIZE)
    wide = replace(shown.scene, width=140, height=70)
    shown.__dict__["scene"] = wide
    assert "left:25.0%;top:0.0%;width:50.0%;height:100.0%" in shown.frame((0.25, 0.25, 0.75, 0.75), "said")
    assert "top:50.0%" in shown.frame((0.25, 0.5, 0.75, 0.75), "said")
    assert shown.frame((0.25, 0.0, 0.75, 0.2), "said") == ""  # in the padding


@pytest.mark.parametrize(
    ("number", "said"), [(512, "512"), (74_112, "74 K"), (2_802_432, "2.8 M"), (7_063_427_072, "7.1 B")]
)
def test_parameters_in_short(number: int, said: str) -> None:
    assert count(number) == said


def test_durations() -> None:
    assert duration(59.6) == ("60 seconds", "60 秒")
    assert duration(372) == ("6.2 minutes", "6.2 分钟")


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(written: Path, tmp_path: Path) -> Iterator[Page]:
    browser = Browser(tmp_path / "profile")
    opened = browser.page(written.as_uri())
    yield opened
    complaints = opened.complaints()
    browser.close()
    assert complaints == []


def test_a_person_finds_their_way(page: Page, told: Story) -> None:
    for width in (320, 390, 768, 1200):
        page.look(width, 800)
        assert page.run("document.documentElement.scrollWidth") == width
    # The language.
    assert page.text("h1") == ["Two models that had never met"]
    page.run("document.getElementById('chinese').click()")
    assert page.text("h1") == ["两个素不相识的模型"]
    assert page.run("document.documentElement.lang") == "zh"
    # One set of pictures at a time.
    assert page.run("[...document.querySelectorAll('.set')].filter((set) => !set.hidden).length") == 1
    page.click("#tab-1")
    assert page.run("document.getElementById('set-1').hidden") is False
    # One kind of question, and all again.
    page.click('.kinds [data-kind="colour"]')
    assert page.run("[...document.querySelectorAll('.card')].filter((card) => !card.hidden).length") == 1
    page.click('.kinds [data-kind="colour"]')
    assert page.run("[...document.querySelectorAll('.card')].filter((card) => !card.hidden).length") > 5


def test_a_word_shows_where_the_model_looked(page: Page, told: Story) -> None:
    spoken = next((r for r in told.requests if any(word.maps for word in told.looked[r.key])), None)
    if spoken is None:
        pytest.skip("a model that knows nothing said no word here")
    answer = f'[data-key="{spoken.key}"]'
    page.run(f"document.querySelector('{answer}').closest('.set').hidden = false")
    page.run(f"document.querySelector('{answer} .word').click()")
    assert page.run(f"document.querySelectorAll('{answer} .word.on').length") == 1
    shown = page.run(f"document.querySelector('{answer}').closest('.set').querySelectorAll('canvas.on').length")
    assert shown == len(spoken.images)
    assert "%" in "".join(page.text(".set:not([hidden]) .caption"))
    assert json.loads(page.run("document.getElementById('looked').textContent")).keys() == told.looked.keys()
    # By the keyboard: away, and to the first word.
    page.run(f"document.querySelector('{answer}').focus()")
    page.escape()
    assert page.run("document.querySelectorAll('canvas.on').length") == 0
    page.key("ArrowRight", 39)
    assert page.run(f"document.querySelector('{answer} .word').classList.contains('on')") is True
