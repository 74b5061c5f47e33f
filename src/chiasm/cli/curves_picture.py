"""The curves of a run as one picture: a row of graphs for each stage, below them the latest answers.

Drawn with Pillow alone, so that nothing more has to be installed. Sizes and colours are ours.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

from chiasm.cli.braille_chart import short
from chiasm.cli.run_curves import Graph, Shown, graphs
from chiasm.processing.pictures import PictureError, open_picture

if TYPE_CHECKING:
    from chiasm.training.history import RunHistory, StageHistory
    from chiasm.training.metrics import Answered

_WIDTH, _MARGIN, _GAP = 1800, 44, 26
_PLOT = 210  # height of a graph's area
_THUMB = 110  # side of a picture beside its answer
_FINE = 3  # lines are drawn so many times larger, and shrunk: that smooths them
_INK, _GREY, _RULE, _PAPER, _GROUND = "#1c2430", "#6b7686", "#dfe4ea", "#ffffff", "#f6f7f9"
_COLOURS = ("#2563c9", "#c2410c", "#0f8a6d", "#8b3fb5")
_RAW, _HELD_OUT = "#c3d3ee", "#e0861a"
_RIGHT, _WRONG = "#12805c", "#b4531a"
_FAR_EAST = ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "wqy-microhei.ttc", "PingFang.ttc", "msyh.ttc")


def drawn(history: RunHistory) -> Image.Image:
    """All stages that have begun; an RGB picture."""
    stages = [stage for stage in history.stages.values() if stage.step]
    answered = next((stage for stage in reversed(stages) if stage.answers), None)
    answers = [] if answered is None else answered.answers[:6]
    row = 52 + 30 + _PLOT + 40
    answer_rows = -(-len(answers) // 2)
    height = 2 * _MARGIN + 48 + max(1, len(stages)) * row + (80 + answer_rows * (_THUMB + _GAP) if answers else 0)
    picture = Image.new("RGB", (_WIDTH, height), _GROUND)
    draw = ImageDraw.Draw(picture)
    _write(draw, (_MARGIN, _MARGIN - 8), str(history.recipe.name), 30, _INK, _WIDTH - 2 * _MARGIN)
    top = _MARGIN + 48
    if not stages:
        _write(draw, (_MARGIN, top), "no step has been made yet", 20, _GREY, 800)
    for stage in stages:
        _stage(picture, draw, stage, top)
        top += row
    if answered is not None:
        heading = f"answers of {answered.name} after step {answered.answers_step:,}"
        _write(draw, (_MARGIN, top + 20), heading, 22, _INK, 900)
        for number, each in enumerate(answers):
            left = _MARGIN + (number % 2) * ((_WIDTH - 2 * _MARGIN + _GAP) // 2)
            _answer(picture, draw, each, left, top + 64 + number // 2 * (_THUMB + _GAP))
    return picture


def _stage(picture: Image.Image, draw: ImageDraw.ImageDraw, stage: StageHistory, top: int) -> None:
    said = f"step {stage.step:,} of {stage.num_steps:,}"
    if len(stage.validation):
        said += f"   held-out loss {stage.validation.values[-1]:.4f}"
    if "peak_memory_gib" in stage.last:
        said += f"   {stage.last['peak_memory_gib']:.2f} GiB at most"
    if stage.num_skipped:
        said += f"   {stage.num_skipped} steps skipped"
    end = _write(draw, (_MARGIN, top + 10), stage.name, 22, _INK, 400)
    _write(draw, (end + 18, top + 14), said, 17, _GREY, 1200)
    shown = graphs(stage)
    width = (_WIDTH - 2 * _MARGIN - 3 * _GAP) // 4
    for number, graph in enumerate(shown[:4]):
        _graph(picture, draw, graph, stage.num_steps, (_MARGIN + number * (width + _GAP), top + 46, width))


def _graph(
    picture: Image.Image, draw: ImageDraw.ImageDraw, graph: Graph, num_steps: int, place: tuple[int, int, int]
) -> None:
    """A graph `width` wide at (left, top): title and names, area, scale."""
    left, top, width = place
    draw.rounded_rectangle((left, top, left + width, top + _PLOT + 68), 8, fill=_PAPER, outline=_RULE)
    end = _write(draw, (left + 14, top + 8), graph.title, 17, _INK, width - 28)
    colours = _colours(graph.curves)
    for shown, colour in zip(graph.curves, colours, strict=True):
        if shown.label != graph.title and shown.look != "raw":
            end = _write(draw, (end + 14, top + 9), shown.label, 16, colour, max(1, left + width - 20 - end))
    x0, y0, x1, y1 = left + 66, top + 42, left + width - 14, top + 42 + _PLOT - 6
    low, high, ticks = _scale(graph.low, graph.high)
    for tick in ticks:
        y = y1 - (tick - low) / (high - low) * (y1 - y0)
        draw.line((x0, y, x1, y), fill=_RULE)
        _write(draw, (x0 - 8, y - 9), short(tick), 14, _GREY, 60, right=True)
    for share in (0, 0.5, 1):
        x = round(x0 + share * (x1 - x0))
        label = f"{round(share * num_steps):,}"
        _write(draw, (x + (0 if share < 1 else 4), y1 + 4), label, 14, _GREY, 90, right=share == 1)
    area = picture.crop((x0, y0, x1 + 1, y1 + 1)).resize(((x1 - x0 + 1) * _FINE, (y1 - y0 + 1) * _FINE))
    fine = ImageDraw.Draw(area)
    for shown, colour in zip(graph.curves, colours, strict=True):
        points = _points(shown, num_steps, (low, high), area.size)
        if shown.look != "points" or len(points) > 1:
            fine.line(points, fill=colour, width=_FINE if shown.look == "raw" else 2 * _FINE, joint="curve")
        if shown.look == "points":
            for at in points:
                fine.circle(at, 4 * _FINE, fill=colour)
    picture.paste(area.resize((x1 - x0 + 1, y1 - y0 + 1), Image.Resampling.LANCZOS), (x0, y0))


def _colours(curves: Sequence[Shown]) -> list[str]:
    found, number = [], 0
    for shown in curves:
        found.append({"raw": _RAW, "points": _HELD_OUT}.get(shown.look) or _COLOURS[number % len(_COLOURS)])
        number += shown.look == "line"
    return found


def _points(
    shown: Shown, num_steps: int, bounds: tuple[float, float], size: tuple[int, int]
) -> list[tuple[float, float]]:
    """Where a curve goes, thinned to what a picture can show: in each column its lowest and highest value."""
    (low, high), (width, height) = bounds, size
    columns: dict[int, list[tuple[float, float]]] = {}
    for step, value in zip(shown.curve.steps, shown.curve.values, strict=True):
        if math.isfinite(value):
            x = step / max(1, num_steps) * (width - 1)
            y = (1 - min(max((value - low) / (high - low), -0.5), 1.5)) * (height - 1)
            columns.setdefault(int(x) // 2, []).append((x, y))
    points: list[tuple[float, float]] = []
    for column in columns.values():
        if len(column) <= 2:
            points += column
        else:
            points += sorted({min(column, key=lambda p: p[1]), max(column, key=lambda p: p[1])})
    return points


def _scale(low: float, high: float) -> tuple[float, float, list[float]]:
    """Bounds that hold both, on round numbers, and the round numbers between: 1, 2 or 5 times a power of ten."""
    if not high > low:
        low, high = (low - 1, high + 1) if low == 0 else (low - abs(low) / 2, high + abs(high) / 2)
    rough = (high - low) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return first * step, last * step, [number * step for number in range(first, last + 1)]


def _answer(picture: Image.Image, draw: ImageDraw.ImageDraw, each: Answered, left: int, top: int) -> None:
    width = (_WIDTH - 2 * _MARGIN - _GAP) // 2
    draw.rounded_rectangle((left, top, left + width, top + _THUMB + 12), 8, fill=_PAPER, outline=_RULE)
    text = left + 16
    if each.images and (small := _thumbnail(each.images[0])) is not None:
        picture.paste(small, (left + 6 + (_THUMB - small.width) // 2, top + 6 + (_THUMB - small.height) // 2))
        text = left + _THUMB + 22
    room = left + width - 14 - text
    question, answer, expected = (" ".join(each.split()) for each in (each.question, each.answer, each.expected))
    right = answer.strip(" .。").lower() == expected.strip(" .。").lower()
    _write(draw, (text, top + 14), question or "(no question)", 17, _GREY, room)
    _write(draw, (text, top + 46), answer or "(nothing)", 19, _RIGHT if right else _WRONG, room)
    if not right:
        _write(draw, (text, top + 80), f"expected: {expected}", 16, _GREY, room)


def _thumbnail(path: str) -> Image.Image | None:
    """A picture small enough; None where it can no longer be opened."""
    try:
        picture = open_picture(Path(path)).convert("RGB")
    except PictureError:
        return None
    return ImageOps.contain(picture, (_THUMB, _THUMB), Image.Resampling.LANCZOS)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: str,
    room: float,
    right: bool = False,
) -> float:
    """A line of text from `at`, or up to it; cut where `room` pixels end. Where it ends."""
    font = _font(size, any(unicodedata.east_asian_width(letter) in "WF" for letter in text))
    if font.getlength(text) > room:
        while text and font.getlength(text + "…") > room:
            text = text[:-1]
        text += "…"
    length = font.getlength(text)
    x = at[0] - length if right else at[0]
    draw.text((x, at[1]), text, font=font, fill=colour)
    return x + length


@lru_cache(maxsize=64)
def _font(size: int, far_east: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font; for Chinese letters the first of some usual ones that is installed."""
    for name in _FAR_EAST if far_east else ():
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
