"""Which curves a run is shown by, in a terminal and as a picture alike: what is smoothed, and which range is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from chiasm.training.history import Curve, StageHistory

_WINDOWS = 50  # so many windows of the moving average go into a curve; ours
_CLIPPED = 0.02  # of a stage's steps may lie beyond what is shown: the first ones, as a rule; ours


@dataclass(frozen=True, slots=True)
class Shown:
    """One curve: how it is called and drawn. `raw` values stand behind a smoothed one, `points` stand alone."""

    label: str
    curve: Curve
    look: str = "line"


@dataclass(frozen=True, slots=True)
class Graph:
    """What is drawn on one scale, from `low` to `high`."""

    title: str
    curves: tuple[Shown, ...]
    low: float
    high: float


def graphs(stage: StageHistory) -> list[Graph]:
    """Loss, learning rates, gradient norms and speed of a stage, those it has."""
    found = []
    if loss := stage.curves.get("loss"):
        shown = [Shown("each step", loss, "raw"), Shown("loss", smoothed(loss))]
        if len(stage.validation):
            shown.append(Shown("held-out", stage.validation, "points"))
        found.append(_graph("loss", shown, _bounds([loss.values], stage.validation.values)))
    rates = stage.parts("lr")
    if rates:
        highest = max(max(curve.values) for curve in rates.values())
        found.append(_graph("learning rate", _parts("learning rate", rates), (0.0, highest)))
    norms = {part: smoothed(curve) for part, curve in stage.parts("grad_norm").items() if len(curve)}
    if norms:
        found.append(
            _graph("gradient norm", _parts("gradient norm", norms), _bounds([curve.values for curve in norms.values()]))
        )
    for metric in ("tokens_per_second", "samples_per_second"):
        speed = stage.curves.get(metric)
        if speed is not None and any(speed.values):  # pictures with boxes hold no tokens
            what, calm = metric.replace("_per_", " a ").replace("_", " "), smoothed(speed)
            found.append(_graph(what, [Shown(what, calm)], (0.0, max(calm.values))))
            break
    return found


def smoothed(curve: Curve) -> Curve:
    """A moving average over as many steps before as after, fewer at the ends: it does not lag behind."""
    found, half = Curve(), len(curve) // (2 * _WINDOWS)
    sums = [0.0, *accumulate(curve.values)]
    for place, step in enumerate(curve.steps):
        reach = min(half, place, len(curve) - 1 - place)
        first, end = place - reach, place + reach + 1
        found.add(step, (sums[end] - sums[first]) / (end - first))
    return found


def _parts(title: str, curves: dict[str, Curve]) -> list[Shown]:
    return [Shown(part if len(curves) > 1 else title, curve) for part, curve in curves.items()]


def _graph(title: str, shown: Sequence[Shown], bounds: tuple[float, float]) -> Graph:
    return Graph(title, tuple(shown), *bounds)


def _bounds(curves: Sequence[Sequence[float]], always: Sequence[float] = ()) -> tuple[float, float]:
    """From the lowest value to the highest of all but a few; `always` are within."""
    values = sorted(value for curve in curves for value in curve)
    beyond = int(len(values) * _CLIPPED)
    high = values[-1 - beyond] if values else 1.0
    low = values[0] if values else 0.0
    return min([low, *always]), max([high, *always])
