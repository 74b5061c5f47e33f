"""Features of pictures, each encoded once: kept by the digest of its content as long as there is room.

Where it is known what familiar pictures are like, it says of each whether it is one.

Shapes: P tokens of a picture, D language width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import torch

from chiasm.generation.prompt import Picture, Prompt
from chiasm.models.familiarity import Familiarity
from chiasm.models.llava import Llava

_JUDGED = 1 << 16  # pictures of which it is kept whether they are familiar; ours
_TILES_AT_ONCE = 16  # ours: bounds the tower's activations (0.1 GB a tile of CLIP-L/336 in float32)


class Features:
    """Encodes pictures with one model. What was used longest ago is forgotten above `max_bytes`."""

    def __init__(self, model: Llava, max_bytes: int, familiarity: Familiarity | None = None) -> None:
        self._model, self._max_bytes, self._familiarity = model, max_bytes, familiarity
        self._unfamiliar: OrderedDict[str, bool] = OrderedDict()
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._num_bytes = 0

    def of(self, shown: Iterable[tuple[Prompt, Picture]]) -> dict[str, torch.Tensor]:
        """Features (P, D) of each different picture among `shown`, by digest. Call it in inference mode."""
        found: dict[str, torch.Tensor] = {}
        new: dict[str, torch.Tensor] = {}
        for prompt, picture in shown:
            if picture.key in self._kept:
                self._kept.move_to_end(picture.key)
                found[picture.key] = self._kept[picture.key]
            elif picture.key not in new:
                new[picture.key] = prompt.pixels[picture.first_tile : picture.first_tile + picture.num_tiles]
        if new:
            found |= self._encoded(new)
        return found

    def is_unfamiliar(self, key: str) -> bool:
        """Whether the picture of this digest, encoded before, is unlike those the model has learnt from.

        False where it cannot be told.
        """
        return self._unfamiliar.get(key, False)

    def _encoded(self, pixels: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        tiles = torch.cat(list(pixels.values()))
        counts = [len(some) for some in pixels.values()]
        connected, seen = [], []
        for some in torch.split(tiles, _TILES_AT_ONCE):
            if self._familiarity is None or self._familiarity.layer is None:
                x_NPV = judged = self._model.see(some)
            else:
                x_NPV, judged = self._model.see_layers(some, (None, self._familiarity.layer))
            connected.append(self._model.connect(x_NPV))
            if self._familiarity is not None:
                seen.append(judged)
        encoded = torch.cat(connected)
        if self._familiarity is not None:
            for key, x_NPV in zip(pixels, torch.split(torch.cat(seen), counts), strict=True):
                self._unfamiliar[key] = self._familiarity.is_unfamiliar(x_NPV)
            while len(self._unfamiliar) > _JUDGED:
                self._unfamiliar.popitem(last=False)
        # Cloned: a part of a batch would keep the whole of it in memory.
        features = {
            key: part.flatten(0, -2).clone() for key, part in zip(pixels, torch.split(encoded, counts), strict=True)
        }
        for key, x_PD in features.items():
            self._kept[key] = x_PD
            self._num_bytes += x_PD.nbytes
        while self._num_bytes > self._max_bytes and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._num_bytes -= oldest.nbytes
        return features
