from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.processing.pictures import PictureError, PictureLimits, fingerprint, open_picture

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


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header says so, with 20 KB of compressed zeros behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(20_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def reason(source: object, limits: PictureLimits = PictureLimits()) -> str:  # noqa: B008 - frozen
    with pytest.raises(PictureError) as caught:
        open_picture(source, limits)
    assert str(caught.value), "a message for people"
    return caught.value.reason


@pytest.mark.parametrize("source", [None, 7, ["a.jpg"], {"url": "x"}, 1.5])
def test_other_types_are_refused(source: object) -> None:
    assert reason(source) == "wrong type"


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    (tmp_path / "big.jpg").write_bytes(bytes(2000))
    started = time.process_time()
    assert reason(tmp_path / "nowhere.jpg") == "missing"
    assert reason(tmp_path / "empty.jpg" / "x.jpg") == "missing"
    assert reason("https://example.org/cat.jpg") == "missing"
    assert reason("") == "not a file"  # the current folder, as paths go
    assert reason("a\0b.jpg") == "not readable"
    assert reason("x" * 5000) == "not readable"
    assert reason("\ud800.jpg") == "not readable"
    for each in (tmp_path, tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        assert reason(each) == "not a file"
    assert reason(tmp_path / "empty.jpg") == "empty"
    assert reason(b"") == "empty"
    assert reason(tmp_path / "page.jpg") == "not an image"
    assert reason(tmp_path / "big.jpg", PictureLimits(max_bytes=1999)) == "too large"
    assert reason(bytes(2000), PictureLimits(max_bytes=1999)) == "too large"
    assert time.process_time() - started < 1


def test_messages_are_one_printable_line() -> None:
    with pytest.raises(PictureError) as caught:
        open_picture("\x1b[31m\n\ud800" + "x" * 10_000 + ".jpg")
    message = str(caught.value)
    assert message.isprintable()
    assert len(message.encode()) < 400
    with pytest.raises(PictureError, match="record 7: "):
        open_picture(b"nothing", name="record 7")


def test_the_error_survives_pickling() -> None:
    with pytest.raises(PictureError) as caught:
        open_picture(b"")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.reason, str(copy)) == ("empty", str(caught.value))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "HEIC"),
        (encoded(Image.new("RGB", (16, 16)), "ICO"), "ICO"),
        (encoded(Image.new("RGB", (16, 16)), "JPEG2000"), "JPEG 2000"),
    ],
)
def test_known_formats_that_are_not_accepted_are_named(content: bytes, word: str) -> None:
    with pytest.raises(PictureError, match=word) as caught:
        open_picture(content)
    assert caught.value.reason == "format not allowed"


def test_formats_may_be_narrowed_and_names_do_not_count(tmp_path: Path) -> None:
    assert reason(encoded(photograph(), "TIFF"), PictureLimits(formats=("JPEG", "PNG"))) == "format not allowed"
    path = tmp_path / "really_a_gif.jpg"
    path.write_bytes(encoded(Image.new("RGB", (9, 9), (255, 0, 0)), "GIF"))
    assert open_picture(path).getpixel((4, 4)) == (255, 0, 0)
    for text in (b"BMW is a car, and this is a text of some length", b"GIF is a format", b"hello", b"\xff\xd8"):
        assert reason(text) == "not an image"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((30_000, 30_000), "too large"),
        ((20_001, 200), "too large"),
        ((9_000, 9_000), "too large"),  # between our limit and the one at which Pillow itself gives up
        ((1, 60_000), "bad shape"),
        ((52_800, 44), "bad shape"),
        ((201, 1), "bad shape"),
    ],
)
def test_shapes_are_judged_by_the_header(size: tuple[int, int], expected: str) -> None:
    content = png_header(*size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.process_time()
        assert reason(content) == expected
        assert time.process_time() - started < 0.1
    assert caught == []


def test_small_and_thin_pictures_are_fine() -> None:
    for size in ((1, 1), (1, 200), (200, 1), (3, 2)):
        assert open_picture(encoded(Image.new("L", size, 9), "PNG")).size == size


BOMBS = """
import io, resource, struct, sys, time
sys.path.insert(0, sys.argv[1])
from chiasm.processing.pictures import PictureError, open_picture
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
contents = [bytes.fromhex(line) for line in sys.stdin.read().split()]
try:
    open_picture(b"no picture")  # what is imported late is imported now
except PictureError:
    pass
before = peak()
for content in contents:
    started = time.process_time()
    try:
        open_picture(content)
        raise SystemExit("accepted")
    except PictureError as error:
        assert error.reason == "too large", error
    assert time.process_time() - started < 0.1
print(peak() - before)
"""


def test_bombs_cost_no_memory() -> None:
    """The 20 KB PNG of 900 megapixels, and a WebP and GIFs whose frames Pillow would allocate while opening."""
    png = png_header(30_000, 30_000)
    assert len(png) < 25_000
    webp = bytearray(encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0"))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (11_999).to_bytes(3, "little") * 2
    large_webp = encoded(Image.new("RGB", (8_100, 8_000)), "WEBP", lossless=True, quality=0, method=0)
    screen = b"GIF89a" + struct.pack("<HH", 13_000, 13_000) + b"\x00\x00\x00"
    frame = b"\x21\xf9\x04\x08\x00\x00\x00\x00" + b"," + struct.pack("<HHHH", 0, 0, 13_000, 13_000) + b"\x00"
    small_screen = b"GIF89a" + struct.pack("<HH", 10, 10) + b"\x80\x00\x00" + bytes(6) + b"\x21\xfe\x03abc\x00"
    contents = [png, large_webp, screen + frame, small_screen + frame]
    source = str(Path(__file__).resolve().parents[2] / "src")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", BOMBS, source],
        input="\n".join(content.hex() for content in contents),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 20, f"{run.stdout} MB"
    assert reason(bytes(webp)) in ("too large", "damaged")  # its canvas and its frame disagree


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    content = encoded(photograph(), "JPEG", progressive=True)
    assert open_picture(content).size == (320, 200)
    at = content.rindex(b"\xff\xda")
    last_scan = content[at:-2]
    assert reason(content[:-2] + last_scan * 101 + b"\xff\xd9") == "too large"


@pytest.mark.parametrize(
    ("kind", "options"),
    [(kind, {}) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")]
    + [("JPEG", {"progressive": True}), ("TIFF", {"compression": "tiff_lzw"})],
)
def test_a_file_that_ends_early_is_refused(kind: str, options: dict[str, object]) -> None:
    """Cut anywhere, a file is refused or gives exactly the whole picture; never a picture with a grey rest."""
    content = encoded(photograph(), kind, **options)
    whole = fingerprint(open_picture(content))
    reasons = []
    for part in np.linspace(0, 1, 60):
        cut = 2 + int((len(content) - 2) * part)
        try:
            assert fingerprint(open_picture(content[:cut])) == whole
        except PictureError as error:
            reasons.append(error.reason)
    assert set(reasons) <= {"damaged", "not an image"}
    assert len(reasons) >= 50


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_flipped_bytes_give_a_picture_or_a_picture_error(kind: str) -> None:
    content = encoded(photograph(40, 30), kind)
    random = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(content)
        for at in random.integers(0, min(len(content), random.choice([40, 400, 10_000])), 3):
            damaged[at] = random.integers(256)
        with contextlib.suppress(PictureError):
            assert open_picture(bytes(damaged), PictureLimits(max_pixels=10**6)).mode == "RGB"


def test_ten_thousand_frames_are_not_looked_at() -> None:
    small = Image.new("P", (4, 4))
    one = encoded(small, "GIF")
    two = encoded(small, "GIF", save_all=True, append_images=[Image.new("P", (4, 4), 1)])
    frame = two[len(one) - 1 : -1]
    content = one[:-1] + frame * 10_000 + b";"
    started = time.process_time()
    assert open_picture(content).size == (4, 4)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0\x00\x02" + bytes(8_000_000),
        b"\xff\xd8\xff\xe0" + b"\x00\x02\xff\xe0" * 2_000_000,
        png_header(10, 10)[:33] + (b"\0\0\0\0aaAa" + zlib.crc32(b"aaAa").to_bytes(4, "big")) * 600_000,
        b"GIF89a" + bytes(7) + b"!\xfe\0" * 2_000_000,
    ],
    ids=["JPEG junk", "JPEG segments", "PNG chunks", "GIF extensions"],
)
def test_headers_without_end_are_given_up(content: bytes) -> None:
    started = time.process_time()
    assert reason(content) == "damaged"
    assert time.process_time() - started < 2


def test_arrays_of_another_kind_are_refused() -> None:
    array = np.zeros((6, 10, 3), dtype=np.uint8)
    assert open_picture(array).size == (10, 6)
    assert reason(array.astype(np.float32) / 255) == "wrong type"
    assert reason(array.astype(np.uint16)) == "wrong type"
    assert reason(array.transpose(2, 0, 1)) == "bad shape"
    assert reason(array[None]) == "bad shape"
    assert reason(np.zeros((0, 5, 3), dtype=np.uint8)) == "bad shape"
    assert reason(np.zeros((2, 401), dtype=np.uint8)) == "bad shape"


def test_a_picture_the_caller_opened_is_judged_before_decoding() -> None:
    assert reason(Image.open(io.BytesIO(png_header(8_500, 8_500)))) == "too large"
