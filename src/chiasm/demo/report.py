"""The demo's report: one HTML file with its table, its loss curves and its pictures, readable without a network."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path

from chiasm.demo.story import MOMENTS, Asked, Story

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .8rem; border: 1px solid #8884; border-radius: .6rem; }
figure img { width: 100%; image-rendering: auto; border-radius: .3rem; }
figcaption { font-size: .9rem; } .right { color: #18794e; } .wrong { color: #cd2b31; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
svg { width: 100%; border: 1px solid #8884; border-radius: .3rem; } polyline { fill: none; stroke: #3e63dd; }
"""
_GALLERY = 24  # pictures shown


def write_report(story: Story) -> Path:
    """Write `report.html` into the story's folder and return its path."""
    curves = "".join(_curve(name, losses) for name, losses in _losses(story.folder / "run" / "metrics.jsonl").items())
    step = max(1, len(story.asked) // _GALLERY)
    gallery = "".join(_figure(story, asked) for asked in story.asked[::step][:_GALLERY])
    body = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>chiasm demo</title><style>{_STYLE}</style>
<h1>A small LLaVA, from nothing</h1>
<p>A vision tower learnt to see drawn things, a language model learnt to answer about scenes told in words. Then came
LLaVA's two stages: the connector alone on captions, connector and language model on questions. None of the pictures
below was among those it learnt from.</p>
<h2>Right answers, percent</h2>{_table(story)}
<p>Guessing always says the most frequent answer of its kind.</p>
<h2>Loss by stage</h2><div class="curves">{curves}</div>
<h2>Answers about unseen pictures</h2><div class="gallery">{gallery}</div></html>
"""
    path = story.folder / "report.html"
    path.write_text(body, encoding="utf-8")
    return path


def _table(story: Story) -> str:
    head = "".join(f"<th>{html.escape(title)}" for title in ("question", "guessing", *MOMENTS.values()))
    rows = []
    for kind in [*story.kinds, None]:
        values = (story.guessing(kind), *(story.accuracy(moment, kind) for moment in MOMENTS))
        rows.append(f"<tr><td>{html.escape(kind or 'all')}" + "".join(f"<td>{value:.1f}" for value in values))
    return f"<table><tr>{head}{''.join(rows)}</table>"


def _losses(metrics: Path) -> dict[str, list[float]]:
    """The loss of every step, by stage; of a log that was lost or torn, what is left of it."""
    losses: dict[str, list[float]] = {}
    for line in metrics.read_text(encoding="utf-8").splitlines() if metrics.is_file() else ():
        try:
            step = json.loads(line)
        except ValueError:
            continue
        if "loss" in step:
            losses.setdefault(step["stage"], []).append(step["loss"])
    return losses


def _curve(name: str, losses: list[float]) -> str:
    """The loss of one stage as a line, smoothed over neighbouring steps; first and last value beside the name."""
    width = max(1, len(losses) // 60)
    means = [sum(losses[i : i + width]) / len(losses[i : i + width]) for i in range(0, len(losses), width)]
    top = max(means) or 1.0
    points = " ".join(
        f"{200 * i / max(1, len(means) - 1):.1f},{98 - 90 * value / top:.1f}" for i, value in enumerate(means)
    )
    return (
        f"<div><b>{html.escape(name)}</b> {means[0]:.2f} → {means[-1]:.2f} in {len(losses)} steps"
        f'<svg viewBox="0 0 200 100" role="img" aria-label="loss of {html.escape(name)}">'
        f'<polyline points="{points}"/></svg></div>'
    )


def _figure(story: Story, asked: Asked) -> str:
    picture = base64.b64encode((story.folder / "world" / "images" / asked.image).read_bytes()).decode("ascii")
    lines = []
    for moment, title in MOMENTS.items():
        kind = "right" if asked.right(moment) else "wrong"
        lines.append(
            f'<br><small>{html.escape(title)}:</small> <b class="{kind}">{html.escape(asked.answers[moment])}</b>'
        )
    question = html.escape(asked.question.partition("\n")[0])
    return (
        f'<figure><img src="data:image/png;base64,{picture}" alt="">'
        f"<figcaption>{question} <small>({html.escape(asked.truth)})</small>{''.join(lines)}</figcaption></figure>"
    )
