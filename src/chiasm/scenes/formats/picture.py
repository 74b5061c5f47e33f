"""A picture of the world with its scene: what every format is made of."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from chiasm.scenes.scene import Scene
from chiasm.scenes.streams import random_stream
from chiasm.scenes.telling.captions import captions
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language

LANGUAGES: tuple[Language, Language] = (ENGLISH, CHINESE)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture `number` of a split of the world `seed`."""

    seed: int
    split: str
    number: int
    scene: Scene
    _captions: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def digits(self) -> str:
        return f"{self.number:06d}"

    @property
    def file(self) -> str:
        """Its path in the folder of pictures."""
        return f"{self.split}/{self.digits}.png"

    @property
    def is_written(self) -> bool:
        """Whether there is a word or a number in it: in one of three."""
        return any(thing.text for thing in self.scene.things)

    def is_written_or_one_of(self, others: int) -> bool:
        """For what is to teach reading above all: whether something is written, or it is one of so many others."""
        return self.is_written or self.number % others == 0

    def captions(self, language: Language) -> tuple[str, ...]:
        """Its five captions, the same whoever asks: several files hold them."""
        code = language.code
        if code not in self._captions:
            self._captions[code] = captions(self.scene, language, self.stream(f"captions {code}"))
        return self._captions[code]

    def stream(self, purpose: str) -> random.Random:
        """A generator for `purpose` alone, so that one file's wording never moves another's."""
        return random_stream(self.seed, self.scene.id, purpose)
