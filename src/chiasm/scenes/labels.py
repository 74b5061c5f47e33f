"""What each patch of a picture shows, read from a COCO instances file: lessons for a vision tower that knows nothing.

Needs the files only (box, category and `attributes.colour` of each annotation), no scene graph and no pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import UserError, suggest
from chiasm.scenes.draw import silhouette
from chiasm.scenes.world import COLOURS, KINDS, SIZES, Box, Thing

BACKGROUND_CLASS = 0
_ENOUGH = 1 / 3  # of a patch covered: less, and a tower would be taught to call background a thing


def class_names() -> tuple[str, ...]:
    """The name of every patch class: "background", then "red ball", "orange ball" ... kind by kind."""
    return ("background", *(f"{colour} {kind}" for kind in KINDS for colour in COLOURS))


def class_index(kind: str, colour: str) -> int:
    """1 + kind x number of colours + colour, by their places in `KINDS` and `COLOURS`."""
    return 1 + KINDS.index(kind) * len(COLOURS) + COLOURS.index(colour)


def patch_labels(things: Iterable[Thing], size: int, patch: int) -> NDArray[np.int64]:
    """The class of each patch of a picture of `size` x `size` pixels, (rows, columns), rows = columns = size / patch.

    `things` in drawing order (what later ones cover does not count for earlier ones). A patch belongs to the thing that
    covers most of it, if that is a third or more; every thing gets at least the patch it covers best, unless another
    covers more of that one. Raises `ValueError` where `size` is no multiple of `patch`.
    """
    if patch < 1 or size % patch:
        raise ValueError(f"a picture of {size} pixels does not divide into patches of {patch}")
    rows = size // patch
    best = np.zeros((rows, rows), dtype=np.float32)
    labels = np.full((rows, rows), BACKGROUND_CLASS, dtype=np.int64)
    for thing, visible in _visible(things, size):
        cover = visible.reshape(rows, patch, rows, patch).mean(axis=(1, 3))
        wins = (cover > best) & (cover >= min(_ENOUGH, float(cover.max())))
        labels[wins] = class_index(thing.kind, thing.colour)
        best = np.maximum(best, cover)
    return labels


def _visible(things: Iterable[Thing], size: int) -> list[tuple[Thing, NDArray[np.float32]]]:
    """Each thing with the part of every pixel, (size, size), in which it is seen."""
    free = np.ones((size, size), dtype=np.float32)
    seen = []
    for thing in reversed(tuple(things)):
        box = thing.box
        if min(box.x, box.y) < 0 or max(box.x + box.w, box.bottom) > size:
            raise ValueError(f"the box {box} does not lie within a picture of {size} pixels")
        whole = np.zeros((size, size), dtype=np.float32)
        whole[box.y : box.bottom, box.x : box.x + box.w] = silhouette(thing)
        seen.append((thing, whole * free))
        free *= 1 - whole
    return seen[::-1]


def read_instances(path: Path) -> dict[str, tuple[Thing, ...]]:
    """The things of every picture of a drawn world's instances file, by the picture's `file_name`, in drawing order.

    Pictures without things are there with none. Raises `UserError` where the file is not COCO json of this world.
    """
    try:
        instances = json.loads(path.read_bytes())
        kinds = {category["id"]: category["name"] for category in instances["categories"]}
        names = {image["id"]: image["file_name"] for image in instances["images"]}
        things: dict[str, list[Thing]] = {name: [] for name in names.values()}
        for annotation in instances["annotations"]:
            things[names[annotation["image_id"]]].append(_thing(annotation, kinds[annotation["category_id"]]))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a COCO instances file with colours ({type(error).__name__}: {error}); "
            "give annotations/instances_train.json or instances_val.json of a drawn world"
        ) from error
    return {name: tuple(found) for name, found in things.items()}


def _thing(annotation: Mapping[str, object], kind: str) -> Thing:
    attributes, bbox = annotation["attributes"], annotation["bbox"]
    if not isinstance(attributes, Mapping) or not isinstance(bbox, list):
        raise TypeError(f"annotation {annotation.get('id')}: attributes must be an object and bbox a list")
    x, y, w, h = bbox
    for what, name, known in (
        ("kind", kind, KINDS),
        ("colour", attributes["colour"], COLOURS),
        ("size", attributes["size"], SIZES),
    ):
        if name not in known:
            raise UserError(f"annotation {annotation.get('id')} has no known {what}, {name!r}: {suggest(name, known)}")
    return Thing(kind, attributes["colour"], attributes["size"], Box(round(x), round(y), round(w), round(h)))
