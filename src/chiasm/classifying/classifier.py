"""A CLIP that tells which of some texts fits a picture best. Any of transformers' form; texts are encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from chiasm.checkpoints.clip_folder import LoadedClip, load_clip
from chiasm.errors import UserError

DEFAULT_TEMPLATE = "{}"
_PLACE = "{}"
# Texts at once, ours: a name list of thousands must not become one batch.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A label, how likely it is among all labels asked about, and the cosine of its text and the picture."""

    label: str
    probability: float
    cosine: float


class Classifier:
    """Labels to choose from, and a CLIP that chooses. Pictures come one by one and leave nothing behind."""

    def __init__(self, clip: LoadedClip, labels: Sequence[str], template: str = DEFAULT_TEMPLATE) -> None:
        """Encode every label in the words of `template`. Raises `UserError` for labels that cannot be told apart."""
        self.labels = _checked(labels)
        self._clip = clip
        texts = [_filled(template, label) for label in self.labels]
        self._texts_LD = torch.cat(
            [self._embedded(texts[begin : begin + _AT_ONCE]) for begin in range(0, len(texts), _AT_ONCE)]
        )

    @classmethod
    def open(
        cls,
        source: str | Path,
        labels: Sequence[str],
        template: str = DEFAULT_TEMPLATE,
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Classifier:
        """With the CLIP in a folder or on the hub. Labels are looked at before any weight is read."""
        for label in _checked(labels):
            _filled(template, label)
        return cls(load_clip(source, dtype=dtype, device=device), labels, template)

    @torch.inference_mode()
    def classify(self, image: Image.Image) -> list[Likelihood]:
        """An RGB picture -> every label, the likeliest first; labels that are equal keep their order."""
        model = self._clip.model
        pixels = self._clip.images.pixels(image).to(model.device, model.dtype)
        pooled = model.vision_model(pixel_values=pixels).pooler_output
        picture_D = torch.nn.functional.normalize(model.visual_projection(pooled).float(), dim=-1)[0]
        cosines_L = self._texts_LD @ picture_D
        probabilities_L = (model.logit_scale.float().exp() * cosines_L).softmax(0)
        rows = zip(self.labels, probabilities_L.tolist(), cosines_L.tolist(), strict=True)
        return sorted((Likelihood(*row) for row in rows), key=lambda each: -each.probability)

    @torch.inference_mode()
    def _embedded(self, texts: list[str]) -> torch.Tensor:
        """Texts -> (texts, common width), of length 1. Padded with each one's own end, which the tower never reads."""
        model = self._clip.model
        ids = [encoding.ids for encoding in self._clip.tokenizer.encode_batch(texts)]
        longest = max(map(len, ids))
        padded = torch.tensor([[*each, *[each[-1]] * (longest - len(each))] for each in ids], device=model.device)
        pooled = model.text_model(input_ids=padded).pooler_output
        return torch.nn.functional.normalize(model.text_projection(pooled).float(), dim=-1)


def _checked(labels: Sequence[str]) -> tuple[str, ...]:
    stripped = tuple(label.strip() for label in labels)
    if len(stripped) < 2:
        raise UserError(
            f"{len(stripped)} label{'' if len(stripped) == 1 else 's'} to choose from: give at least two, as in: "
            "chiasm classify picture.png dog cat"
        )
    if not all(stripped):
        raise UserError("one of the labels is empty: every label must be a word or a phrase")
    for position, label in enumerate(stripped):
        if label in stripped[:position]:
            raise UserError(f"the label '{label[:80]}' is given twice: each may stand once")
    return stripped


def _filled(template: str, label: str) -> str:
    if template.count(_PLACE) != 1:
        raise UserError(
            f"the template {template[:80]!r} has {template.count(_PLACE)} places for a label: write {{}} once, as in "
            '"a picture of {}"'
        )
    text = template.replace(_PLACE, label)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"the label {label[:80]!r} holds characters that are no text (lone surrogates)") from None
    return text
