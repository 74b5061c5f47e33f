"""What a teacher is told of a picture, bounded in size and written as text. It knows neither files nor prompts.

The text is laid out as in the context files of LLaVA's release: one caption a line; then, for kinds that want boxes and
pictures that have some, an empty line and one box a line, `category: [x1, y1, x2, y2]`, corners from 0 to 1 with three
decimals, origin at top left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chiasm.synthesis.sample import Box, Context

TEXT_VERSION = 1  # raised whenever the same context would be written otherwise; part of every prompt's digest


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most a context may hold. Ours: COCO has at most 7 captions of 250 characters and 93 boxes a picture."""

    num_captions: int = 10
    caption_length: int = 500
    num_boxes: int = 60
    category_length: int = 60


@dataclass(slots=True)
class Tally:
    """What reading changed or left out: how often each, and the first of each by name."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, name: str, count: int = 1) -> None:
        """Count `what`, seen at `name`."""
        if count:
            self.counts[what] += count
            self.first.setdefault(what, name)

    def lines(self) -> list[str]:
        """One line each, the most frequent first."""
        return [f"{count:,} {what} (first: {self.first[what]})" for what, count in self.counts.most_common()]


def bounded(context: Context, bounds: Bounds, tally: Tally) -> Context | None:
    """The context with clean lines and within `bounds`; None when no caption is left. What was cut is counted.

    Of too many boxes the largest stay, in their order.
    """
    name = context.id
    captions = [line for line in map(_one_line, context.captions) if line]
    tally.add("empty captions left out", name, len(context.captions) - len(captions))
    if not captions:
        tally.add("pictures without captions left out", name)
        return None
    tally.add(f"captions beyond {bounds.num_captions} left out", name, max(0, len(captions) - bounds.num_captions))
    kept = captions[: bounds.num_captions]
    tally.add(
        f"captions cut to {bounds.caption_length} characters", name, sum(len(c) > bounds.caption_length for c in kept)
    )
    boxes = [box for box in (_clean(box, bounds, tally, name) for box in context.boxes) if box is not None]
    if len(boxes) > bounds.num_boxes:
        tally.add(f"smallest boxes beyond {bounds.num_boxes} left out", name, len(boxes) - bounds.num_boxes)
        largest = sorted(range(len(boxes)), key=lambda i: -_area(boxes[i]))[: bounds.num_boxes]
        boxes = [boxes[i] for i in sorted(largest)]
    return Context(
        id=context.id,
        image=context.image,
        captions=tuple(caption[: bounds.caption_length] for caption in kept),
        boxes=tuple(boxes),
        width=context.width,
        height=context.height,
    )


def from_pixels(category: str, xywh: Sequence[float], width: int, height: int) -> Box:
    """COCO's x, y, width, height in pixels of the original picture as corners from 0 to 1. Not clamped yet."""
    x, y, w, h = xywh
    return Box(category, x / width, y / height, (x + w) / width, (y + h) / height)


def as_text(captions: Iterable[str], boxes: Iterable[Box] = ()) -> str:
    """The text a teacher reads."""
    lines = list(captions)
    written = [f"{b.category}: [{b.x1:.3f}, {b.y1:.3f}, {b.x2:.3f}, {b.y2:.3f}]" for b in boxes]
    return "\n".join([*lines, "", *written] if written else lines)


def _one_line(text: str) -> str:
    """Without line breaks, which would make two captions of one, and without what UTF-8 cannot hold."""
    return " ".join(text.encode("utf-8", "ignore").decode("utf-8").replace("\0", " ").split())


def _clean(box: Box, bounds: Bounds, tally: Tally, name: str) -> Box | None:
    """The box clamped to the picture, three decimals; None when nothing of it is inside."""
    category = _one_line(box.category)[: bounds.category_length]
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in (box.x1, box.y1, box.x2, box.y2))
    if not (category and x1 < x2 and y1 < y2):  # also where a coordinate is no number: comparing it is false
        tally.add("boxes without area inside the picture left out", name)
        return None
    if max(abs(x1 - box.x1), abs(y1 - box.y1), abs(x2 - box.x2), abs(y2 - box.y2)) > 0.002:  # more than rounding
        tally.add("boxes clamped to the picture", name)
    return Box(category, round(x1, 3), round(y1, 3), round(x2, 3), round(y2, 3))


def _area(box: Box) -> float:
    return (box.x2 - box.x1) * (box.y2 - box.y1)
