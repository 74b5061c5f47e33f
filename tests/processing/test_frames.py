from __future__ import annotations

import pytest
from PIL import Image

from chiasm.errors import UserError
from chiasm.processing import images
from chiasm.processing.images import Frame, ImageProcessing

PAD = ImageProcessing(policy="pad", size=28, patch_size=14)
CROP = ImageProcessing(policy="square", size=28, patch_size=14)
SQUASH = ImageProcessing(policy="square", size=28, patch_size=14, resize="exact")


@pytest.mark.parametrize(
    ("processing", "size", "frame"),
    [
        (PAD, (40, 40), (0, 0, 1, 1)),
        (PAD, (40, 20), (0, -0.5, 1, 1.5)),
        (PAD, (10, 20), (-0.5, 0, 1.5, 1)),
        (PAD, (1, 4), (-1, 0, 3, 1)),  # an odd remainder goes to the right: one column of 3 before, 2 behind
        (CROP, (60, 20), (1 / 3, 0, 2 / 3, 1)),
        (CROP, (20, 80), (0, 0.375, 1, 0.625)),
        (SQUASH, (60, 20), (0, 0, 1, 1)),
        # 30 pixels in patches of 14: what is left over to the right and below is not seen.
        (ImageProcessing(policy="pad", size=30, patch_size=14), (30, 30), (0, 0, 28 / 30, 28 / 30)),
    ],
)
def test_where_the_tile_lies(
    processing: ImageProcessing, size: tuple[int, int], frame: tuple[float, float, float, float]
) -> None:
    (found,) = processing.frames(*size)
    assert (found.left, found.top, found.right, found.bottom) == pytest.approx(frame)


@pytest.mark.parametrize("processing", [PAD, CROP, SQUASH])
@pytest.mark.parametrize("size", [(112, 112), (224, 112), (112, 336)])
def test_a_dot_is_where_the_frame_says(processing: ImageProcessing, size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "black")
    centre = (size[0] // 2, size[1] // 2)
    picture.paste("white", (centre[0], centre[1], centre[0] + size[0] // 8, centre[1] + size[1] // 8))
    (tile,) = processing.tiles(picture)
    (frame,) = processing.frames(*size)
    white = [(x, y) for x in range(28) for y in range(28) if min(tile.getpixel((x, y))) > 200]  # type: ignore[type-var,arg-type]
    assert white
    for x, y in white:  # the middle of a white pixel of the tile lies on the dot
        along = frame.left + (x + 0.5) / 28 * (frame.right - frame.left)
        down = frame.top + (y + 0.5) / 28 * (frame.bottom - frame.top)
        assert 0.5 <= along <= 0.626
        assert 0.5 <= down <= 0.626


def test_a_policy_that_does_not_say_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("chiasm.processing.policies.pad.frames")
    with pytest.raises(UserError, match="'pad' does not say where its tiles lie"):
        PAD.frames(3, 3)


def test_frames_are_values() -> None:
    assert images.Frame(0, 0, 1, 1) == Frame(0, 0, 1, 1)
