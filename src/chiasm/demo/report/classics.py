"""The four classic requests about pairs of pictures, in both languages, with where the model looked word by word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from chiasm.demo.asking import CODES, Request
from chiasm.demo.looking import LookedWord
from chiasm.demo.report.shown_pictures import Shown
from chiasm.demo.report.wording import CLASSICS, both, moment
from chiasm.demo.story import LAST, MOMENTS, Story

_CANVAS = '<canvas width="1" height="1" aria-hidden="true"></canvas>'
_LONGEST = 600  # characters of an answer
_HOW = "Point at a word, or press ▸, to see where the model looked.", "指向一个词，或按 ▸，看模型看了哪里。"


def classics(story: Story, shelf: Mapping[Path, Shown]) -> str:
    """A panel a pair of pictures; tabs choose one where there is a script."""
    tabs, panels = [], []
    for number, (_, some) in enumerate(groupby(story.requests, lambda request: request.images[0])):
        requests = list(some)
        pictures = _pictures(requests)
        shown = "".join(shelf[path].html(_CANVAS) for path in pictures)
        thumbnail = shelf[pictures[0]].html()
        label = both(f"picture {number + 1}", f"图 {number + 1}")
        tabs.append(
            f'<button type="button" role="tab" id="tab-{number}" aria-controls="set-{number}" '
            f'aria-selected="{"false" if number else "true"}">{thumbnail}<span class="unseen">{label}</span></button>'
        )
        rows = "".join(
            _row(story, name, [each for each in requests if each.kind == name], pictures) for name in CLASSICS
        )
        panels.append(
            f'<div class="set" id="set-{number}" role="tabpanel" aria-labelledby="tab-{number}">'
            f'<div class="seen"><div class="pair">{shown}</div><p class="caption" aria-live="polite">'
            f"{both(*_HOW)}</p></div><div>{rows}</div></div>"
        )
    return f'<div class="tabs" role="tablist" hidden>{"".join(tabs)}</div>{"".join(panels)}'


def looked(story: Story) -> dict[str, Any]:
    """For the page's script: by request, each word's share and maps; None for what stands between words."""
    return {
        key: [[round(word.share, 3), word.as_dict()["maps"]] if word.maps else None for word in words]
        for key, words in story.looked.items()
    }


def _pictures(requests: Sequence[Request]) -> list[Path]:
    return list(dict.fromkeys(path for request in requests for path in request.images))


def _row(story: Story, name: str, requests: Sequence[Request], pictures: Sequence[Path]) -> str:
    by_language = {request.language: request for request in requests}
    cells = "".join(_cell(story, by_language[code], pictures) for code in CODES if code in by_language)
    return f'<section class="classic"><h3>{both(*CLASSICS[name])}</h3><div class="two">{cells}</div></section>'


def _cell(story: Story, request: Request, pictures: Sequence[Path]) -> str:
    places = " ".join(str(pictures.index(path)) for path in request.images)
    asked = escape(request.text.partition("\n")[0])
    words = story.looked.get(request.key) or []
    text = story.answers[LAST][request.key]
    play = '<button type="button" class="play" hidden aria-label="▸">▸</button>' if words else ""
    answer = _words(words) if words else escape(text[:_LONGEST]) or "–"
    before = "".join(
        f"<dt>{moment(name)}</dt><dd>{escape(story.answers[name][request.key][:_LONGEST]) or '–'}</dd>"
        for name in MOMENTS
        if name != LAST
    )
    return (
        f'<div lang="{request.language}"><p class="asked">{asked}</p>'
        f'<p class="answer" data-key="{escape(request.key)}" data-pictures="{places}">{answer}{play}</p>'
        f"<details><summary>{both('before, and what the scene says', '之前的回答，和场景的真相')}</summary><dl>{before}"
        f"<dt>{both('the scene', '场景')}</dt><dd>{escape(request.expected)}</dd></dl></details></div>"
    )


def _words(words: Sequence[LookedWord]) -> str:
    return "".join(
        f'<span class="word" data-word="{place}">{escape(word.text)}</span>' if word.maps else escape(word.text)
        for place, word in enumerate(words)
    )
