"""Boxes of COCO annotations on the patches a tower sees. It knows neither pictures nor models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of its picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Pixels."""
        return self.width * self.height


def box_of(annotation: dict[str, Any]) -> Box | None:
    """An annotation's `bbox`, None when it is none."""
    match annotation.get("bbox"):
        case [float() | int() as x, float() | int() as y, float() | int() as w, float() | int() as h]:
            if all(map(math.isfinite, (x, y, w, h))) and min(w, h) >= 0:
                return Box(x, y, w, h)
    return None


def large_to_small(boxes: Sequence[Box]) -> list[int]:
    """Boxes by index, the largest first: painted in this order, what stands before others is not painted over."""
    return sorted(range(len(boxes)), key=lambda index: -boxes[index].area)


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows` x `rows` patches of a picture that is padded to a square around its middle."""

    rows: int
    left: int
    top: int
    scale: float
    """Patches a pixel."""

    @classmethod
    def of(cls, width: int, height: int, rows: int) -> Grid:
        """For a picture of `width` x `height` pixels."""
        side = max(width, height)
        return cls(rows, (side - width) // 2, (side - height) // 2, rows / side)

    def parts(self, box: Box) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in parts of the padded square, in which they stay."""
        side = self.rows / self.scale
        x, y = box.x + self.left, box.y + self.top
        left, top, right, bottom = (min(max(each / side, 0.0), 1.0) for each in (x, y, x + box.width, y + box.height))
        return left, top, right, bottom

    def covered(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of the patches whose middles the box holds, at least one of each."""
        rows = covered((box.y + self.top) * self.scale, box.height * self.scale, self.rows)
        return rows, covered((box.x + self.left) * self.scale, box.width * self.scale, self.rows)

    def owners(self, boxes: Sequence[Box]) -> torch.Tensor:
        """For each patch the number of the smallest box over it, from 1; 0 for none: (rows, rows)."""
        owner = torch.zeros(self.rows, self.rows, dtype=torch.int64)
        for index in large_to_small(boxes):
            owner[self.covered(boxes[index])] = index + 1
        return owner


def covered(start: float, length: float, num: int) -> slice:
    """Those of `num` patches whose centres lie in [start, start + length); the one its middle lies in if none does."""
    first, end = math.ceil(start - 0.5), math.ceil(start + length - 0.5)
    if first >= end:
        first = math.floor(start + length / 2)
        end = first + 1
    return slice(min(max(first, 0), num), min(max(end, 0), num))


def regions(grid: Grid, boxes: Sequence[Box]) -> Iterator[torch.Tensor]:
    """For each box the patches (rows * rows,) that are its own; all it covers, where smaller boxes took every one.

    Last the patches of no box, which may be none.
    """
    owner = grid.owners(boxes)
    for index, box in enumerate(boxes, start=1):
        mine = owner == index
        if not mine.any():
            mine[grid.covered(box)] = True
        yield mine.flatten()
    yield (owner == 0).flatten()
