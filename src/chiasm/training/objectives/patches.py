"""A vision tower taught from boxes: each patch names the thing it lies on, and tells where the thing ends.

The simplest objective that gives a small tower useful patches within minutes, and one that has learnt from captions
what captions pass over; a tower from CLIP needs none of it. Data are COCO instances: `records` is the instances file,
`images` the folder of its `file_name`s. What is named is the category, and every attribute the annotations carry
(`attributes: {"colour": "red"}`), by a classifier each, where it is said; one that is said of every tenth box weighs
ten times as much. Beside it the four sides of the box, in parts of the padded square. Chosen by us; no paper does it
for LLaVA.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from chiasm.conversation import RecordError, picture_path
from chiasm.data import order
from chiasm.errors import UserError
from chiasm.models import vision
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.pictures import open_picture, picture_size
from chiasm.processing.processor import Processor
from chiasm.training.boxes import Box, Grid, box_of
from chiasm.training.config import Stage
from chiasm.training.objectives import Loss, in_turn

BACKGROUND = 0  # as a category; as an attribute, that none is said
_CATEGORY = "category"
_MOST_WEIGHT = 30.0  # of an attribute, however rare: else a step would be about a single box; ours
_SIDES_WEIGHT = 5.0  # of the sum of four distances, as DETR's (arXiv 2005.12872, section A.4)


@dataclass(frozen=True, slots=True)
class _Sample:
    pixels: torch.Tensor
    classes: torch.Tensor
    sides: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Thing:
    box: Box
    said: dict[str, str]
    """The category and every attribute."""


class Patches:
    """Pictures with boxes; the loss is of categories over all patches, of attributes and sides over those of boxes."""

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
        self._things: dict[int, list[_Thing | None]] = {picture["id"]: [] for picture in self._pictures}
        for annotation in coco["annotations"]:
            if annotation["image_id"] not in self._things:
                raise UserError(f"{path} has a box on image {annotation['image_id']}, which is not among its images")
            self._things[annotation["image_id"]].append(_thing(annotation))
        sound = [thing for things in self._things.values() for thing in things if thing is not None]
        self._names = _aspects(sound)
        times = Counter(aspect for thing in sound for aspect in thing.said)
        self._weights = {aspect: min(_MOST_WEIGHT, len(sound) / times[aspect]) for aspect in self._names}
        self._head = _Head(model.config.vision_width, [len(names) + 1 for names in self._names.values()])
        self._head.to(model.device)

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
        """Pixels, the classes of each patch and the sides of its box, the same in every epoch."""
        things, grid = self._picture(index)
        pixels = self._images.pixels(open_picture(picture_path(self._folder, self.name(index))))
        owner = grid.owners([thing.box for thing in things])
        numbers = [[BACKGROUND] * len(self._names)]
        sides = [(0.0, 0.0, 0.0, 0.0)]
        for thing in things:
            said = thing.said
            numbers.append([n[said[aspect]] if aspect in said else BACKGROUND for aspect, n in self._names.items()])
            sides.append(grid.parts(thing.box))
        return _Sample(pixels, torch.tensor(numbers)[owner.flatten()][None], torch.tensor(sides)[owner.flatten()][None])

    def look(self, index: int) -> None:
        """Whether the boxes are boxes and the picture is there."""
        self._picture(index)
        picture_size(picture_path(self._folder, self.name(index)))

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
            "sides": torch.cat([sample.sides for sample in samples]),
        }

    def loss(self, model: Llava, batch: dict[str, torch.Tensor]) -> Loss:
        """Cross-entropies and how far sides are missed, summed over patches; from the features the connector gets."""
        x_NPD = vision.features(model.vision_tower, batch["pixels"], model.config.feature_layer, class_token=False)
        x_RD, classes_RA = x_NPD.flatten(0, 1), batch["classes"].flatten(0, 1)
        losses = []
        for number, (aspect, weight) in enumerate(self._weights.items()):
            unsaid = -100 if aspect == _CATEGORY else BACKGROUND
            logits_RC = self._head.classes[number](x_RD).float()
            loss = F.cross_entropy(logits_RC, classes_RA[:, number], reduction="sum", ignore_index=unsaid)
            losses.append(weight * loss)
        missed_R = (self._head.sides(x_RD).float().sigmoid() - batch["sides"].flatten(0, 1)).abs().sum(1)
        of_box_R = classes_RA[:, list(self._names).index(_CATEGORY)] != BACKGROUND
        losses.append(_SIDES_WEIGHT * (missed_R * of_box_R).sum())
        return Loss(torch.stack(losses).sum(), len(x_RD))

    def shows(self, sample: _Sample) -> bool:
        """Each is a picture."""
        return True

    def blank(self, picture: bool) -> None:
        """None: the tower alone is asked."""

    def head(self) -> nn.Module | None:
        """From features to classes and sides."""
        return self._head

    def keep(self, folder: Path) -> None:
        """Nothing."""

    def _picture(self, index: int) -> tuple[list[_Thing], Grid]:
        """What its boxes say, and its patches."""
        picture = self._pictures[index]
        things = [thing for thing in self._things[picture["id"]] if thing is not None]
        if len(things) < len(self._things[picture["id"]]):
            raise RecordError("bad box", f"a box of {self.name(index)} is no [x, y, width, height] with a category")
        width, height = picture.get("width"), picture.get("height")
        if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
            raise RecordError("bad size", f"{self.name(index)} is said to be {width!r} x {height!r} pixels")
        return things, Grid.of(width, height, self._images.one_tile().rows)


class _Head(nn.Module):
    """A classifier for each aspect, and one layer for the four sides."""

    def __init__(self, width: int, num_classes: list[int]) -> None:
        super().__init__()
        self.classes = nn.ModuleList(nn.Linear(width, num) for num in num_classes)
        self.sides = nn.Linear(width, 4)


def build(stage: Stage, model: Llava, processor: Processor) -> Patches:
    """For a stage whose data are COCO instances."""
    return Patches(stage, model, processor.images)


def _thing(annotation: dict[str, Any]) -> _Thing | None:
    """What an annotation says, None when its box is none or it has no category."""
    box, attributes = box_of(annotation), annotation.get("attributes", {})
    if box is None or not isinstance(attributes, dict) or "category_id" not in annotation:
        return None
    said = {key: str(value) for key, value in attributes.items()}
    return _Thing(box, {**said, _CATEGORY: str(annotation["category_id"])})


def _aspects(things: Iterable[_Thing]) -> dict[str, dict[str, int]]:
    """For each aspect said of any thing, the number of each of its values; 0 stays `BACKGROUND`."""
    found: dict[str, set[str]] = {}
    for thing in things:
        for aspect, value in thing.said.items():
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
