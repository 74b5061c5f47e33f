"""The size of a picture from its header: what `open_picture` refuses before it decodes is refused here too."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from chiasm.processing.pictures import PictureError, PictureLimits, open_picture, picture_size


def _written(path: Path, kind: str, size: tuple[int, int] = (30, 20), **options: object) -> Path:
    Image.effect_noise(size, 60).convert("RGB").save(path, kind, **options)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"])
def test_every_format_tells_its_size(tmp_path: Path, kind: str) -> None:
    assert picture_size(_written(tmp_path / "p", kind)) == (30, 20)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"])
def test_large_files_too_whose_size_may_stand_at_their_end(tmp_path: Path, kind: str) -> None:
    """A TIFF of this library has its directory behind the pixels or before; a WebP is read whole."""
    path = _written(tmp_path / "p", kind, (600, 500))
    assert path.stat().st_size > 64 * 1024
    assert picture_size(path) == (600, 500)


def test_a_size_behind_much_else(tmp_path: Path) -> None:
    """A JPEG with three blocks of 60 KB before its frame."""
    content = _written(tmp_path / "p", "JPEG").read_bytes()
    block = b"\xff\xe5" + (60_002).to_bytes(2, "big") + bytes(60_000)
    (tmp_path / "p").write_bytes(content[:2] + 3 * block + content[2:])
    assert picture_size(tmp_path / "p") == (30, 20)


def test_pixels_are_not_looked_at(tmp_path: Path) -> None:
    path = _written(tmp_path / "p", "PNG", (600, 500))
    content = bytearray(path.read_bytes())
    content[5000:9000] = bytes(4000)
    path.write_bytes(content)
    assert picture_size(path) == (600, 500)
    with pytest.raises(PictureError):
        open_picture(path)


@pytest.mark.parametrize("size", [(30, 20), (600, 500)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "GIF"])
def test_a_file_that_is_cut_short_is_found_out(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    path = _written(tmp_path / "p", kind, size)
    os.truncate(path, path.stat().st_size * 3 // 4)
    with pytest.raises(PictureError) as found:
        picture_size(path)
    assert found.value.reason == "damaged"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "GIF"])
def test_what_follows_a_whole_picture_does_no_harm(tmp_path: Path, kind: str) -> None:
    path = _written(tmp_path / "p", kind)
    path.write_bytes(path.read_bytes() + b"a film of two seconds" * 100)
    assert picture_size(path) == open_picture(path).size == (30, 20)


def test_a_picture_on_its_side_is_told_as_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _written(tmp_path / "p", "JPEG", exif=exif)
    assert picture_size(path) == (30, 20)
    assert open_picture(path).size == (20, 30)


def _bad(tmp_path: Path, reason: str) -> Path:
    path = tmp_path / "p"
    match reason:
        case "empty":
            path.touch()
        case "not an image":
            path.write_text("<html>404</html>")
        case "not a file":
            path.mkdir()
        case "bad shape":
            _written(path, "PNG", (1, 900))
        case "too large":
            _written(path, "BMP", (2000, 1))
        case "format not allowed":
            path.write_bytes(b"%PDF-1.4")
        case "damaged":
            file = io.BytesIO()
            Image.new("RGB", (9, 9)).save(file, "PNG")
            path.write_bytes(file.getvalue()[:20])
    return path


@pytest.mark.parametrize(
    "reason",
    ["missing", "empty", "not an image", "not a file", "bad shape", "too large", "format not allowed", "damaged"],
)
def test_reasons_and_words_are_those_of_opening(tmp_path: Path, reason: str) -> None:
    limits = PictureLimits(max_side=1500, max_aspect=500 if reason == "bad shape" else 5000)
    path = _bad(tmp_path, reason)
    with pytest.raises(PictureError) as opening:
        open_picture(path, limits)
    with pytest.raises(PictureError) as looking:
        picture_size(path, limits)
    assert looking.value.reason == opening.value.reason == reason
    assert str(looking.value) == str(opening.value)
