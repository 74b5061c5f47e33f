from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from chiasm.processing.pictures import fingerprint, open_picture

WIDE = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)  # no two pixels alike


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photograph(width: int = 320, height: int = 200) -> Image.Image:
    """Noise on a slope: no encoder shrinks it to nothing, so that cutting anywhere cuts pixels."""
    noise = np.random.default_rng(0).integers(0, 100, (height, width, 3))
    slope = np.linspace(0, 150, width)[None, :, None]
    return Image.fromarray((noise + slope).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_every_way_in_gives_the_same_pixels(kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(WIDE)
    content = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    path = tmp_path / "picture.txt"  # the name says nothing
    path.write_bytes(content)
    for source in (path, str(path), content, memoryview(content), image, WIDE):
        opened = open_picture(source)
        assert opened.mode == "RGB"
        assert np.array_equal(np.asarray(opened), WIDE)


def test_arrays() -> None:
    grey = WIDE[..., 0]
    assert np.array_equal(np.asarray(open_picture(grey)), np.stack([grey] * 3, axis=-1))
    see_through = np.concatenate([WIDE, np.zeros((6, 10, 1), dtype=np.uint8)], axis=-1)
    assert (np.asarray(open_picture(see_through)) == 255).all()
    assert np.array_equal(np.asarray(open_picture(WIDE[:, ::-1])), WIDE[:, ::-1])  # not contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "pil"])
def test_exif_orientation_is_applied_once(orientation: int, kind: str) -> None:
    """Against the definition: which side of the stored picture is the top, and which the left, of what was seen."""
    seen = WIDE
    stored = {
        1: seen,
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.transpose(1, 0, 2),
        6: np.rot90(seen, 1),  # 6: turn the stored picture clockwise to see it, so it was stored turned the other way
        7: seen[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(seen, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    if kind == "pil":
        image = Image.open(io.BytesIO(encoded(image, "PNG", exif=exif)))
        opened = open_picture(image)
    else:
        opened = open_picture(encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})))
    assert np.array_equal(np.asarray(opened), seen)
    again = open_picture(encoded(opened, "PNG"))  # nothing of the orientation may be left behind
    assert np.array_equal(np.asarray(again), seen)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow's, and right
def test_exif_of_jpeg_and_broken_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = photograph()
    assert open_picture(encoded(image, "JPEG", exif=exif)).size == (200, 320)
    assert open_picture(encoded(image, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")).size == (320, 200)


def test_jpeg_is_decoded_at_full_size() -> None:
    """No draft mode: every pixel counts in the resize that follows."""
    content = encoded(photograph(2000, 1500), "JPEG", quality=90)
    opened = open_picture(content)
    assert opened.size == (2000, 1500)
    assert np.array_equal(np.asarray(opened), np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


def test_first_frame_only() -> None:
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert open_picture(content).getpixel((3, 3)) == (255, 0, 0), kind
    animation = Image.open(io.BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    animation.seek(2)
    assert open_picture(animation).getpixel((3, 3)) == (0, 0, 255), "a PIL image is taken where it stands"
    assert animation.tell() == 2


def test_transparency_lies_on_white() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert open_picture(half).getpixel((0, 0)) == (127, 127, 127)
    assert open_picture(encoded(Image.new("RGBA", (4, 4), (200, 0, 0, 0)), "PNG")).getpixel((0, 0)) == (255, 255, 255)
    assert open_picture(encoded(Image.new("LA", (4, 4), (10, 255)), "PNG")).getpixel((0, 0)) == (10, 10, 10)
    assert open_picture(encoded(Image.new("LA", (4, 4), (10, 0)), "PNG")).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 0)
    opened = open_picture(encoded(palette, "PNG", transparency=1))
    assert opened.getpixel((0, 0)) == (10, 20, 30)
    assert opened.getpixel((1, 1)) == (255, 255, 255)
    keyed = open_picture(encoded(Image.new("RGB", (4, 4), (7, 8, 9)), "PNG", transparency=(7, 8, 9)))
    assert keyed.getpixel((0, 0)) == (255, 255, 255)
    assert open_picture(encoded(palette, "PNG")).getpixel((1, 1)) == (40, 50, 60)


def test_cmyk_as_adobe_writes_it() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    opened = np.asarray(open_picture(encoded(red, "JPEG", quality=95)), dtype=int)
    assert np.abs(opened - (255, 0, 0)).max() <= 3
    assert open_picture(encoded(red, "TIFF")).getpixel((3, 3)) == (255, 0, 0)


def test_one_bit_and_grey() -> None:
    bits = Image.new("1", (4, 4), 0)
    bits.putpixel((1, 0), 1)
    for content in (encoded(bits, "PNG"), encoded(bits, "TIFF"), encoded(bits, "BMP")):
        opened = open_picture(content)
        assert (opened.getpixel((0, 0)), opened.getpixel((1, 0))) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_sixteen_bits_keep_the_upper_byte(dtype: str) -> None:
    values = np.array([[0, 255, 256, 0x1234], [0x7FFF, 0x8000, 0xFF00, 0xFFFF]], dtype=np.uint16)
    expected = [[0, 0, 1, 0x12], [0x7F, 0x80, 0xFF, 0xFF]]
    for content in (encoded(Image.fromarray(values), "PNG"), encoded(Image.fromarray(values.astype(dtype)), "TIFF")):
        assert np.asarray(open_picture(content))[..., 0].tolist() == expected
    integers = np.array([[-5, 0x1234, 70_000, 0xFFFF]], dtype=np.int32)
    assert np.asarray(open_picture(Image.fromarray(integers)))[0, :, 2].tolist() == [0, 0x12, 255, 255]


def test_sixteen_bit_colour_with_a_colour_key() -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 1, 2, 3) for _ in range(2))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0))
    content = head + chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC)) + chunk(b"IDAT", zlib.compress(rows))
    assert open_picture(content + chunk(b"IEND", b"")).getpixel((0, 0)) == (0x12, 0x56, 0x9A)


def test_floats_are_stretched_between_their_extremes() -> None:
    values = np.array([[0.0, 0.25, 0.5, 1.0]], dtype=np.float32)
    for scale, offset in ((1, 0), (255, 0), (1e-3, 5), (3e38, 0)):
        content = encoded(Image.fromarray((values * scale + offset).astype(np.float32)), "TIFF")
        got = np.asarray(open_picture(content))[0, :, 0].astype(int)
        assert np.abs(got - [0, 64, 128, 255]).max() <= 1
    odd = np.array([[np.nan, -np.inf, 2.0, 4.0]], dtype=np.float32)
    assert np.asarray(open_picture(Image.fromarray(odd)))[0, :, 0].tolist() == [0, 0, 0, 255]
    assert np.asarray(open_picture(Image.fromarray(np.full((2, 2), np.nan, dtype=np.float32)))).max() == 0
    assert np.asarray(open_picture(Image.fromarray(np.full((2, 2), 3, dtype=np.float32)))).max() == 0


def test_the_callers_picture_stays_his() -> None:
    mine = Image.fromarray(WIDE.copy())
    opened = open_picture(mine)
    opened.putpixel((0, 0), (255, 255, 255))
    assert np.array_equal(np.asarray(mine), WIDE)


def test_text_chunks_do_not_matter() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Description", "x" * 100_000, zip=True)
    assert open_picture(encoded(Image.fromarray(WIDE), "PNG", pnginfo=notes)).info == {}


def test_fingerprints_tell_pictures_apart() -> None:
    picture = open_picture(WIDE)
    assert fingerprint(picture) == fingerprint(open_picture(WIDE.copy()))
    assert fingerprint(picture) != fingerprint(open_picture(WIDE.reshape(10, 6, 3))), "same bytes, other shape"
    changed = WIDE.copy()
    changed[5, 9, 2] ^= 1
    assert fingerprint(picture) != fingerprint(open_picture(changed))
    with pytest.raises(ValueError, match="RGB"):
        fingerprint(Image.new("L", (3, 3)))
