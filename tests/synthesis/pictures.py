"""Small contexts for tests, and the files they are read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chiasm.synthesis.sample import Box, Context

CAPTIONS = (
    "A man in a red jacket is riding a horse on the beach.",
    "A man rides a brown horse along the shore.",
    "Someone on a horse next to the sea.",
    "A man riding a horse on a sandy beach.",
    "A horse and its rider at the water.",
)
BEACH = Context(
    "000000000007",
    "000000000007.jpg",
    CAPTIONS,
    (Box("person", 0.4, 0.1, 0.6, 0.5), Box("horse", 0.3, 0.2, 0.8, 0.9), Box("dog", 0.05, 0.7, 0.2, 0.9)),
    640,
    480,
)
ANIMALS = ("cat", "dog", "cow", "bird", "sheep", "zebra", "giraffe", "elephant", "bear")
PLACES = ("in a kitchen", "on a street", "in a field", "on a bench", "next to a tree", "under a table", "by a lake")


def record(number: int) -> dict[str, Any]:
    """A picture as a line of JSON, different for every number."""
    animal, place = ANIMALS[number % len(ANIMALS)], PLACES[number // len(ANIMALS) % len(PLACES)]
    left = 10 + 7 * number % 300
    return {
        "image_id": number,
        "width": 640,
        "height": 480,
        "captions": [
            f"A {animal} is standing {place}.",
            f"A {animal} standing {place} in picture number {number}.",
            f"One {animal} that stands {place}.",
        ],
        "boxes": [[animal, left, 100, 200, 250]] + [["chair", 350, 20 * i, 40, 60] for i in range(number % 4)],
    }


def written(path: Path, count: int) -> Path:
    """A file of so many pictures."""
    path.write_text("".join(json.dumps(record(number)) + "\n" for number in range(count)), encoding="utf-8")
    return path
