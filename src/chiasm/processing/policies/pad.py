"""The policy `pad`: the whole picture, centred on a square of the mean colour, then resized.

LLaVA-1.5's `image_aspect_ratio: pad`. Nothing is cut off and nothing is squashed; an odd remainder goes to the
bottom or to the right. Boxes in the training data are relative to this padded square.
"""

from __future__ import annotations

from PIL import Image

from chiasm.processing.images import Frame, ImageLayout, ImageProcessing

# How much of the padded square exists at once, in pixels (4 bytes each). Ours: the square of a 20,000 x 3,000
# panorama would take 1.6 GB; in bands it takes 16 MB, and a photograph of 2,000 x 1,500 still is a single band.
BAND_PIXELS = 4_000_000


def layout(processing: ImageProcessing, width: int, height: int) -> ImageLayout:
    """One tile, whatever the picture's size."""
    return processing.one_tile()


def tiles(processing: ImageProcessing, image: Image.Image) -> list[Image.Image]:
    """RGB of any size -> one RGB tile, size x size.

    Byte for byte the result of pasting the picture on the square and resizing that, without ever holding the
    square: Pillow resizes a square in two passes, rows first, each rounded to bytes. The first pass treats every row
    alone, so it runs in bands of rows; rows of the bare background come out of it as they went in and are skipped.
    """
    size, colour = processing.size, processing.pad_colour
    width, height = image.size
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    narrow = Image.new("RGB", (size, side), colour)
    rows = max(1, BAND_PIXELS // side)
    for start in range(0, height, rows):
        end = min(start + rows, height)
        band = Image.new("RGB", (side, end - start), colour)
        band.paste(image.crop((0, start, width, end)), (left, 0))
        narrow.paste(band.resize((size, end - start), Image.Resampling.BICUBIC), (0, top + start))
    return [narrow.resize((size, size), Image.Resampling.BICUBIC)]


def frames(processing: ImageProcessing, width: int, height: int) -> list[Frame]:
    """The square around the picture."""
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    return [Frame(-left / width, -top / height, (side - left) / width, (side - top) / height)]


def preprocessor_fields(processing: ImageProcessing) -> dict[str, object]:
    """What a Hugging Face `preprocessor_config.json` must say besides the common fields."""
    return {"image_processor_type": "LlavaImageProcessor", "do_pad": True}
