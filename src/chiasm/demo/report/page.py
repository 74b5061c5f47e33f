"""The page around the parts of the report. Answers are untrusted text: always escaped, and no script runs but ours."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from chiasm.atomic import new_file
from chiasm.demo.asking import CODES
from chiasm.demo.report import accuracy, classics, gallery, stages
from chiasm.demo.report.shown_pictures import Shown
from chiasm.demo.report.wording import both, count, duration, interval, moment
from chiasm.demo.story import LAST, MOMENTS, SIZE, Story
from chiasm.version import __version__

_LONGEST = 80  # characters of the answer at the top; ours


def write_report(story: Story) -> Path:
    """Write `report.html` into the story's folder and return its path."""
    path = story.folder / "report.html"
    with new_file(path) as partial:
        partial.write_text(page(story), encoding="utf-8", newline="\n")
    return path


def page(story: Story) -> str:
    """The whole file."""
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    history = stages.read_history(story.run_folder)
    shelf = _Shelf(story)
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        style=_asset("page.css"),
        script=script,
        lead=_lead(story),
        scores=_scores(story),
        hero=_hero(story, shelf),
        classics=classics.classics(story, shelf),
        stages=stages.stages(story, history),
        samples="" if history is None else stages.samples(story, history.recipe),
        gallery=gallery.gallery(story, shelf),
        accuracy=accuracy.accuracy(story),
        num_asked=str(story.total(LAST).num),
        final=escape(str(story.folder / "final")),
        picture=escape(str(story.requests[0].images[0])) if story.requests else "photo.jpg",
        footer=_footer(story),
        looked=_json(classics.looked(story)),
    )


class _Shelf(Mapping[Path, Shown]):
    """Pictures by their files, each made once."""

    def __init__(self, story: Story) -> None:
        self._story, self._made = story, dict[Path, Shown]()

    def __getitem__(self, path: Path) -> Shown:
        if path not in self._made:
            self._made[path] = Shown(path, self._story.seed, SIZE)
        return self._made[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _lead(story: Story) -> str:
    took = sum(stages.seconds(story.run_folder).values()) + sum(story.seconds.values())
    english, chinese = duration(took)
    vision, connector, language = (count(story.parameters.get(part, 0)) for part in ("vision", "connector", "language"))
    return both(
        f"One of them sees ({vision} parameters), the other talks ({language}), in English and Chinese. In {english} "
        f"LLaVA’s two stages joined them by a connector of {connector}, and everything below is what came of it. None "
        "of the pictures was shown to any of them before.",
        f"一个会看（{vision} 参数），一个会说中英文（{language}）。用 LLaVA 的两个阶段，{chinese}内，"
        f"一个 {connector} 参数的连接器把它们接在了一起。下面就是结果。这些图，它们谁都没有见过。",
        tag="p",
    )


def _scores(story: Story) -> str:
    cards = []
    for name in MOMENTS:
        share = story.total(name)
        cards.append(
            f'<div class="score {name}"><small>{moment(name)}</small><b>{share.percent:.0f}<i>%</i></b>'
            f"<span>{interval(share)}</span></div>"
        )
    return "".join(cards)


def _hero(story: Story, shelf: Mapping[Path, Shown]) -> str:
    """The last of the pictures asked about, with a question and its answer."""
    asked = {request.language: request for request in story.requests if request.kind == "ask"}
    if len(asked) < len(CODES):
        return ""
    parts = []
    for code in CODES:
        text = escape(story.answers[LAST][asked[code].key][:_LONGEST]) or "–"
        parts.append(f"{escape(asked[code].text.splitlines()[0])}<b>{text}</b>")
    return f"<figure>{shelf[asked['en'].images[0]].html()}<figcaption>{both(*parts)}</figcaption></figure>"


def _footer(story: Story) -> str:
    drawing = story.seconds.get("drawing", 0.0)
    asking = sum(took for name, took in story.seconds.items() if name != "drawing")
    parts = {"drawing": drawing, **stages.seconds(story.run_folder), "asking": asking}
    names = {"drawing": "画图", "asking": "提问"}
    english = ", ".join(f"{name} {took:.0f} s" for name, took in parts.items())
    chinese = "，".join(f"{names.get(name, name)} {took:.0f} 秒" for name, took in parts.items())
    return both(
        f"chiasm {__version__}. World of seed {story.seed}, pictures of {SIZE} pixels. Time: {escape(english)}.",
        f"chiasm {__version__}。世界的种子是 {story.seed}，图片 {SIZE} 像素。用时：{escape(chinese)}。",
    )


def _asset(name: str) -> str:
    return (files("chiasm.demo.report") / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that no HTML parser leaves: `</script>` and `<!--` cannot occur without a `<`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
