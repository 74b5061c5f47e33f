"""A vision tower taught by captions: CLIP (arXiv 2103.00020), and boxes by their phrases beside it. Keeps both towers.

`records` is a COCO captions file; `stage.contrast` names captions in other languages, an instances file, and the text
tower. Whole pictures against captions bind colours and places to things poorly; so the patches of a box, averaged, are
held against the phrases said of it, the patches of no box against an embedding of nothing, and whole pictures against
the phrases of what is in them; all of it also against phrases that are wrong by a word (NegCLIP, arXiv 2210.01936);
and each patch of a box tells where its box lies, as in a detector, so that things are told apart that are to be counted
(all but the negatives ours). What is said of several boxes or pictures of a batch is never held against any of them.
Compared is everything computed at once, over all processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn

from chiasm.checkpoints.clip_folder import CLIP, ClipParts, write_clip
from chiasm.conversation import RecordError, picture_path
from chiasm.data.captioned import CaptionedPicture, CaptionedPictures
from chiasm.errors import UserError
from chiasm.models import contrast
from chiasm.models.contrast import TextSide
from chiasm.models.llava import Llava
from chiasm.processing.pictures import open_picture, picture_size
from chiasm.processing.processor import Processor
from chiasm.training import boxes, gathering
from chiasm.training.augmentation import Augmentation
from chiasm.training.config import Contrast, Stage
from chiasm.training.contrastive import paired
from chiasm.training.objectives import Loss, in_turn

NOTHING = 0  # the key of what is said of patches in no box; texts have other keys
_UNSAID = -1  # fills up rows of keys
_MOST_WRONG = 2  # phrases wrong of a box, each time it is shown; ours
_HIDDEN = 0.1  # of a box must be seen, by its annotation's area, or nothing is said of it; ours


@dataclass(frozen=True, slots=True)
class _Region:
    """Patches (P,) and what is said of them: the key of one text of now, of all that are true, of some that are wrong.

    `box` is left, top, right and bottom in parts of the padded square; of patches in no box it means nothing.
    """

    patches: torch.Tensor
    box: tuple[float, float, float, float]
    said: int
    true: tuple[int, ...]
    wrong: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sample:
    pixels: torch.Tensor
    caption: int
    regions: list[_Region]
    ids: dict[int, list[int]]
    """Token ids of every text of now by its key."""


class Clip:
    """Pictures with captions: a sample is a picture with one of its captions, so that an epoch shows each with all."""

    together = True
    through_model = False

    def __init__(self, stage: Stage, model: Llava, processor: Processor) -> None:
        settings = stage.contrast or Contrast()
        _check(stage, settings, model)
        captions = [Path(stage.data.records), *map(Path, settings.captions)]
        self._data = CaptionedPictures(captions, None if settings.instances is None else Path(settings.instances))
        self._folder = Path(stage.data.images or captions[0].parent)
        self._stage, self._settings, self._processor = stage, settings, processor
        self._samples = [(p, c) for p, each in enumerate(self._data.pictures) for c in range(len(each.captions))]
        self._tower = model.vision_tower
        self._end = _end_token(processor)
        self._head = _Head(settings, _text_config(settings, processor, self._end), model.config.vision_width)
        self._head.to(model.device)
        self._vision_config = model.config.vision
        self._augmentation: Augmentation | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def name(self, index: int) -> str:
        """The picture's file name, and which of its captions."""
        picture, caption = self._samples[index]
        return f"{self._data.pictures[picture].file}, caption {caption + 1}"

    def order(self, seed: int, epoch: int) -> list[int]:
        """Round after round through all pictures, each round with another caption of each.

        Two captions of one picture hardly ever meet in a batch, where each would count as wrong for the other.
        """
        random = Random(f"captions in turn/{seed}/{epoch}")
        captions: dict[int, list[int]] = {}
        for index, (picture, _) in enumerate(self._samples):
            captions.setdefault(picture, []).append(index)
        for indices in captions.values():
            random.shuffle(indices)
        order: list[int] = []
        for turn in range(max(map(len, captions.values()))):
            once = [indices[turn] for indices in captions.values() if turn < len(indices)]
            random.shuffle(once)
            order += once
        return order

    def notes(self) -> list[str]:
        """What was left out, and what will not be learnt for want of boxes."""
        notes = []
        if self._data.num_without:
            notes.append(f"{self._data.num_without} pictures of {self._stage.data.records} have no caption: left out")
        if self._settings.instances is None:
            notes.append("without contrast.instances whole pictures and captions alone are compared, no boxes")
        return notes

    def digest(self) -> str:
        """Of all files."""
        return self._data.digest

    def look(self, index: int) -> None:
        """Whether the picture's file is one and its boxes are boxes; once for each picture."""
        number, caption = self._samples[index]
        if not caption:
            picture = self._data.pictures[number]
            picture_size(picture_path(self._folder, picture.file), self._processor.limits)
            self._regions(picture, Random(0), {})

    def change_pictures(self, augmentation: Augmentation) -> None:
        """From now on samples come with their pictures changed."""
        self._augmentation = augmentation

    def sample(self, index: int, epoch: int = 0) -> _Sample:
        """Pixels, a caption, and for each box that can be seen a phrase."""
        number, caption = self._samples[index]
        picture = self._data.pictures[number]
        opened = open_picture(picture_path(self._folder, picture.file))
        shown = opened if self._augmentation is None else self._augmentation.of(opened, epoch, index)
        pixels = self._processor.images.pixels(shown)
        ids: dict[int, list[int]] = {}
        key = self._taken(picture.captions[caption], ids)
        regions = self._regions(picture, Random(f"phrases/{index}"), ids)
        return _Sample(pixels, key, regions, ids)

    def num_targets(self, sample: _Sample) -> int:
        """The picture."""
        return 1

    def groups(self, samples: list[_Sample]) -> list[list[_Sample]]:
        """What is compared with each other, in this process; in all of them equally many, if need be of no sample."""
        stage = self._stage
        mine = stage.batch_size // gathering.num_processes()
        found = in_turn(samples, stage.micro_batch_size) if samples else []
        return found + [[]] * (-(-mine // (stage.micro_batch_size or mine)) - len(found))

    def collate(self, samples: list[_Sample]) -> dict[str, torch.Tensor]:
        """Every text once; pictures and regions say by number which is theirs."""
        rows = self._processor.images.one_tile().rows
        size = self._processor.images.size
        captions = list(dict.fromkeys(sample.caption for sample in samples))
        said = [(n, region) for n, sample in enumerate(samples) for region in sample.regions]
        texts = (key for _, region in said for key in (region.said, *region.wrong))
        phrases = list(dict.fromkeys(key for key in texts if key != NOTHING))
        ids = {key: each for sample in samples for key, each in sample.ids.items()}
        longest = max((len(region.true) for _, region in said), default=1)
        true = [[*region.true, *[_UNSAID] * (longest - len(region.true))] for _, region in said]
        return {
            "pixels": torch.cat([torch.zeros(0, 3, size, size), *(sample.pixels for sample in samples)]),
            "captions": self._padded(captions, ids),
            "caption_keys": torch.tensor(captions, dtype=torch.int64),
            "caption_of": torch.tensor([sample.caption for sample in samples], dtype=torch.int64),
            "phrases": self._padded(phrases, ids),
            "phrase_keys": torch.tensor([*phrases, NOTHING], dtype=torch.int64),
            "patches": torch.cat([torch.zeros(0, rows * rows, dtype=torch.bool), *(r.patches[None] for _, r in said)]),
            "picture_of": torch.tensor([n for n, _ in said], dtype=torch.int64),
            "boxes": torch.tensor([region.box for _, region in said], dtype=torch.float32).reshape(len(said), 4),
            "said": torch.tensor([region.said for _, region in said], dtype=torch.int64),
            "true": torch.tensor(true, dtype=torch.int64).reshape(len(said), longest),
        }

    def loss(self, model: Llava, batch: dict[str, torch.Tensor]) -> Loss:
        """The mean loss of everything compared, times the pictures; this process's share of the latter."""
        head, num_pictures = self._head, len(batch["pixels"])
        pictures, regions, misplaced = _looked_at(model, head, batch)
        captions = head.side.texts(batch["captions"]) if len(batch["captions"]) else pictures[:0]
        phrases = head.side.texts(batch["phrases"]) if len(batch["phrases"]) else pictures[:0]
        phrases = torch.cat([phrases, contrast.normalised(head.nothing)[None]])
        with torch.autocast(batch["pixels"].device.type, enabled=False):
            total = _compared(self._settings, head, batch, (pictures, captions, regions, phrases))
        # Each process has computed the whole; together they report it once.
        share = total + (total.detach() * num_pictures / max(1, _all(num_pictures, total.device)) - total.detach())
        return Loss(share + self._settings.boxes_weight * misplaced, num_pictures)

    def shows(self, sample: _Sample) -> bool:
        """Each is a picture."""
        return True

    def blank(self, picture: bool) -> None:
        """None: the towers alone are asked."""

    def head(self) -> nn.Module | None:
        """Text tower, projections, temperatures, and the embedding of nothing."""
        return self._head

    def keep(self, folder: Path) -> None:
        """Both towers as a CLIP of transformers, in `folder/clip`."""
        parts = ClipParts(self._vision_config, self._head.side.text_model.config.to_dict(), self._settings.common)
        tensors = {f"vision_model.{n}": p for n, p in self._tower.named_parameters()}
        tensors |= dict(self._head.side.named_parameters())
        write_clip(folder / CLIP, parts, tensors, self._processor, self._end)

    def _regions(self, picture: CaptionedPicture, random: Random, ids: dict[int, list[int]]) -> list[_Region]:
        if self._settings.instances is None:
            return []
        width, height = picture.width, picture.height
        if min(width, height) < 1:
            raise RecordError("bad size", f"{picture.file} is said to be {width} x {height} pixels")
        found: list[boxes.Box] = []
        for annotation in picture.annotations:
            box = boxes.box_of(annotation)
            if box is None:
                raise RecordError("bad box", f"a box of {picture.file} is no [x, y, width, height]")
            found.append(box)
        grid = boxes.Grid.of(width, height, self._processor.images.one_tile().rows)
        *own, rest = boxes.regions(grid, found)
        regions = []
        for annotation, box, patches in zip(picture.annotations, found, own, strict=True):
            phrases = self._data.phrases(annotation)
            area = annotation.get("area")
            hidden = isinstance(area, int | float) and area < _HIDDEN * box.area
            if phrases and not hidden:
                key = self._taken(random.choice(phrases), ids)
                wrong = self._data.wrong_phrases(annotation)
                wrong_keys = [self._taken(each, ids) for each in random.sample(wrong, min(_MOST_WRONG, len(wrong)))]
                regions.append(_Region(patches, grid.parts(box), key, tuple(map(_key, phrases)), tuple(wrong_keys)))
        if rest.any():
            regions.append(_Region(rest, (0.0, 0.0, 0.0, 0.0), NOTHING, (NOTHING,)))
        return regions

    def _taken(self, text: str, ids: dict[int, list[int]]) -> int:
        """The key of a text that is now to be encoded, with its token ids put among `ids`."""
        key = _key(text)
        if key not in ids:
            most = self._settings.max_tokens - 1
            ids[key] = [*self._processor.tokenizer.encode_text(text)[:most], self._end]
        return key

    def _padded(self, keys: Sequence[int], ids: dict[int, list[int]]) -> torch.Tensor:
        """Token ids of texts (S, T), the end token filling up: the tower looks at the first, and never past it."""
        longest = max((len(ids[key]) for key in keys), default=1)
        padded = [[*ids[key], *[self._end] * (longest - len(ids[key]))] for key in keys]
        return torch.tensor(padded, dtype=torch.int64).reshape(len(keys), longest)


class _Head(nn.Module):
    """What trains beside the tower. `side` is kept; what regions and boxes need beside it is not."""

    def __init__(self, settings: Contrast, config: dict[str, Any], vision_width: int) -> None:
        super().__init__()
        self.side = TextSide(config, vision_width)
        self.region_scale = nn.Parameter(torch.tensor(contrast.FIRST_SCALE))
        self.box = nn.Linear(vision_width, 4)
        self.nothing = nn.Parameter(torch.randn(settings.common) * settings.common**-0.5)


def build(stage: Stage, model: Llava, processor: Processor) -> Clip:
    """For a stage whose data are COCO captions."""
    return Clip(stage, model, processor)


def _looked_at(
    model: Llava, head: _Head, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings of the pictures and of the regions, and how far patches misplace their boxes, summed over pictures.

    Of the last: mean distance over a box's patches of its four sides, mean over a picture's boxes.
    """
    pixels = batch["pixels"]
    if not len(pixels):
        empty = head.nothing.new_zeros(0, len(head.nothing))
        return empty, empty, head.nothing.new_zeros(())
    x_NPW = contrast.last_features(model.vision_tower, pixels).float()
    weights_RP = batch["patches"].float()
    weights_RP = weights_RP / weights_RP.sum(1, keepdim=True)
    of, boxed = batch["picture_of"], batch["said"] != NOTHING
    means = [weights_RP[of == number] @ x_NPW[number, 1:] for number in range(len(pixels))]
    sides_NPB = head.box(x_NPW[:, 1:]).float().sigmoid()
    distances_RP = (sides_NPB[of[boxed]] - batch["boxes"][boxed, None]).abs().sum(2)
    distances_R = (distances_RP * weights_RP[boxed]).sum(1)
    num_boxes = torch.bincount(of[boxed], minlength=len(pixels))
    misplaced = (distances_R / num_boxes[of[boxed]]).sum()
    return head.side.pictures(x_NPW[:, 0]), head.side.pictures(torch.cat(means)), misplaced


def _compared(
    settings: Contrast,
    head: _Head,
    batch: dict[str, torch.Tensor],
    embedded: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """The loss over all processes' embeddings of pictures, captions, regions and phrases, for all their pictures."""
    with torch.no_grad():
        for parameter in (head.side.logit_scale, head.region_scale):
            parameter.clamp_(max=contrast.MOST_SCALE)
    scale, region_scale = (gathering.of_first(each).exp() for each in (head.side.logit_scale, head.region_scale))
    before = gathering.offset(len(embedded[0]), embedded[0].device)
    pictures, captions, regions, phrases = (gathering.gathered(each) for each in embedded)
    captions, caption_keys = _once(captions, gathering.gathered(batch["caption_keys"]))
    of_caption = _places(gathering.gathered(batch["caption_of"]), caption_keys)
    each = torch.arange(len(pictures), device=pictures.device)
    loss = settings.captions_weight * paired(pictures, captions, torch.stack([each, of_caption]), None, scale)
    if not settings.instances:
        return loss * len(pictures)
    phrases, phrase_keys = _once(phrases, gathering.gathered(batch["phrase_keys"]))
    said = _places(gathering.gathered(batch["said"]), phrase_keys)
    true_RK = batch["true"]
    wide = gathering.widest(true_RK.shape[1], true_RK.device)
    true_RK = gathering.gathered(torch.nn.functional.pad(true_RK, (0, wide - true_RK.shape[1]), value=_UNSAID))
    true_RS = (true_RK[:, :, None] == phrase_keys).any(1)
    number = torch.arange(len(regions), device=said.device)
    loss = loss + settings.regions_weight * paired(regions, phrases, torch.stack([number, said]), true_RS, region_scale)
    if settings.phrases_weight:
        of = gathering.gathered(batch["picture_of"] + before)
        real = gathering.gathered(batch["said"]) != NOTHING
        true_NS = torch.zeros(len(pictures), len(phrases), dtype=torch.int32, device=said.device)
        true_NS = true_NS.index_add(0, of, true_RS.int()) > 0
        pairs = torch.unique(torch.stack([of[real], said[real]]), dim=1)
        keep = phrase_keys != NOTHING
        numbers = keep.cumsum(0) - 1
        pairs = torch.stack([pairs[0], numbers[pairs[1]]])
        loss = loss + settings.phrases_weight * paired(pictures, phrases[keep], pairs, true_NS[:, keep], scale)
    return loss * len(pictures)


def _once(rows: torch.Tensor, keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first row of each key, and the keys, which are sorted."""
    distinct, inverse = torch.unique(keys, return_inverse=True)
    first = torch.full_like(distinct, len(keys)).scatter_reduce(
        0, inverse, torch.arange(len(keys), device=keys.device), "amin"
    )
    return rows[first], distinct


def _places(keys: torch.Tensor, distinct: torch.Tensor) -> torch.Tensor:
    """Where each key stands among the sorted distinct ones."""
    return torch.searchsorted(distinct, keys)


def _all(number: int, device: torch.device) -> int:
    return int(gathering.gathered(torch.tensor([number], device=device)).sum())


def _key(text: str) -> int:
    """A number for a text that is the same in every process, above 0."""
    return (int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()) >> 1) or 1


def _check(stage: Stage, settings: Contrast, model: Llava) -> None:
    if model.config.vision.get("model_type") != "clip_vision_model":
        raise UserError(
            f"objective 'clip' needs a tower of CLIP, with a class token, not {model.config.vision.get('model_type')!r}"
        )
    if settings.instances is not None and stage.images != "pad":
        raise UserError(f"objective 'clip' follows boxes through the image policy 'pad' only, not '{stage.images}'")


def _end_token(processor: Processor) -> int:
    """The id that ends texts. transformers takes 2 for "the largest id of the text", by an old fault it keeps."""
    special = processor.tokenizer.special
    names: Iterable[str | None] = (processor.eos_token, "<|im_end|>", *special)
    for name in names:
        if name is not None and special.get(name, 2) != 2:
            return special[name]
    raise UserError(f"no token can end a text of the text tower: the tokenizer's special ones are {', '.join(special)}")


def _text_config(settings: Contrast, processor: Processor, end: int) -> dict[str, Any]:
    return {
        "vocab_size": len(processor.tokenizer),
        "hidden_size": settings.width,
        "intermediate_size": 4 * settings.width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "max_position_embeddings": settings.max_tokens,
        "projection_dim": settings.common,
        "hidden_act": "gelu",
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": end,
    }
