"""COCO's captions and instances files as contexts, joined by image id.

Both are one JSON object around three long arrays (instances_train2017.json: 448 MB). They are stepped through element
by element; what is kept of them is captions and plain numbers, some 300 MB for the whole of train2017.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chiasm.data.records import JsonText
from chiasm.errors import UserError
from chiasm.synthesis.context import Tally, from_pixels
from chiasm.synthesis.naming import Naming
from chiasm.synthesis.sample import Box, Context

_NUMBERS_A_BOX = 5  # category id, x, y, width, height


@dataclass(slots=True)
class _Instances:
    """The boxes of a file: for each image id a flat array of numbers."""

    categories: dict[int, str] = field(default_factory=dict)
    boxes: dict[int, array[float]] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    num_crowds: int = 0
    first_crowd: int = 0


def elements(path: Path, stepped_over: Callable[[str], None] = lambda key: None) -> Iterator[tuple[str, Any]]:
    """(key, element) for every element of every array in the JSON object of a file.

    `stepped_over` is called with the key of every other member and of every empty array.

    Raises `UserError` with the byte where the file is not that.
    """
    text = JsonText(path)
    text.skip_space()
    text.take("{")
    text.skip_space()
    more = text.peek() != "}"
    while more:
        key = text.value()
        text.skip_space()
        text.take(":")
        text.skip_space()
        if text.peek() == "[":
            empty = True
            for element in text.array():
                empty = False
                yield str(key), element
            if empty:
                stepped_over(str(key))
        else:
            text.value()
            stepped_over(str(key))
        text.skip_space()
        if more := text.peek() != "}":
            text.take(",")
            text.skip_space()
    text.take("}")
    text.skip_space()
    if text.peek():
        raise UserError(f"{path}: expected the end of the file behind the object, at byte {text.byte_offset}")


def contexts(captions: Path, instances: Path | None, naming: Naming, tally: Tally) -> Iterator[Context]:
    """The pictures of a captions file in its order, with the boxes of an instances file. Not bounded yet.

    Raises `UserError` where a file is not of COCO's form.
    """
    said: dict[int, list[str]] = {}
    pictures: dict[int, Mapping[str, Any]] = {}
    for key, element in elements(captions):
        if key == "images":
            image = _record(element, captions, key, "id")
            tally.add("pictures listed twice, of which the last is taken", str(image["id"]), image["id"] in pictures)
            pictures[image["id"]] = _slim(image)
        elif key == "annotations":
            annotation = _record(element, captions, key, "image_id")
            if not isinstance(annotation.get("caption"), str):
                raise UserError(_no_coco(captions, "an annotation without 'caption': is this the instances file?"))
            said.setdefault(annotation["image_id"], []).append(annotation["caption"])
    if not said:
        raise UserError(_no_coco(captions, "no annotations with captions"))
    if not pictures:  # annotations alone: in the order in which pictures are first spoken of
        pictures = {image_id: {"id": image_id} for image_id in said}
    for image_id in said.keys() - pictures.keys():
        tally.add("captions of pictures that 'images' does not list left out", str(image_id), len(said[image_id]))
    found = _Instances() if instances is None else _read_instances(instances)
    if found.num_crowds:
        tally.add("crowd regions left out", str(found.first_crowd), found.num_crowds)
    for image_id in found.boxes.keys() - pictures.keys():
        num_boxes = len(found.boxes[image_id]) // _NUMBERS_A_BOX
        tally.add("boxes of pictures without captions left out", str(image_id), num_boxes)
    for image_id, picture in pictures.items():
        width, height = (_size(picture, side) or found.sizes.get(image_id, (0, 0))[i] for i, side in _SIDES)
        name, file_name = naming.of(image_id, picture.get("file_name"))
        boxes = _boxes(found, image_id, width, height, tally, name)
        yield Context(name, file_name, tuple(said.get(image_id, ())), boxes, width, height)


_SIDES = ((0, "width"), (1, "height"))


def _read_instances(path: Path) -> _Instances:
    found = _Instances()
    num_annotations = 0
    for key, element in elements(path):
        if key == "categories":
            category = _record(element, path, key, "id")
            found.categories[category["id"]] = str(category.get("name", ""))
        elif key == "images":
            image = _record(element, path, key, "id")
            found.sizes[image["id"]] = (_size(image, "width"), _size(image, "height"))
        elif key == "annotations":
            num_annotations += 1
            annotation = _record(element, path, key, "image_id")
            box: Any = annotation.get("bbox")
            category_id = annotation.get("category_id")
            if not _is_box(box) or not isinstance(category_id, int):
                what = f"annotation {num_annotations - 1} without 'bbox' of four numbers and 'category_id'"
                raise UserError(_no_coco(path, f"{what}: is this the captions file?"))
            if annotation.get("iscrowd"):
                found.first_crowd = found.first_crowd or annotation["image_id"]
                found.num_crowds += 1
                continue
            found.boxes.setdefault(annotation["image_id"], array("d")).extend([category_id, *map(float, box)])
    if not num_annotations or not found.categories:
        missing = "annotations" if not num_annotations else "categories"
        raise UserError(_no_coco(path, f"no '{missing}'"))
    return found


def _boxes(found: _Instances, image_id: int, width: int, height: int, tally: Tally, name: str) -> tuple[Box, ...]:
    numbers = found.boxes.get(image_id) or array("d")
    if numbers and not (width and height):
        tally.add("boxes of pictures without width and height left out", name, len(numbers) // _NUMBERS_A_BOX)
        return ()
    boxes = []
    for at in range(0, len(numbers), _NUMBERS_A_BOX):
        category = found.categories.get(int(numbers[at]))
        if category is None:
            tally.add("boxes of unknown categories left out", name)
            continue
        boxes.append(from_pixels(category, numbers[at + 1 : at + _NUMBERS_A_BOX], width, height))
    return tuple(boxes)


def _record(element: object, path: Path, key: str, needed: str) -> dict[str, Any]:
    if not isinstance(element, dict) or not isinstance(element.get(needed), int):
        raise UserError(_no_coco(path, f"an element of '{key}' without '{needed}'"))
    return element


def _slim(image: Mapping[str, Any]) -> dict[str, Any]:
    """What contexts need; licences and addresses of 118,000 pictures would be 100 MB."""
    return {key: image[key] for key in ("id", "file_name", "width", "height") if key in image}


def _size(picture: Mapping[str, Any], side: str) -> int:
    value = picture.get(side)
    return value if isinstance(value, int) and value > 0 else 0


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(number, int | float) for number in box)


def _no_coco(path: Path, what: str) -> str:
    return f"{path} holds {what}. Expected COCO's object with 'images', 'annotations' (and 'categories' for boxes)"
