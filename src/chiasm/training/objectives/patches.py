"""A vision tower taught from boxes: each patch names the thing it lies on. For towers that start from nothing.

The simplest objective that gives a small tower useful patches within minutes; a tower from CLIP needs none of it.
Data are COCO instances: `records` is the instances file, `images` the folder of its `file_name`s. What is named is the
category, and every attribute the annotations carry (`attributes: {"colour": "red"}`), each by a classifier of its own.
Chosen by us; no paper does it for LLaVA.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from chiasm.conversation import RecordError
from chiasm.data import order
from chiasm.errors import UserError
from chiasm.models import vision
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.pictures import open_picture, picture_size
from chiasm.processing.processor import Processor
from chiasm.training.boxes import covered
from chiasm.training.config import Stage
from chiasm.training.objectives import Loss, in_turn

BACKGROUND = 0


@dataclass(frozen=True, slots=True)
class _Sample:
    pixels: torch.Tensor
    classes: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float
    said: dict[str, str]
    """The category and every attribute."""


class Patches:
    """Pictures with boxes; the loss is cross-entropy over all patches, background among the classes."""

    together = False
    through_model = False

    def __init__(self, stage: Stage, model: Llava, images: ImageProcessing) -> None:
        if stage.images != "pad":
            raise UserError(
                f"objective 'patches' follows boxes through the image policy 'pad' only, not '{stage.images}'"
            )
        path = Path(stage.data.records)
        self._raw, coco = _read(path)
        self._folder = Path(stage.data.images or path.parent)
        self._stage, self._images, self._pictures = stage, images, coco["images"]
        self._boxes: dict[int, list[_Box | None]] = {picture["id"]: [] for picture in self._pictures}
        for annotation in coco["annotations"]:
            if annotation["image_id"] not in self._boxes:
                raise UserError(f"{path} has a box on image {annotation['image_id']}, which is not among its images")
            self._boxes[annotation["image_id"]].append(_box(annotation))
        self._names = _aspects(box for boxes in self._boxes.values() for box in boxes if box is not None)
        self._head = nn.ModuleList(
            nn.Linear(model.config.vision_width, len(names) + 1) for names in self._names.values()
        ).to(model.device)

    def __len__(self) -> int:
        return len(self._pictures)

    def name(self, index: int) -> str:
        """The picture's file name."""
        return str(self._pictures[index]["file_name"])

    def order(self, seed: int, epoch: int) -> list[int]:
        """Shuffled."""
        return order.shuffled(len(self), seed, epoch)

    def notes(self) -> list[str]:
        """None."""
        return []

    def digest(self) -> str:
        """Of the instances file."""
        return self._raw

    def sample(self, index: int, epoch: int = 0) -> _Sample:
        """Pixels and the class of each patch, the same in every epoch."""
        boxes, width, height = self._picture(index)
        pixels = self._images.pixels(open_picture(self._folder / self.name(index)))
        rows = self._images.one_tile().rows
        classes = torch.full((rows, rows, len(self._names)), BACKGROUND)
        side = max(width, height)
        left, top = (side - width) // 2, (side - height) // 2
        scale = rows / side  # pixels of the padded square to patches
        # Large boxes first, so that what stands before them is not painted over.
        for box in sorted(boxes, key=lambda b: -b.width * b.height):
            columns = covered((box.x + left) * scale, box.width * scale, rows)
            lines = covered((box.y + top) * scale, box.height * scale, rows)
            numbers = [n[box.said[aspect]] if aspect in box.said else BACKGROUND for aspect, n in self._names.items()]
            classes[lines, columns] = torch.tensor(numbers)
        return _Sample(pixels, classes.flatten(0, 1)[None])

    def look(self, index: int) -> None:
        """Whether the boxes are boxes and the picture is there."""
        self._picture(index)
        picture_size(self._folder / self.name(index))

    def num_targets(self, sample: _Sample) -> int:
        """Every patch."""
        return sample.classes.shape[1]

    def groups(self, samples: list[_Sample]) -> list[list[_Sample]]:
        """Micro-batches."""
        return in_turn(samples, self._stage.micro_batch_size)

    def collate(self, samples: list[_Sample]) -> dict[str, torch.Tensor]:
        """Stacked."""
        return {
            "pixels": torch.cat([sample.pixels for sample in samples]),
            "classes": torch.cat([sample.classes for sample in samples]),
        }

    def loss(self, model: Llava, batch: dict[str, torch.Tensor]) -> Loss:
        """Summed cross-entropy of all patches, from the features the connector will get."""
        x_NPD = vision.features(model.vision_tower, batch["pixels"], model.config.feature_layer, class_token=False)
        x_RD, classes_RA = x_NPD.flatten(0, 1), batch["classes"].flatten(0, 1)
        losses = [
            F.cross_entropy(classifier(x_RD).float(), classes_RA[:, aspect], reduction="sum")
            for aspect, classifier in enumerate(self._head)
        ]
        return Loss(torch.stack(losses).sum(), len(x_RD))

    def shows(self, sample: _Sample) -> bool:
        """Each is a picture."""
        return True

    def blank(self, picture: bool) -> None:
        """None: the tower alone is asked."""

    def head(self) -> nn.Module | None:
        """From features to classes."""
        return self._head

    def keep(self, folder: Path) -> None:
        """Nothing."""

    def _picture(self, index: int) -> tuple[list[_Box], int, int]:
        """Boxes, width and height."""
        picture = self._pictures[index]
        boxes = [box for box in self._boxes[picture["id"]] if box is not None]
        if len(boxes) < len(self._boxes[picture["id"]]):
            raise RecordError("bad box", f"a box of {self.name(index)} is no [x, y, width, height] with a category")
        width, height = picture.get("width"), picture.get("height")
        if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
            raise RecordError("bad size", f"{self.name(index)} is said to be {width!r} x {height!r} pixels")
        return boxes, width, height


def build(stage: Stage, model: Llava, processor: Processor) -> Patches:
    """For a stage whose data are COCO instances."""
    return Patches(stage, model, processor.images)


def _box(annotation: dict[str, Any]) -> _Box | None:
    """An annotation's box, None when it is none."""
    match annotation:
        case {"bbox": [float() | int() as x, float() | int() as y, float() | int() as w, float() | int() as h]}:
            attributes = annotation.get("attributes", {})
            sound = all(map(math.isfinite, (x, y, w, h))) and min(w, h) >= 0 and isinstance(attributes, dict)
            if sound and "category_id" in annotation:
                said = {"category": str(annotation["category_id"]), **{key: str(v) for key, v in attributes.items()}}
                return _Box(x, y, w, h, said)
    return None


def _aspects(boxes: Iterable[_Box]) -> dict[str, dict[str, int]]:
    """For each aspect said of any box, the number of each of its values; 0 stays background."""
    found: dict[str, set[str]] = {}
    for box in boxes:
        for aspect, value in box.said.items():
            found.setdefault(aspect, set()).add(value)
    return {aspect: {v: n for n, v in enumerate(sorted(values), start=1)} for aspect, values in sorted(found.items())}


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """The digest of an instances file and its content."""
    try:
        raw = path.read_bytes()
        coco = json.loads(raw)
        coco["images"][0], coco["annotations"][0]
        for kind, needed in (("images", ("id", "file_name")), ("annotations", ("image_id", "bbox"))):
            for number, entry in enumerate(coco[kind]):
                if lacking := [key for key in needed if key not in entry]:
                    raise UserError(f"{path}: number {number} of '{kind}' lacks {', '.join(lacking)}")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read the COCO instances {path}: {error}") from None
    except (KeyError, IndexError, TypeError):
        raise UserError(
            f"{path} is not a COCO instances file: expected 'images' and 'annotations' with boxes"
        ) from None
    return hashlib.sha256(raw).hexdigest(), coco
