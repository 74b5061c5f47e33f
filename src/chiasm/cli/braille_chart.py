"""Curves in a terminal, drawn with braille: eight dots a character. Knows neither runs nor metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

_BLANK = 0x2800
# The bit of each dot, by row and column of a character (Unicode, Braille Patterns).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_LABEL = 7  # characters of a label on the left


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: places from 0 to 1 along the bottom, their values, and a style of rich."""

    places: Sequence[float]
    values: Sequence[float]
    style: str


def chart(lines: Sequence[Line], width: int, height: int, bounds: tuple[float, float] | None = None) -> list[Text]:
    """Curves in `height` lines of `width` characters, later ones over earlier ones; the scale stands on the left.

    `bounds` are the values at the bottom and on top: by default the lowest and highest there are.
    """
    finite = [value for line in lines for value in line.values if math.isfinite(value)]
    low, high = bounds if bounds is not None else (min(finite, default=0.0), max(finite, default=1.0))
    if low == high:
        low, high = (low - 0.5, high + 0.5) if low == 0 else (low - abs(low) / 2, high + abs(high) / 2)
    columns, rows = max(1, width - _LABEL - 1) * 2, height * 4
    dots = [[0] * (columns // 2) for _ in range(height)]
    styles = [[""] * (columns // 2) for _ in range(height)]

    def put(x: int, y: int, style: str) -> None:
        dots[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
        styles[y // 4][x // 2] = style

    for line in lines:
        before: tuple[int, int] | None = None
        for x, value in _by_column(line, columns):
            share = min(max((value - low) / (high - low), 0.0), 1.0)
            y = round((1 - share) * (rows - 1))
            for between_x, between_y in _between(before, (x, y)):
                put(between_x, between_y, line.style)
            before = x, y
    drawn = []
    for row in range(height):
        label = short(high) if row == 0 else short(low) if row == height - 1 else ""
        text = Text(f"{label:>{_LABEL}} ", style="dim")
        for bits, style in zip(dots[row], styles[row], strict=True):
            text.append(chr(_BLANK + bits), style=style)
        drawn.append(text)
    return drawn


def short(value: float) -> str:
    """A number in at most seven characters."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _by_column(line: Line, columns: int) -> list[tuple[int, float]]:
    """The mean of what falls into each column of dots, from left to right."""
    sums: dict[int, tuple[float, int]] = {}
    for place, value in zip(line.places, line.values, strict=True):
        if math.isfinite(value):
            x = min(max(int(place * columns), 0), columns - 1)
            total, count = sums.get(x, (0.0, 0))
            sums[x] = total + value, count + 1
    return [(x, total / count) for x, (total, count) in sorted(sums.items())]


def _between(before: tuple[int, int] | None, now: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line from the one after `before` to `now`."""
    if before is None:
        return [now]
    (x0, y0), (x1, y1) = before, now
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    return [(round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)) for i in range(1, steps + 1)]
