"""The report: its numbers, its pictures, and that no answer gets out of its place."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from chiasm.errors import UserError
from chiasm.evals.asked import Asked
from chiasm.evals.outcome import against, by_likelihood, entry_for, spent_of, submission
from chiasm.evals.report import Entry, Gallery, save_task, write_report
from chiasm.evals.report.gallery import expected, gallery_of
from chiasm.evals.report.wording import compared, duration, facts
from chiasm.evals.run import Used
from chiasm.evals.task import Mark, Question
from tests.evals.colours import TASK, knowing, write_data

EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u2028\ud800"


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked.of("tests.evals.colours", TASK, write_data(tmp_path / "data"))


def texts_of(asked: Asked, **changes: str) -> dict[str, str]:
    """Good answers but for `changes`, by key with an underscore in front."""
    good = {question.key: knowing(question.conversation) for question in asked.questions}
    return good | {key.removeprefix("_"): text for key, text in changes.items()}


def report(folder: Path, asked: Asked, texts: dict[str, str], other: dict[str, str] | None = None) -> Entry:
    """Write the whole report of a task into `folder`."""
    scored = asked.score(texts, "published")
    entry = entry_for(asked, scored, "a model", texts)
    theirs = asked.score(other, "published") if other else None
    if theirs:
        entry = entry.model_copy(update={"against": against(asked, scored, theirs, "another run")})
    save_task(folder / asked.name, entry, gallery_of(scored, theirs))
    write_report(folder)
    return entry


class Page(html.parser.HTMLParser):
    """The tags of a page, what its scripts and JSON hold, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.shown = ""
        self._script = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._script = tag == "script"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[-1] += data
        else:
            self.shown += data


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_an_entry_holds_both_rules_and_the_intervals(asked: Asked) -> None:
    texts = texts_of(asked, _0="", _1="Blue")
    entry = entry_for(asked, asked.score(texts, "published"), "a model", texts)
    assert (entry.num_questions, entry.num_total, entry.num_invalid, entry.num_groups) == (12, 12, 1, 6)
    score = entry.score
    assert score is not None
    assert score.value == pytest.approx(100 * 10 / 12)
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.value < score.high == 100
    (strict,) = entry.others
    assert (strict.name, strict.metrics["accuracy"]) == ("strict", 50.0)
    assert Entry.model_validate_json(entry.model_dump_json()) == entry
    assert "invalid answers: 1 (8.3 %)" in facts(entry)
    assert "intervals: 1,000 resamples of 6 groups of questions" in facts(entry)


def test_a_part_says_so_everywhere(tmp_path: Path, asked: Asked) -> None:
    part = replace(asked, wanted=asked.questions[:5])
    report(tmp_path / "out", part, texts_of(asked))
    for name in ("report.html", "report.md", "report.json"):
        assert "first 5 of 12 questions" in (tmp_path / "out" / name).read_text()


def test_the_likeliest_options_stand_beside_the_answers(tmp_path: Path, asked: Asked) -> None:
    assert by_likelihood(asked, tmp_path, "strict") is None
    lines = [
        {"question_id": n, "options": ["red", "blue"], "log_likelihoods": [-1.0, -2.0 + n / 5], "num_tokens": [1, 1]}
        for n in range(1, 12, 2)
    ]
    (tmp_path / "ranking.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = by_likelihood(asked, tmp_path, "strict")  # red for 1, 3, 5 and blue for 7 to 11; right for 1 and 11
    assert found is not None
    assert found.name == "likeliest option, 6 questions"
    assert found.metrics["accuracy_name"] == pytest.approx(100 * 2 / 6)


def test_published_numbers_stand_beside_only_on_the_same_questions(tmp_path: Path, asked: Asked) -> None:
    pope = replace(asked, name="pope")
    entry = report(tmp_path / "part", pope, texts_of(asked))
    assert entry.published is not None
    assert not entry.published.comparable
    assert "of other questions than these" in (tmp_path / "part" / "report.md").read_text()
    task = replace(TASK, headline="f1", metrics=lambda marks: {"f1": 80.0})
    many = [replace(asked.questions[0], key=str(number), group=str(number)) for number in range(9000)]
    texts = {each.key: "yes" for each in many}
    first = replace(pope, questions=many, wanted=many[:100], task=task)
    entry = report(tmp_path / "first", first, texts)  # of one kind of question alone, perhaps
    assert entry.published is not None
    assert not entry.published.comparable
    report(tmp_path / "whole", replace(first, wanted=many), texts)
    text = (tmp_path / "whole" / "report.md").read_text()
    assert "| LLaVA-1-7B | LLaVA-1.5-7B | LLaVA-1.5-13B | LLaVA-1.6-7B |" in text
    assert "| f1 | 80.0 | [80.0, 80.0] | 80.0 |  | 85.9 | 85.9 | 86.5 |" in text
    summary = (tmp_path / "whole" / "report.html").read_text().partition('<section id="of-')[0]
    assert "<th scope=col>LLaVA-1.5-7B" in summary
    assert "LLaVA-1-7B" not in summary  # whose f1 nobody published: its column would be empty


def test_a_set_only_its_server_can_score_has_no_numbers(tmp_path: Path, asked: Asked) -> None:
    secret = replace(asked, task=replace(TASK, metrics=lambda marks: {}))
    entry = entry_for(secret, secret.score(texts_of(asked), "published"), "a model", None)
    entry = entry.model_copy(update={"submission": "out/upload.json"})
    assert entry.score is None
    save_task(tmp_path / "secret", entry, gallery_of(secret.score(texts_of(asked), "published")))
    write_report(tmp_path)
    assert "| by the server |" in (tmp_path / "report.md").read_text()
    assert "scored by its server" in (tmp_path / "report.html").read_text()


def test_a_comparison_is_told_in_words(tmp_path: Path, asked: Asked) -> None:
    worse = texts_of(asked, **{f"_{n}": "no idea" for n in range(1, 12, 2)})
    entry = report(tmp_path / "out", asked, texts_of(asked), worse)
    assert entry.against is not None
    assert compared(entry.against) == (
        "Of 12 questions this run answers 6 better than another run, 0 worse and 6 equally well: "
        "a split that is unlikely to be chance (p = 0.031, McNemar's exact test)."
    )
    assert entry.against.differences["accuracy"].value == 50
    for name in ("report.html", "report.md"):
        assert "McNemar" in (tmp_path / "out" / name).read_text()


def test_what_answers_cost_is_told() -> None:
    spent = spent_of(Used(200.0, 12_000, 800, 3, 1), "0.12 USD")
    entry = Entry(
        task="t", model="m", about="", headline="a", rule="published", extent="400 questions", num_questions=400,
        num_total=400, num_invalid=0, num_groups=0, num_resamples=0, metrics={}, spent=spent,
    )  # fmt: skip
    assert facts(entry)[3:] == [
        "answered in 3 min 20 s (2.0 a second)",
        "12,000 prompt and 800 answer tokens",
        "cost: 0.12 USD",
        "3 answers cut at the longest length",
        "1 answers withheld by the provider",
    ]
    assert [duration(each) for each in (0.34, 42, 59.6, 7500)] == ["0.3 s", "42 s", "1 min 0 s", "2 h 5 min"]


def test_tasks_run_one_by_one_share_a_report(tmp_path: Path, asked: Asked) -> None:
    for name in ("b", "a", "c"):
        report(tmp_path, replace(asked, name=name), texts_of(asked))
    write_report(tmp_path, ["c"])
    found = json.loads((tmp_path / "report.json").read_text())
    assert [task["task"] for task in found["tasks"]] == ["c", "a", "b"]
    assert found["model"] == "a model"
    (tmp_path / "a" / "scores.json").write_text('{"task": "a", "colour": 1}')
    with pytest.raises(UserError, match=r"a/scores\.json is not what this version"):
        write_report(tmp_path)


def test_a_submission_is_of_all_questions_or_none(tmp_path: Path, asked: Asked) -> None:
    path = submission(asked, texts_of(asked), tmp_path / "s")
    assert path is not None
    assert len(json.loads(path.read_text())) == 12
    assert submission(replace(asked, wanted=asked.questions[:3]), texts_of(asked), tmp_path / "s") is None
    assert submission(replace(asked, task=replace(TASK, submit=None)), texts_of(asked), tmp_path / "s") is None


# ---- the page --------------------------------------------------------------------------------------------------------


def test_answers_are_text_wherever_they_stand(tmp_path: Path, asked: Asked) -> None:
    evil = [replace(question, text=EVIL, category=EVIL, reference=EVIL) for question in asked.questions]
    task = replace(TASK, about=EVIL, metrics=lambda marks: {EVIL: 1.0, "accuracy": 2.0})
    asked = replace(asked, name="evil", task=task, questions=evil, wanted=evil)
    texts = {question.key: EVIL for question in evil}
    entry = report(tmp_path, asked, texts, texts | {"0": "yes"})
    entry = entry.model_copy(update={"notes": [EVIL], "judge": EVIL, "submission": EVIL, "model": EVIL})
    save_task(tmp_path / "evil", entry, gallery_of(asked.score(texts, "published")))
    write_report(tmp_path)
    content = (tmp_path / "report.html").read_bytes().decode("utf-8")
    page = Page(content)
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    data, script = page.scripts
    assert "<" not in data
    assert json.loads(data)[0]["cards"][0]["text"] == EVIL.replace("\ud800", "?")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
    assert "alert(1)" in page.shown
    assert "<script" not in (tmp_path / "report.md").read_text()


def test_the_page_needs_no_network_and_runs_no_script_but_its_own(tmp_path: Path, asked: Asked) -> None:
    report(tmp_path, asked, texts_of(asked))
    content = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?://", content)
    page = Page(content)
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in str(value))
    assert policy is not None
    assert "default-src 'none'" in policy
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "prefers-color-scheme: dark" in content
    assert {"select", "input", "noscript", "svg", "details"} - {"details"} <= set(page.tags)


def test_pictures_are_small_and_stand_once(tmp_path: Path, asked: Asked) -> None:
    Image.new("RGB", (3000, 1500), "red").save(str(asked.questions[0].images[0]))
    Path(str(asked.questions[2].images[0])).unlink()
    Path(str(asked.questions[4].images[0])).write_bytes(b"no picture")
    gallery = gallery_of(asked.score(texts_of(asked), "published"))
    assert len(gallery.cards) == 12
    assert len(gallery.pictures) == 4  # six pictures, two questions each; two cannot be opened
    shown = {card.key: card.pictures for card in gallery.cards}
    assert shown["0"] == shown["1"] != shown["6"] == shown["7"]
    assert [shown[key] for key in "2345"] == [[-1]] * 4
    url = gallery.pictures[shown["0"][0]]
    first = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert (first.format, first.size) == ("JPEG", (256, 128))


def marks_of(values: Sequence[tuple[str, float, bool]]) -> tuple[Mark, ...]:
    return tuple(
        Mark(Question(n, str(n), "q", category=category), "a", value, "a", invalid)
        for n, (category, value, invalid) in enumerate(values)
    )


def test_the_choice_is_bounded_and_even(asked: Asked) -> None:
    values = [("a", 1.0, False)] * 5000 + [("b", 1.0, False)] * 40 + [("a", 0.0, False)] * 500 + [("a", 0.0, True)] * 3
    scored = replace(asked.score(texts_of(asked), "published"), marks=marks_of([*values, ("a", 0.5, False)]))
    gallery = gallery_of(scored)
    assert gallery.counts == {"right": 5040, "wrong": 500, "invalid": 3, "partly": 1}
    shown = Counter((card.verdict, card.category) for card in gallery.cards)
    assert sum(shown.values()) == 60
    assert shown == {
        ("invalid", "a"): 3,
        ("partly", "a"): 1,
        ("right", "a"): 14,
        ("right", "b"): 14,
        ("wrong", "a"): 28,
    }
    assert {card.verdict for card in gallery.cards[:4]} == {"invalid", "partly", "right", "wrong"}
    assert gallery == gallery_of(scored)


def test_long_answers_are_cut_with_a_count(asked: Asked) -> None:
    gallery = gallery_of(asked.score(texts_of(asked, _0="x" * 10_000), "published"))
    cards = {card.key: card for card in gallery.cards}
    assert cards["0"].text == "x" * 4000 + " … (6,000 more characters)"


def test_what_changed_against_the_other_run(asked: Asked) -> None:
    ours = asked.score(texts_of(asked, _0="never"), "published")
    theirs = asked.score(texts_of(asked, _1="never"), "published")
    cards = {card.key: card for card in gallery_of(ours, theirs).cards}
    assert [cards[key].change for key in ("0", "1", "2")] == ["lost", "won", ""]
    other = cards["1"].other
    assert other is not None
    assert (other.text, other.verdict) == ("never", "wrong")


@dataclass(frozen=True)
class Reference:
    answer: str
    options: dict[str, str]


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("yes", "yes"),
        (3, "3"),
        (None, ""),
        (["net", "racket", "net"], "net ×2, racket"),
        (Reference("B", {"A": "cat", "B": "dog"}), "B. dog"),
        (Reference("B", {"A": "", "B": ""}), "B"),
        (("A dog sleeps on a rack of shoes.", "Shoes."), "A dog sleeps on a rack of shoes.\nShoes."),
        ({"label": "no", "group": 4}, "no"),
        ({"width": 4, "height": 3}, "width: 4; height: 3"),
        ((("a", "b"), 2), "a, b, 2"),
    ],
)
def test_what_was_expected_is_readable(reference: object, shown: str) -> None:
    assert expected(Mark(Question(1, "1", "q", reference=reference), "", 0.0, "")) == shown


def test_a_task_may_say_what_was_expected() -> None:
    assert expected(Mark(Question(1, "1", "q", reference="x"), "", 0.0, "", detail={"expected": "a cat"})) == "a cat"


def test_a_gallery_that_is_lost_is_told(tmp_path: Path, asked: Asked) -> None:
    report(tmp_path, asked, texts_of(asked))
    (tmp_path / asked.name / "gallery.json").unlink()
    with pytest.raises(UserError, match=r"cannot read .*gallery\.json"):
        Gallery.read(tmp_path / asked.name / "gallery.json")
