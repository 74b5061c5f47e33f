"""Questions with the answers of all moments side by side, under their pictures; boxes are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from chiasm.demo.asking import CODES, Language, right, truth
from chiasm.demo.report.shown_pictures import Shown
from chiasm.demo.report.wording import kind, moment
from chiasm.demo.story import LAST, MOMENTS, Story
from chiasm.evals.task import Question
from chiasm.evals.tasks._drawn import read_box

_OF_A_KIND = 2  # questions shown; ours
_LONGEST = 300  # characters of an answer

Shelf = Mapping[Path, Shown]
"""Pictures by their files."""


def gallery(story: Story, shelf: Shelf) -> str:
    """Cards, and buttons that choose a kind."""
    chosen = choose(story)
    kinds = list(dict.fromkeys(name for name, _ in chosen))
    buttons = "".join(
        f'<button type="button" data-kind="{escape(name)}" aria-pressed="false">{kind(name)}</button>' for name in kinds
    )
    cards = "".join(_card(story, shelf, name, questions) for name, questions in chosen)
    return f'<div class="chips kinds" role="group" hidden>{buttons}</div><div class="cards">{cards}</div>'


def choose(story: Story) -> list[tuple[str, dict[Language, Question]]]:
    """Kinds, each with a question in both languages about the same pictures: once for every kind, then once more.

    Always the first about a picture that is not there yet, or the first at all.
    """
    asked: dict[str, list[dict[Language, Question]]] = {}
    chinese = {(question.category, question.images): question for question in story.questions["zh"]}
    for question in story.questions["en"]:
        other = chinese.get((question.category, question.images))
        if other is not None:
            asked.setdefault(question.category, []).append({"en": question, "zh": other})
    chosen: list[tuple[str, dict[Language, Question]]] = []
    used: set[object] = set()
    for _ in range(_OF_A_KIND):
        for name, of_kind in asked.items():
            if not of_kind:
                continue
            fresh = [each for each in of_kind if not used.intersection(each["en"].images)]
            taken = (fresh or of_kind)[0]
            of_kind.remove(taken)
            used.update(taken["en"].images)
            chosen.append((name, taken))
    return chosen


def _card(story: Story, shelf: Shelf, name: str, questions: Mapping[Language, Question]) -> str:
    parts = []
    for code in CODES:
        question = questions[code]
        pictures = "".join(
            shelf[Path(str(image))].html(_frames(story, question, shelf[Path(str(image))])) for image in question.images
        )
        rows = "".join(_answer(story, code, question, each) for each in MOMENTS)
        lines = question.text.splitlines()
        text = escape(lines[0]) + "".join(f"<small>{escape(line)}</small>" for line in lines[1:-1])
        expected = escape(truth(question).answer)
        parts.append(
            f'<div class="{code}" lang="{code}"><div class="pictures">{pictures}</div><div class="said">'
            f'<p class="kind">{kind(name)}</p><p class="question">{text}</p>'
            f'<dl>{rows}<dt class="truth">✓</dt><dd class="truth">{expected}</dd></dl></div></div>'
        )
    return f'<article class="card" data-kind="{escape(name)}">{"".join(parts)}</article>'


def _answer(story: Story, code: Language, question: Question, name: str) -> str:
    text = story.answers[name][question.key]
    verdict = "right" if right(code, question, text) else "wrong"
    said = escape(text[:_LONGEST]) or "–"
    return f'<dt>{moment(name)}</dt><dd class="{verdict}">{said}</dd>'


def _frames(story: Story, question: Question, shown: Shown) -> str:
    """The box that is right and the one of the last answer, where boxes are asked for."""
    reference = truth(question)
    if reference.style != "box":
        return ""
    said = read_box(story.answers[LAST][question.key])
    return shown.frame(reference.box, "truth") + (shown.frame(said, "said") if said else "")
