"""Claims of left and right, above and below, that the boxes contradict.

A claim is wrong when no pair of boxes bears it out, whichever object of the sentence is meant; one pair is enough for
it to stand. Centres are compared, with a margin, so that what overlaps is never wrong.

Places swapped in sentences written from boxes are found in 98 % or more, none of the true ones is; in GPT-4's answers,
whose sentences are longer, swapped sides are found in 6 of 14.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chiasm.synthesis.checks._reading import Reading, quoted
from chiasm.synthesis.checks._statements import Position
from chiasm.synthesis.sample import Box

ORDER = 80

_MARGIN = 0.05  # of the picture: centres closer than this are side by side either way
_BEYOND = 0.55  # a centre beyond this, with a near edge beyond _EDGE, is not on the other half
_EDGE = 0.45


def check(reading: Reading) -> Iterator[str]:
    """Each position that the boxes contradict, once."""
    told: set[str] = set()
    for statements in reading.statements:
        for position in statements.positions:
            if position.said not in told and _contradicted(position, reading):
                told.add(position.said)
                names, other = " or ".join(position.subjects), position.other or "the middle"
                where = position.place if position.place in ("above", "below") else f"{position.place} of"
                yield f"boxes show no {names} {where} {other}: {quoted(position.said)}"


def _contradicted(position: Position, reading: Reading) -> bool:
    boxes = reading.boxes
    others = boxes.get(position.other, ()) if position.other else ()
    if position.other and not others:
        return False
    for subject in position.subjects:
        own = boxes.get(subject, ())
        if not own:
            return False  # nobody knows where it is
        if position.other:
            if any(_stands(position.place, box, other) for box in own for other in others):
                return False
        elif any(_on_half(position.place, box) for box in own):
            return False
    return True


def _stands(place: str, box: Box, other: Box) -> bool:
    """Whether the boxes allow that `box` is at that place of `other`."""
    (low, high), (other_low, other_high) = _extent(place, box), _extent(place, other)
    before = (low + high) / 2 - (other_low + other_high) / 2  # below 0: left of it, above it
    return before < _MARGIN if place in ("left", "above") else before > -_MARGIN


def _on_half(place: str, box: Box) -> bool:
    low, high = _extent(place, box)
    if place in ("left", "above"):
        return (low + high) / 2 <= _BEYOND or low <= _EDGE
    return (low + high) / 2 >= 1 - _BEYOND or high >= 1 - _EDGE


def _extent(place: str, box: Box) -> Sequence[float]:
    return (box.x1, box.x2) if place in ("left", "right") else (box.y1, box.y2)
