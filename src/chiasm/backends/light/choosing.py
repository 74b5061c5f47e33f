"""Choosing the next token from logits, as `chiasm.generation.sampling` does, in numpy. Its draws are numpy's own."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from chiasm.backends.light.weights import Floats
from chiasm.chat import Sampling


class Draw(Protocol):
    """A source of numbers, evenly from 0 up to 1: `numpy.random.Generator`."""

    def random(self) -> float: ...


def choose(logits_V: Floats, sampling: Sampling, draw: Draw | None) -> int:
    """Logits (V) -> an id: the likeliest without `draw`, else one drawn at the sampling's temperature and top-p.

    Source of top-p: Holtzman et al., arXiv 1904.09751, section 3.1.
    """
    if draw is None:
        return int(logits_V.argmax())
    # Less the largest, so that temperatures near 0 take the likeliest; what is unlikely would be lost in float32.
    with np.errstate(over="ignore"):
        weights_V = np.exp((logits_V.astype(np.float64) - float(logits_V.max())) / sampling.temperature)
    order_V = np.argsort(-weights_V, kind="stable") if sampling.top_p < 1 else np.arange(len(weights_V))
    sums_V = weights_V[order_V].cumsum()
    # The place of the last token that counts: those behind it add nothing, or lie beyond top-p.
    last = int(np.searchsorted(sums_V, sampling.top_p * sums_V[-1], side="left"))
    last = min(last, len(sums_V) - 1)
    # From the right, over tokens of probability zero, which a draw of exactly 0 would hit.
    rank = int(np.searchsorted(sums_V, draw.random() * sums_V[last], side="right"))
    return int(order_V[min(rank, last)])


def draw_of(sampling: Sampling) -> Draw | None:
    """The source for one answer: None for a greedy one, repeatable with a seed."""
    if sampling.temperature == 0:
        return None
    return np.random.default_rng(None if sampling.seed is None else sampling.seed % 2**63)
