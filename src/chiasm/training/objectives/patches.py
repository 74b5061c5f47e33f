"""A vision tower taught from boxes: each patch names the thing it lies on. For towers that start from nothing.

The simplest objective that gives a small tower useful patches within minutes; a tower from CLIP needs none of it.
Data are COCO instances: `records` is the instances file, `images` the folder of its `file_name`s. What is named is the
category, and every attribute the annotations carry (`attributes: {"colour": "red"}`), each by a classifier of its own.
Chosen by us; no paper does it for LLaVA.
"""

from __future__ import annotations

import hashlib
import json
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
from chiasm.processing.pictures import open_picture
from chiasm.processing.processor import Processor
from chiasm.training.config import Stage
from chiasm.training.objectives import Loss

BACKGROUND = 0


@dataclass(frozen=True, slots=True)
class _Sample:
    pixels: torch.Tensor
    classes: torch.Tensor


class Patches:
    """Pictures with boxes; the loss is cross-entropy over all patches, background among the classes."""

    def __init__(self, stage: Stage, model: Llava, images: ImageProcessing) -> None:
        if stage.images != "pad":
            raise UserError(
                f"objective 'patches' follows boxes through the image policy 'pad' only, not '{stage.images}'"
            )
        path = Path(stage.data.records)
        self._raw, coco = _read(path)
        self._folder = Path(stage.data.images or path.parent)
        self._images, self._pictures = images, coco["images"]
        self._boxes: dict[int, list[dict[str, Any]]] = {picture["id"]: [] for picture in self._pictures}
        for box in coco["annotations"]:
            self._boxes[box["image_id"]].append(box)
        self._names = _aspects(coco["annotations"])
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

    def sample(self, index: int) -> _Sample:
        """Pixels and the class of each patch."""
        picture = self._pictures[index]
        pixels = self._images.pixels(open_picture(self._folder / self.name(index)))
        rows = self._images.one_tile().rows
        classes = torch.full((rows, rows, len(self._names)), BACKGROUND)
        side = max(picture["width"], picture["height"])
        left, top = (side - picture["width"]) // 2, (side - picture["height"]) // 2
        scale = rows / side  # pixels of the padded square to patches
        # Large boxes first, so that what stands before them is not painted over.
        for box in sorted(self._boxes[picture["id"]], key=lambda b: -b["bbox"][2] * b["bbox"][3]):
            x, y, width, height = box["bbox"]
            if min(width, height) < 0:
                raise RecordError("bad box", f"the box {box['bbox']} of {self.name(index)} has a negative side")
            columns = _covered((x + left) * scale, width * scale)
            lines = _covered((y + top) * scale, height * scale)
            said = _said(box)
            numbers = [names[said[aspect]] if aspect in said else BACKGROUND for aspect, names in self._names.items()]
            classes[lines, columns] = torch.tensor(numbers)
        return _Sample(pixels, classes.flatten(0, 1)[None])

    def num_targets(self, sample: _Sample) -> int:
        """Every patch."""
        return sample.classes.shape[1]

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

    def head(self) -> nn.Module | None:
        """From features to classes."""
        return self._head


def build(stage: Stage, model: Llava, processor: Processor) -> Patches:
    """For a stage whose data are COCO instances."""
    return Patches(stage, model, processor.images)


def _covered(start: float, length: float) -> slice:
    """The patches whose centres lie in [start, start + length), and never none."""
    first = round(start)
    return slice(first, max(round(start + length), first + 1))


def _said(box: dict[str, Any]) -> dict[str, str]:
    """What an annotation says of its box: the category and every attribute."""
    return {
        "category": str(box["category_id"]),
        **{key: str(value) for key, value in box.get("attributes", {}).items()},
    }


def _aspects(boxes: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """For each aspect said of any box, the number of each of its values; 0 stays background."""
    found: dict[str, set[str]] = {}
    for box in boxes:
        for aspect, value in _said(box).items():
            found.setdefault(aspect, set()).add(value)
    return {aspect: {v: n for n, v in enumerate(sorted(values), start=1)} for aspect, values in sorted(found.items())}


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """The digest of an instances file and its content."""
    try:
        raw = path.read_bytes()
        coco = json.loads(raw)
        coco["images"][0]["file_name"], coco["annotations"][0]["bbox"]
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the COCO instances {path}: {error}") from None
    except (KeyError, IndexError, TypeError):
        raise UserError(
            f"{path} is not a COCO instances file: expected 'images' and 'annotations' with boxes"
        ) from None
    return hashlib.sha256(raw).hexdigest(), coco
