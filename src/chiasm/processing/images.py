"""Pictures to the tensor a vision tower takes, and the one answer to how many tokens a picture is.

`ImageProcessing` is the part of `processor.json` about pictures. How a picture is cut into tiles is a policy, one file
of `chiasm.processing.policies`; scaling to floats happens here. Knows nothing about files (`chiasm.processing.pictures`
opens them), towers or text. Resizing is Pillow's own bicubic, the one published checkpoints were trained with. torch is
imported only for who asks for a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self, cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from chiasm.errors import UserError
from chiasm.registry import Registry

if TYPE_CHECKING:
    import torch

# OpenAI's CLIP, `preprocessor_config.json` of openai/clip-vit-large-patch14-336.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

POLICIES = Registry("chiasm.processing.policies", "image policy", ("layout", "tiles", "preprocessor_fields"))


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How the features of one picture lie: `tiles` squares of `rows` x `cols` patches, with the class token or not.

    The one place that says how many tokens a picture takes: processor, model, trainer and server all ask it.
    """

    tiles: int
    rows: int
    cols: int
    class_token: bool = False

    def __post_init__(self) -> None:
        if min(self.tiles, self.rows, self.cols) < 1:
            raise ValueError(f"a picture has at least one tile of one patch, not {self}")

    @property
    def tokens_per_tile(self) -> int:
        """Features the tower gives for one tile."""
        return self.rows * self.cols + self.class_token

    @property
    def num_tokens(self) -> int:
        """Placeholders the picture takes in the sequence."""
        return self.tiles * self.tokens_per_tile


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a tile lies: its edges in parts of the picture's width and height. Beyond 0 to 1 there is no picture."""

    left: float
    top: float
    right: float
    bottom: float


class ImagePolicy(Protocol):
    """What a file of `chiasm.processing.policies` provides. Tiles and layout may depend on the picture's size.

    It may also provide `frames(processing, width, height) -> list[Frame]`, one a tile, which only drawing asks for.
    """

    def layout(self, processing: ImageProcessing, width: int, height: int) -> ImageLayout:
        """The layout of a picture `width` x `height` pixels; its `tiles` is what `tiles` returns for such a picture."""
        ...

    def tiles(self, processing: ImageProcessing, image: Image.Image) -> list[Image.Image]:
        """RGB of any size -> RGB tiles, each `processing.size` square, in the order the tower gets them."""
        ...

    def preprocessor_fields(self, processing: ImageProcessing) -> dict[str, object]:
        """Fields of `preprocessor_config.json`, with `image_processor_type`, for transformers to cut the same tiles."""
        ...


class ImageProcessing(BaseModel):
    """All that decides how a picture becomes pixels; stored in `processor.json`.

    `size` is a tile's edge in pixels and `patch_size` that of a patch. `class_token` says that the tower's class token
    is kept as a token of its own. `resize` is how the tower's own processor fits a picture to `size`: CLIP's scales the
    shortest edge and crops, SigLIP's squashes to the exact square. `mean` and `std` are for values in 0..1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    policy: str = "pad"
    # The upper bound is ours: it keeps a damaged or hostile file from asking for gigabytes a tile.
    size: Annotated[int, Field(strict=True, ge=1, le=4096)] = 336
    patch_size: Annotated[int, Field(strict=True, ge=1)] = 14
    class_token: StrictBool = False
    resize: Literal["shortest_edge", "exact"] = "shortest_edge"
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.patch_size > self.size:
            raise ValueError(f"patch_size {self.patch_size} does not fit into size {self.size}")
        if not all(0 <= value <= 1 for value in self.mean) or not all(value > 0 for value in self.std):
            raise ValueError(f"mean {self.mean} must lie in 0..1 and std {self.std} above 0")
        POLICIES.find(self.policy)  # a misspelt policy is refused where it is written, not at the first picture
        return self

    @property
    def pad_colour(self) -> tuple[int, int, int]:
        """The mean as a colour, truncated as published: (122, 116, 104) for CLIP, (127, 127, 127) for SigLIP."""
        red, green, blue = (int(value * 255) for value in self.mean)
        return red, green, blue

    def one_tile(self) -> ImageLayout:
        """The layout of a picture that is a single tile. The tower does not see pixels beyond the last whole patch."""
        patches = self.size // self.patch_size
        return ImageLayout(1, patches, patches, self.class_token)

    def layout(self, width: int, height: int) -> ImageLayout:
        """The layout of a picture of `width` x `height` pixels, EXIF already applied; costs no decoding."""
        return self._policy().layout(self, width, height)

    def frames(self, width: int, height: int) -> list[Frame]:
        """Where the patches of each tile lie in a picture of `width` x `height`: rows and columns share a frame evenly.

        Raises `UserError` for a policy that does not say.
        """
        frames = getattr(self._policy(), "frames", None)
        if frames is None:
            raise UserError(
                f"the image policy '{self.policy}' does not say where its tiles lie in a picture: it has no `frames`. "
                "Add it there, next to `tiles`"
            )
        seen = self.size // self.patch_size * self.patch_size / self.size  # up to the last whole patch
        return [
            Frame(f.left, f.top, f.left + (f.right - f.left) * seen, f.top + (f.bottom - f.top) * seen)
            for f in cast("list[Frame]", frames(self, width, height))
        ]

    def tiles(self, image: Image.Image) -> list[Image.Image]:
        """RGB of any size -> the RGB tiles the tower sees, each size x size, not yet normalised."""
        if image.mode != "RGB":
            raise ValueError(f"expected an RGB picture, got mode {image.mode}: open it with open_picture")
        return self._policy().tiles(self, image)

    def pixels(self, image: Image.Image) -> torch.Tensor:
        """`pixel_array` as a tensor of the same memory."""
        import torch

        return torch.from_numpy(self.pixel_array(image))

    def pixel_array(self, image: Image.Image) -> npt.NDArray[np.float32]:
        """RGB of any size -> (tiles, 3, size, size) float32, normalised channel by channel.

        Equal bit for bit to transformers' float32 `(value * (1 / 255) - mean) / std`: a byte has 256 values, so each
        channel's results are computed once into a table, with the published order of operations, and looked up.
        """
        tiles = self.tiles(image)
        if any(tile.size != (self.size, self.size) for tile in tiles):
            raise ValueError(
                f"policy '{self.policy}' gave tiles {[tile.size for tile in tiles]}, not {self.size} square"
            )
        levels = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)
        pixels = np.empty((len(tiles), 3, self.size, self.size), dtype=np.float32)
        for channel in range(3):
            table = (levels - np.float32(self.mean[channel])) / np.float32(self.std[channel])
            for index, tile in enumerate(tiles):
                # mode="clip" only spares numpy a buffer: a byte cannot lie outside the table.
                np.take(table, np.asarray(tile)[..., channel], out=pixels[index, channel], mode="clip")
        return pixels

    def _policy(self) -> ImagePolicy:
        return cast(ImagePolicy, POLICIES.find(self.policy).module)

    @classmethod
    def from_preprocessor_config(
        cls, config: Mapping[str, object], policy: str | None, patch_size: int, *, class_token: bool = False
    ) -> Self:
        """Read a Hugging Face `preprocessor_config.json` of CLIP, SigLIP or LLaVA.

        `policy` is the checkpoint's own word (`image_aspect_ratio` of the original layout) and wins: the published
        files carry the tower's crop even where the model was trained on padded pictures. Without it `do_pad` decides.
        Raises `UserError` for anything that would give other pixels than ours: another filter, scale or crop.
        """
        # 3 is Pillow's number for bicubic; the defaults are those of transformers' CLIP and SigLIP processors.
        for key, needed in {"do_resize": True, "resample": 3, "do_rescale": True, "do_normalize": True}.items():
            if config.get(key, needed) != needed:
                raise UserError(f"preprocessor_config.json says {key}: {config[key]!r}; only {needed!r} is supported")
        factor = config.get("rescale_factor", 1 / 255)
        if not isinstance(factor, float) or not math.isclose(factor, 1 / 255, rel_tol=1e-6):
            raise UserError(f"preprocessor_config.json says rescale_factor: {factor!r}; only 1/255 is supported")
        size, resize = _size_and_resize(config)
        return cls(
            policy=policy or ("pad" if config.get("do_pad") else "square"),
            size=size,
            patch_size=patch_size,
            class_token=class_token,
            resize=resize,
            mean=_three(config, "image_mean"),
            std=_three(config, "image_std"),
        )

    def to_preprocessor_config(self) -> dict[str, object]:
        """The `preprocessor_config.json` with which transformers' own image processor gives these pixels."""
        square: dict[str, object] = {"height": self.size, "width": self.size}
        crops = self.resize == "shortest_edge"
        config: dict[str, object] = {
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"shortest_edge": self.size} if crops else square,
            "resample": int(Image.Resampling.BICUBIC),
            "do_center_crop": crops,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }
        if crops:
            config["crop_size"] = square
        return config | self._policy().preprocessor_fields(self)


def _size_and_resize(config: Mapping[str, object]) -> tuple[int, Literal["shortest_edge", "exact"]]:
    """The tile's edge and how a picture is fitted to it; refuses sizes that do not end in one square."""
    size, crop = config.get("size"), config.get("crop_size")
    match size:
        case int():  # files older than transformers 4.22: CLIP wrote a bare number for the shortest edge
            edge, resize = size, "shortest_edge"
        case {"shortest_edge": int(edge)}:
            resize = "shortest_edge"
        case {"height": int(edge), "width": int(width)} if edge == width:
            resize = "exact"
        case _:
            raise UserError(
                f"preprocessor_config.json says size: {size!r}; expected shortest_edge or equal height and width"
            )
    if crop is not None and config.get("do_center_crop", True) and crop not in (edge, {"height": edge, "width": edge}):
        raise UserError(
            f"preprocessor_config.json resizes to {edge} but crops to {crop!r}; only equal sizes are supported"
        )
    return edge, cast(Literal["shortest_edge", "exact"], resize)


def _three(config: Mapping[str, object], key: str) -> tuple[float, float, float]:
    match config.get(key):
        case [float() | int() as red, float() | int() as green, float() | int() as blue]:
            return float(red), float(green), float(blue)
        case other:
            raise UserError(f"preprocessor_config.json says {key}: {other!r}; expected three numbers")
