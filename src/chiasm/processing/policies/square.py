"""The policy `square`: the middle of the picture, as the tower was pre-trained to see it.

CLIP (`resize="shortest_edge"`): the shorter edge is resized to S and the middle S of the longer one kept, so that
the ends of a long picture are lost. SigLIP (`resize="exact"`): the whole picture is squashed to S x S.
LLaVA-1.0 used it; it is also what `image_aspect_ratio` unset or `square` means in a published checkpoint.
"""

from __future__ import annotations

from PIL import Image

from chiasm.processing.images import Frame, ImageLayout, ImageProcessing


def layout(processing: ImageProcessing, width: int, height: int) -> ImageLayout:
    """One tile, whatever the picture's size."""
    return processing.one_tile()


def tiles(processing: ImageProcessing, image: Image.Image) -> list[Image.Image]:
    """RGB of any size -> one RGB tile, size x size."""
    size = processing.size
    if processing.resize == "exact":
        return [image.resize((size, size), Image.Resampling.BICUBIC)]
    width, height = _resized(size, *image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return [resized.crop((left, top, left + size, top + size))]


def frames(processing: ImageProcessing, width: int, height: int) -> list[Frame]:
    """The middle of the picture, or all of it where it is squashed."""
    if processing.resize == "exact":
        return [Frame(0.0, 0.0, 1.0, 1.0)]
    size = processing.size
    width, height = _resized(size, width, height)
    left, top = (width - size) // 2, (height - size) // 2
    return [Frame(left / width, top / height, (left + size) / width, (top + size) / height)]


def _resized(size: int, width: int, height: int) -> tuple[int, int]:
    """Width and height of a picture whose shorter edge has become `size`."""
    short, long = sorted((width, height))
    # Both roundings, here and of the crop, are the published ones and visible in the pixels: the long edge is truncated
    # after a division of floats, the crop starts at the floor of half of what is left over.
    new_long = int(size * long / short)
    return (size, new_long) if width <= height else (new_long, size)


def preprocessor_fields(processing: ImageProcessing) -> dict[str, object]:
    """What a Hugging Face `preprocessor_config.json` must say besides the common fields."""
    siglip = processing.resize == "exact"
    return {"image_processor_type": "SiglipImageProcessor" if siglip else "CLIPImageProcessor"}
