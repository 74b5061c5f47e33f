"""Pictures a little different each time they are shown: edges cut off, brightness, contrast and saturation changed.

What is drawn is a function of seed, stage, epoch, sample and place in the sample alone: it is the same in any number of
threads and processes, and a run that goes on draws what it would have drawn. It knows neither files nor models.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageEnhance

from chiasm.training.config import Augment


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What the stage `stage` of a run with `seed` asks for."""

    settings: Augment
    seed: int
    stage: str

    def of(self, picture: Image.Image, epoch: int, index: int, number: int = 0) -> Image.Image:
        """The RGB picture `number` of the sample `index` as `epoch` (from 0) shows it, smaller where edges are cut off.

        A setting of 0 changes nothing. What one setting draws does not depend on the others.
        """
        random = Random(f"augmentation/{self.seed}/{self.stage}/{epoch}/{index}/{number}")
        left, top, right, bottom = (self.settings.crop * random.random() for _ in range(4))
        brightness, contrast, saturation = (
            1 + strength * random.uniform(-1, 1)
            for strength in (self.settings.brightness, self.settings.contrast, self.settings.saturation)
        )
        if self.settings.crop:
            width, height = picture.size
            box = (int(left * width), int(top * height), width - int(right * width), height - int(bottom * height))
            picture = picture.crop(box)
        if self.settings.brightness:
            picture = ImageEnhance.Brightness(picture).enhance(brightness)
        if self.settings.contrast:
            picture = ImageEnhance.Contrast(picture).enhance(contrast)
        if self.settings.saturation:
            picture = ImageEnhance.Color(picture).enhance(saturation)
        return picture
