"""The loss of a stage as a curve: every step faint, a moving mean strong, axes that can be read. SVG, made here."""

from __future__ import annotations

import math
from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 210, 40, 26, 10, 12
_WINDOWS = 30  # windows of the moving mean go into a curve; ours


def curve(steps: Sequence[int], losses: Sequence[float], about: str) -> str:
    """An SVG of losses by step; nothing where there is none. `about` is read out to who cannot see it."""
    if not losses:
        return ""
    low, high = min(losses), _highest(losses)
    ticks = _ticks(min(low, high), high)
    bottom, top = ticks[0], max(ticks[-1], high)
    first, last = steps[0], max(steps[-1], steps[0] + 1)

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - first) / (last - first)

    def y(loss: float) -> float:
        inside = min(max(loss, bottom), top)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (inside - bottom) / (top - bottom)

    smooth = _smoothed(losses)
    drawn = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text x="{_LEFT - 7}" y="{y(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in ticks
    ]
    for step, anchor in ((first, "start"), (last, "end")):
        drawn.append(f'<text x="{x(step):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{step}</text>')
    for kind, values in (("raw", losses), ("mean", smooth)):
        points = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in zip(steps, values, strict=True))
        drawn.append(f'<polyline class="{kind}" points="{points}"/>')
    drawn.append(f'<circle cx="{x(steps[-1]):.1f}" cy="{y(smooth[-1]):.1f}" r="4"/>')
    return (
        f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{about}, '
        f'{smooth[0]:.2f} to {smooth[-1]:.2f}">{"".join(drawn)}</svg>'
    )


def ends(losses: Sequence[float]) -> tuple[float, float]:
    """The first and the last value of the strong curve."""
    smooth = _smoothed(losses)
    return smooth[0], smooth[-1]


def _smoothed(values: Sequence[float]) -> list[float]:
    """The mean of each value and those before it, over a window."""
    window = max(1, len(values) // _WINDOWS)
    return [sum(values[max(0, i - window + 1) : i + 1]) / min(i + 1, window) for i in range(len(values))]


def _highest(values: Sequence[float]) -> float:
    """Nearly the largest: a few steps at the beginning would press all others down."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.98))]


def _ticks(low: float, high: float) -> list[float]:
    """Two to seven round numbers around low and high."""
    span = max(high - low, 1e-3)
    step = 10 ** math.floor(math.log10(span))
    step = next(step * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if span / (step * part) <= 5)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [round(step * i, 6) for i in range(first, last + 1)]
