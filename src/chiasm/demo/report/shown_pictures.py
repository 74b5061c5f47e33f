"""Pictures of the drawn world as a page shows them: drawn anew, larger than the model saw them, or as it saw them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path

from PIL import Image

from chiasm.demo.asking import SPLIT
from chiasm.scenes.drawing.compose import draw
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Scene
from chiasm.scenes.shards import FIRST_INDEX

_TIMES = 3  # larger; ours
_QUALITY = 78

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in parts of the padded square."""


@dataclass(frozen=True)
class Shown:
    """The validation picture in the file `path`, of the world of `seed`, `size` pixels along its longer side."""

    path: Path
    seed: int
    size: int

    @cached_property
    def scene(self) -> Scene:
        """What is in it."""
        return sample_scene(self.seed, FIRST_INDEX[SPLIT] + int(self.path.stem), self.size)

    @cached_property
    def address(self) -> str:
        """The picture drawn larger, as an address that holds it."""
        scene = self.scene
        larger = replace(scene, width=scene.width * _TIMES, height=scene.height * _TIMES)
        return address(draw(larger).image, "WEBP")

    def html(self, over: str = "") -> str:
        """The picture, with what lies `over` it."""
        ratio = f"{self.scene.width} / {self.scene.height}"
        return (
            f'<span class="shown" style="aspect-ratio: {ratio}"><img src="{self.address}" alt="" loading="lazy">'
            f"{over}</span>"
        )

    def frame(self, box: Sequence[float], kind: str) -> str:
        """A box as an element over the picture; `kind` says how it is drawn."""
        scene = self.scene
        side = max(scene.width, scene.height)
        edges = [
            _part(box[0], side, scene.width),
            _part(box[1], side, scene.height),
            _part(box[2], side, scene.width),
            _part(box[3], side, scene.height),
        ]
        left, top, right, bottom = (min(max(edge, 0.0), 1.0) * 100 for edge in edges)
        if right <= left or bottom <= top:
            return ""
        return (
            f'<i class="frame {escape(kind)}" style="left:{left:.1f}%;top:{top:.1f}%;'
            f'width:{right - left:.1f}%;height:{bottom - top:.1f}%"></i>'
        )


def address(image: Image.Image, form: str) -> str:
    """A picture as a `data:` address."""
    packed = io.BytesIO()
    image.save(packed, form, quality=_QUALITY)
    return f"data:image/{form.lower()};base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


def _part(place: float, side: int, length: int) -> float:
    """A place in parts of the padded square, in parts of the picture's own edge."""
    return (place * side - (side - length) // 2) / length
