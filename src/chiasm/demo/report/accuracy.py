"""Right answers by kind of question, as lanes from 0 to 100 and as a table. Every share has its 95 % interval."""

from __future__ import annotations

from chiasm.demo.asking import CODES, Language, together
from chiasm.demo.report.wording import both, interval, kind, moment
from chiasm.demo.story import LAST, MOMENTS, Story
from chiasm.evals.tasks._drawn import Share

_NAMES: dict[Language, str] = {"en": "EN", "zh": "中"}


def accuracy(story: Story) -> str:
    """A row a kind with a lane a language, all kinds together first, then every number."""
    guessing = {code: story.guessing(code) for code in CODES}
    by_moment = {name: {code: story.shares(name, code) for code in CODES} for name in MOMENTS}
    kinds = list(story.guessing())
    head = (
        '<div class="scale" aria-hidden="true"><span></span><span></span>'
        "<div>" + "".join(f'<span style="left:{at}%">{at}</span>' for at in (0, 25, 50, 75, 100)) + "</div></div>"
    )
    whole = {name: {code: together(by_moment[name][code].values()) for code in CODES} for name in MOMENTS}
    rows = [_row(both("all", "全部"), whole, {code: together(guessing[code].values()) for code in CODES}, "whole")]
    for name in kinds:
        of_kind = {
            each: {code: by_moment[each][code][name] for code in CODES if name in by_moment[each][code]}
            for each in MOMENTS
        }
        rows.append(_row(kind(name), of_kind, {code: guessing[code][name] for code in of_kind[LAST]}, ""))
    return f'<div class="lanes">{head}{"".join(rows)}</div>{_table(story, kinds)}'


def _row(title: str, shares: dict[str, dict[Language, Share]], guessing: dict[Language, Share], extra: str) -> str:
    lanes = "".join(
        _lane(code, {name: of[code] for name, of in shares.items()}, guessing[code]) for code in shares[LAST]
    )
    return f'<div class="row {extra}"><div class="name">{title}</div><div class="both">{lanes}</div></div>'


def _lane(code: Language, shares: dict[str, Share], guessing: Share) -> str:
    last = shares[LAST]
    low, high = last.interval.low, last.interval.high
    marks = [f'<i class="guess" style="left:{guessing.percent:.1f}%"></i>']
    marks.append(f'<i class="span" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>')
    marks += [f'<i class="dot {name}" style="left:{share.percent:.1f}%"></i>' for name, share in shares.items()]
    said = f"{last.percent:.0f} %, {low:.0f} to {high:.0f}, of {last.num}"
    return (
        f'<div class="lane"><span class="code">{_NAMES[code]}</span>'
        f'<div class="rail" role="img" aria-label="{said}">{"".join(marks)}</div>'
        f'<span class="figure"><b>{last.percent:.0f}</b><small>{interval(last)}</small></span></div>'
    )


def _table(story: Story, kinds: list[str]) -> str:
    titles = [both("kind", "种类"), "", both("of", "题数"), both("guessing", "瞎猜"), *map(moment, MOMENTS)]
    rows = []
    for code in CODES:
        guessing, shares = story.guessing(code), {name: story.shares(name, code) for name in MOMENTS}
        for name in [None, *kinds]:
            if name is not None and name not in guessing:
                continue
            chance = guessing[name] if name else together(guessing.values())
            cells = [shares[each][name] if name else together(shares[each].values()) for each in MOMENTS]
            title = kind(name) if name else both("all", "全部")
            told = "".join(f"<td>{share.percent:.1f} <small>{interval(share)}</small>" for share in cells)
            rows.append(
                f"<tr{'' if name else ' class=whole'}><th scope=row>{title}<td>{_NAMES[code]}<td>{chance.num}"
                f"<td>{chance.percent:.1f}{told}"
            )
    head = "".join(f"<th scope=col>{title}" for title in titles)
    return (
        f"<details><summary>{both('Every number', '全部数字')}</summary>"
        f'<div class="scroll"><table><thead><tr>{head}<tbody>{"".join(rows)}</table></div></details>'
    )
