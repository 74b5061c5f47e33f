"""Contexts from the files people have, told apart by their fields. It knows neither teachers nor prompts.

- COCO: `captions_*.json`, with `instances_*.json` for boxes (`chiasm.synthesis.coco`).
- JSON lines or a JSON list, one picture a record: `captions` (a list, or one `caption`); `image`, `file_name`, `file`
  or `image_id`; and either `boxes` as [[category, x, y, width, height]] in pixels of `width` and `height`, or
  `instances` as [{"category", "bbox": [x1, y1, x2, y2]}] from 0 to 1; or neither.
- An object of captions by file name: {"a.jpg": ["...", "..."]}.
- A folder of captions: `a.txt` beside `a.jpg`, one caption a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chiasm.data.records import RecordFile
from chiasm.errors import UserError
from chiasm.synthesis import coco
from chiasm.synthesis.context import Bounds, Tally, bounded, from_pixels
from chiasm.synthesis.naming import Naming
from chiasm.synthesis.sample import Box, Context

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_HEAD = 1 << 16  # bytes that are looked at to tell forms apart


@dataclass(slots=True)
class Source:
    """Where contexts come from. `tally` says, after `read`, what was changed and left out."""

    captions: Path
    instances: Path | None = None
    naming: Naming = field(default_factory=Naming)
    bounds: Bounds = field(default_factory=Bounds)
    num: int | None = None
    tally: Tally = field(default_factory=Tally)

    def read(self) -> Iterator[Context]:
        """Contexts in the order of the file, the first `num` of them; one that comes twice comes once.

        Raises `UserError` for a file of none of the known forms.
        """
        self.tally = Tally()
        seen: set[int] = set()
        names: set[int] = set()
        for context in self._unbounded():
            if self.num is not None and len(seen) >= self.num:
                return
            kept = bounded(context, self.bounds, self.tally)
            if kept is None:
                continue
            if (identity := hash(kept)) in seen:
                self.tally.add("pictures that came twice left out", kept.id)
                continue
            seen.add(identity)
            if (name := hash(kept.id)) in names:
                self.tally.add("pictures called like an earlier one: the ids of their records are the same", kept.id)
            names.add(name)
            yield kept

    def _unbounded(self) -> Iterator[Context]:
        if self.captions.is_dir():
            self._no_instances("a folder of captions")
            return self._folder()
        form = _form(self.captions)
        if form == "coco":
            return coco.contexts(self.captions, self.instances, self.naming, self.tally)
        self._no_instances("not COCO's captions file")
        return self._by_name() if form == "by name" else self._records()

    def _no_instances(self, what: str) -> None:
        if self.instances is not None:
            raise UserError(
                f"--instances goes with COCO's captions file, and {self.captions} is {what}. "
                "Put the boxes into the records of that file, or leave --instances away"
            )

    def _records(self) -> Iterator[Context]:
        file = RecordFile(self.captions)
        if file.torn:
            self.tally.add("torn last lines left out", file.torn)
        for number, record in enumerate(file):
            try:
                yield _context(record, self.naming)
            except UserError as error:
                self.tally.add(f"records left out: {error}", f"record {number}")

    def _by_name(self) -> Iterator[Context]:
        name, captions = "", list[str]()
        for key, caption in coco.elements(
            self.captions, lambda name: self.tally.add("pictures without a list of captions left out", name)
        ):
            if key != name and captions:
                yield Context(*self.naming.of(None, name), tuple(captions))
                captions = []
            name = key
            captions.append(str(caption))
        if captions:
            yield Context(*self.naming.of(None, name), tuple(captions))

    def _folder(self) -> Iterator[Context]:
        texts = sorted(self.captions.rglob("*.txt"))
        if not texts:
            raise UserError(
                f"the folder {self.captions} holds no .txt. Expected a.txt beside a.jpg, one caption a line"
            )
        for text in texts:
            picture = next((text.with_suffix(s) for s in _SUFFIXES if text.with_suffix(s).is_file()), None)
            if picture is None:
                self.tally.add("pictures not beside their captions, called .jpg", text.name)
                picture = text.with_suffix(".jpg")
            try:
                captions = text.read_text("utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"cannot read {text}: {error}. Expected captions as UTF-8, one a line") from None
            yield Context(*self.naming.of(None, picture.relative_to(self.captions).as_posix()), tuple(captions))


def _form(path: Path) -> str:
    """ "coco", "by name" or "records"."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}. Expected captions: see `chiasm synth --help`") from None
    if not head.startswith(b"{"):
        return "records"  # a list, or what RecordFile will refuse
    line = head.partition(b"\n")[0].strip()
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        first = {}  # an object over several lines, or one that is longer than what was looked at
    if "captions" in first or "caption" in first:
        return "records"
    for key, element in coco.elements(path):
        if key in ("images", "annotations"):
            return "coco"
        if isinstance(element, str) and key != "captions":
            return "by name"
        if key == "captions" or not isinstance(element, dict):
            break  # a record after all, longer than what was looked at
    return "records"


def _context(record: object, naming: Naming) -> Context:
    """A record of either form; raises `UserError` with what is wrong."""
    if not isinstance(record, Mapping):
        raise UserError("not an object")
    image_id = record.get("image_id")
    if image_id is not None and (not isinstance(image_id, int) or isinstance(image_id, bool)):
        raise UserError("'image_id' is not a number")
    named = next((record[key] for key in ("image", "file_name", "file") if key in record), None)
    name, image = naming.of(image_id, named)
    captions = record.get("captions", record.get("caption"))
    if isinstance(captions, str):
        captions = [captions]
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise UserError("'captions' is not a list of strings")
    identity = name if record.get("id") is None else record["id"]
    if not isinstance(identity, str | int):
        raise UserError("'id' is neither text nor a number")
    width, height = (_pixels(record, side) for side in ("width", "height"))
    boxes = (*_pixel_boxes(record, width, height), *_corner_boxes(record))
    return Context(str(identity).encode("utf-8", "ignore").decode(), image, tuple(captions), boxes, width, height)


def _pixel_boxes(record: Mapping[str, Any], width: int, height: int) -> Iterator[Box]:
    rows = _list(record, "boxes")
    if rows and not (width and height):
        raise UserError("'boxes' are in pixels and 'width' and 'height' are missing")
    for row in rows:
        if not (isinstance(row, list) and len(row) == 5 and isinstance(row[0], str) and _numbers(row[1:])):
            raise UserError("'boxes' are not of the form [category, x, y, width, height]")
        yield from_pixels(row[0], row[1:], width, height)


def _corner_boxes(record: Mapping[str, Any]) -> Iterator[Box]:
    for one in _list(record, "instances"):
        corners = one.get("bbox") if isinstance(one, Mapping) else None
        if not (isinstance(corners, list) and len(corners) == 4 and _numbers(corners)):
            raise UserError("'instances' are not of the form {category, bbox: [x1, y1, x2, y2]}")
        if max(corners) > 1.5:  # beyond what rounding and generous annotators do
            raise UserError("'instances' have corners above 1, expected 0 to 1; pixels go under 'boxes'")
        if not one.get("iscrowd"):
            yield Box(str(one.get("category", "")), *map(float, corners))


def _list(record: Mapping[str, Any], key: str) -> list[Any]:
    """What stands under `key`; null is written by those who have none."""
    value = record.get(key)
    if value is not None and not isinstance(value, list):
        raise UserError(f"'{key}' is not a list")
    return value or []


def _pixels(record: Mapping[str, Any], side: str) -> int:
    """Pixels, also where a table made 640.0 of 640; 0 where there are none."""
    value: Any = record.get(side)
    return int(value) if _numbers([value]) and value >= 1 and value == int(value) else 0


def _numbers(values: list[object]) -> bool:
    """Whether all are numbers that a float can hold."""
    return all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < sys.float_info.max for v in values)
