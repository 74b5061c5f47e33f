"""Visual Genome: phrases for regions of pictures, both ways between words and boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import (
    DESCRIBE_REGION,
    FIND_REGION,
    about_regions,
    in_folder,
    merged,
    padded_box,
    region_pair,
)
from chiasm.data.sources._reading import listed, number, numbers, words
from chiasm.data.sources._source import Needed, Record, Release, Source


def _records(release: Release) -> Iterator[Record]:
    """One record a picture: `per_picture` of its regions, drawn by the seed; each way round with probability 1/2."""
    pictures: dict[int, tuple[str, int, int]] = {}

    def note_picture(entry: Any) -> None:
        folder, _, _ = words(entry, "url").rpartition("/")
        name = f"{folder.rpartition('/')[2]}/{number(entry, 'image_id')}"
        pictures[number(entry, "image_id")] = name, number(entry, "width"), number(entry, "height")

    named = ((f"picture {n}", entry) for n, entry in enumerate(listed(release.files["pictures"])))
    release.take_in(named, note_picture)

    def convert(entry: Any) -> list[Record]:
        image = number(entry, "id")
        if image not in pictures:
            raise RecordError("no picture", f"{release.files['pictures'].name} has no picture {image}")
        name, width, height = pictures[image]
        usable: list[tuple[str, list[float]]] = []

        def note_region(region: Any) -> None:
            box = [region.get(key) if isinstance(region, dict) else None for key in ("x", "y", "width", "height")]
            usable.append((words(region, "phrase"), padded_box(numbers(box, 4, "x, y, width, height"), width, height)))
            try:
                region_pair(*usable[-1], True)
            except RecordError:
                usable.pop()
                raise

        regions = entry.get("regions")
        if not isinstance(regions, list):
            raise RecordError("missing field", "expected a list under 'regions'")
        release.take_in(((f"picture {image} region {n}", region) for n, region in enumerate(regions)), note_region)
        if not usable:
            raise RecordError("no regions", f"picture {image} has no usable region")
        draw = release.random("visual_genome", image)
        drawn = draw.sample(usable, min(len(usable), release.options["per_picture"]))
        return [merged([region_pair(phrase, box, draw.random() < 0.5) for phrase, box in drawn], name, f"{name}.jpg")]

    found = ((f"regions of entry {n}", entry) for n, entry in enumerate(listed(release.files["regions"])))
    yield from release.each(found, convert)


SOURCE = Source(
    about="phrases for regions of pictures, from words to box and back",
    files=(
        Needed("regions", ("region_descriptions.json", "*/region_descriptions.json")),
        Needed("pictures", ("image_data.json", "*/image_data.json")),
    ),
    records=_records,
    images="vg",
    folders=("vg", "visual_genome"),
    published_count=86_417,
    format_prompts=(DESCRIBE_REGION, FIND_REGION),
    options={"per_picture": 10},
    recognises=lambda record: in_folder(record, "vg") and about_regions(record),
)
