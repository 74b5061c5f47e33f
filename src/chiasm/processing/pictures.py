"""Opening pictures that may be broken or hostile: whatever comes in, a bounded RGB picture or a `PictureError`.

Training, evaluation, chat and the server all open pictures here, so that a picture looks the same to all of them. Knows
nothing about models, tiles or the network: an address is not fetched.

Formats are told by content, never by name: JPEG, PNG, WebP, GIF, BMP and TIFF (scans and 16-bit or float pictures come
as TIFF; who serves strangers may narrow `PictureLimits.formats`, not least because libtiff complains to stderr by
itself). Only the first frame is decoded.

How other colour modes become RGB (colour profiles are not applied):
- grey, 1 bit, palette, YCbCr, CMYK (inverted where Adobe wrote it so): Pillow's conversion;
- transparency of any kind (alpha channel, palette entry, colour key): laid over white;
- 16-bit grey: the upper byte (`value >> 8`); colour keys of 16-bit pictures are ignored;
- 32-bit integers: clipped to 0..65535, then as 16-bit grey, which is what Pillow uses this mode for;
- floats: the finite minimum becomes 0 and the maximum 255; what is not finite becomes 0.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile

from chiasm.errors import UserError
from chiasm.processing.picture_formats import FORMATS, KNOWN_OTHERS, ends_whole, gif_size


class PictureError(UserError):
    """A picture that cannot be used. `reason` is one of a few fixed words, for counting.

    "missing", "not a file", "not readable", "empty", "not an image", "format not allowed", "too large", "bad shape",
    "damaged" (cut short or corrupt), "wrong type" (no path, bytes, PIL image or uint8 array).
    """

    def __init__(self, message: str, reason: str = "not an image") -> None:
        super().__init__(message)
        self.reason = reason  # an attribute with a default: exceptions cross process borders as (message, attributes)


@dataclass(frozen=True)
class PictureLimits:
    """What is refused before anything is decoded. The numbers are ours.

    64 million pixels: the 50-megapixel cameras of phones and the panoramas they stitch pass. Decoded they take 256 MB,
    and twice that while they are converted.
    Aspect 200: the thinnest picture that still is more than one pixel thick when its long edge is 336.
    `max_scans` bounds the time a JPEG can ask for: files have about ten scans; each costs a pass over all pixels.
    """

    max_pixels: int = 64_000_000
    max_bytes: int = 64 * 1024 * 1024
    max_side: int = 20_000
    max_aspect: float = 200.0
    max_scans: int = 100
    formats: tuple[str, ...] = ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF")


Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


class _CountedReads(io.BytesIO):
    """Bytes that are handed out in so many pieces and no more.

    Pillow parses headers in Python, for JPEG byte by byte where there is junk: a file of millions of empty segments
    would keep it busy for a minute. 500,000 (ours) is half a second and enough for 60 MB of GIF in its 255-byte pieces.
    """

    _left = 500_000

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("it consists of too many pieces")
        return super().read(size)


DEFAULT_LIMITS = PictureLimits()
BACKGROUND = (255, 255, 255)
_LONGEST_NAME = 120
_TAIL_BYTES = 64  # ours
_HEAD_BYTES = 64 * 1024  # more than a JPEG's largest EXIF block (JPEG's segments have at most 64 KB); ours

# EXIF tag 0x0112: how the stored picture has to be turned to stand upright (EXIF 2.32, section 4.6.4).
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(source: object, limits: PictureLimits = DEFAULT_LIMITS, *, name: str | None = None) -> Image.Image:
    """A path, bytes, PIL image or array -> a decoded RGB picture standing upright, without metadata.

    Arrays are uint8: (height, width), (height, width, 3) or (height, width, 4). A PIL image is taken at the frame it
    stands on and never altered beyond being loaded. `name` stands for the picture in messages.
    Raises `PictureError`; size and shape are judged from the header, before decoding.

    A file that ends early is refused. Corrupt bytes inside a JPEG that its decoder skips in silence cannot be noticed.
    """
    match source:
        case str() | Path():
            shown = _printable(name or str(source))
            return _decode(_read_file(Path(source), limits, shown), limits, shown)
        case bytes() | bytearray() | memoryview():
            return _decode(bytes(source), limits, _printable(name or "the picture"))
        case Image.Image():
            shown = _printable(name or "the picture")
            _check_size(source.size, limits, shown)
            return _finish(source, shown)
        case np.ndarray():
            return _from_array(source, limits, _printable(name or "the array"))
    shown = _printable(name or "the picture")
    raise PictureError(
        f"{shown}: expected a path, bytes, a PIL image or a uint8 array, got {type(source).__name__}", "wrong type"
    )


def read_picture(path: Path, limits: PictureLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a picture's file, not decoded; raises `PictureError` for what `open_picture` would not read."""
    return _read_file(path, limits, _printable(str(path)))


def picture_size(path: Path, limits: PictureLimits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Width and height as a picture's file says, before it is turned upright; of most files little is read.

    Raises the `PictureError` that `open_picture` would, for all it finds before it decodes, and where a file is cut
    short: one that does not end as its format does is decoded. BMP and TIFF have no such end: theirs is not told.
    """
    shown = _printable(str(path))
    head, tail, num_bytes = _read_ends(path, limits, shown)
    try:
        with _opened(head, limits, shown) as image:
            size = image.size
    except PictureError:
        if len(head) < _HEAD_BYTES:
            raise
        whole = _read_file(path, limits, shown)  # what tells the size lies farther behind
        with _opened(whole, limits, shown) as image:
            size = image.size
    if not ends_whole(head, tail, num_bytes):
        open_picture(path, limits)
    return size


def fingerprint(image: Image.Image) -> str:
    """Digest of an RGB picture's size and pixels, as hex: equal for equal pictures only, so caches may key on it."""
    if image.mode != "RGB":
        raise ValueError(f"expected an RGB picture, got mode {image.mode}: open it with open_picture")
    # The size is part of it: the bytes of a 2 x 8 and a 4 x 4 picture may be the same.
    digest = hashlib.sha256(f"RGB {image.width}x{image.height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def _printable(name: str) -> str:
    """`name` fit for one line of a terminal, whatever a data file put into it."""
    clean = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    return clean if len(clean) <= _LONGEST_NAME else f"{clean[:50]}...{clean[-60:]}"


def _read_file(path: Path, limits: PictureLimits, shown: str) -> bytes:
    """The content of a regular file no larger than allowed."""
    with _regular_file(path, limits, shown) as file:
        return file.read(limits.max_bytes + 1)


def _read_ends(path: Path, limits: PictureLimits, shown: str) -> tuple[bytes, bytes, int]:
    """How a regular file begins, how it ends, and its size in bytes."""
    with _regular_file(path, limits, shown) as file:
        head = file.read(_HEAD_BYTES)
        num_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, num_bytes - _TAIL_BYTES))
        return head, file.read(_TAIL_BYTES), num_bytes


@contextmanager
def _regular_file(path: Path, limits: PictureLimits, shown: str) -> Iterator[BinaryIO]:
    """A regular file no larger than allowed, to read from. Never blocks on a pipe or a device."""
    try:
        # Looked at before opening, because opening some devices acts on them, and again after, because the name may
        # have come to mean something else; O_NONBLOCK keeps that case from hanging.
        _check_regular(path.stat(), limits, shown)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            _check_regular(os.fstat(file.fileno()), limits, shown)
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = "; addresses are not fetched" if re.match(r"[a-z]+:", shown, re.IGNORECASE) else ""
        raise PictureError(f"{shown}: there is no such file{hint}", "missing") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        what = error.strerror if isinstance(error, OSError) and error.strerror else _printable(str(error))
        raise PictureError(f"{shown}: cannot be read: {what}", "not readable") from error


def _check_regular(status: os.stat_result, limits: PictureLimits, shown: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise PictureError(f"{shown}: expected a file, this is {kind}", "not a file")
    _check_bytes(status.st_size, limits, shown)


def _check_bytes(num_bytes: int, limits: PictureLimits, shown: str) -> None:
    if num_bytes == 0:
        raise PictureError(f"{shown}: the file is empty (0 bytes); fetch it again", "empty")
    if num_bytes > limits.max_bytes:
        raise PictureError(
            f"{shown}: {num_bytes:,} bytes, more than the {limits.max_bytes:,} allowed; save it smaller", "too large"
        )


def _check_size(size: tuple[int, int], limits: PictureLimits, shown: str) -> None:
    short, long = sorted(size)
    if short < 1 or long > short * limits.max_aspect:
        raise PictureError(
            f"{shown}: {size[0]} x {size[1]} pixels; neither side may be zero or "
            f"more than {limits.max_aspect:g} times the other",
            "bad shape",
        )
    if long > limits.max_side or short * long > limits.max_pixels:
        raise PictureError(
            f"{shown}: {size[0]} x {size[1]} = {short * long:,} pixels; at most {limits.max_pixels:,} and "
            f"{limits.max_side:,} a side are allowed; make it smaller",
            "too large",
        )


def _decode(content: bytes, limits: PictureLimits, shown: str) -> Image.Image:
    with _opened(content, limits, shown) as image:
        return _finish(image, shown)


def _opened(content: bytes, limits: PictureLimits, shown: str) -> ImageFile:
    """A picture whose header is read and whose size is allowed, not decoded yet."""
    _check_bytes(len(content), limits, shown)
    kind = next((each for each in FORMATS if each.signature.match(content)), None)
    if kind is None:
        other = next((each for each, signature in KNOWN_OTHERS.items() if signature.match(content[:2048])), None)
        if other is None or other == "a web page":
            raise PictureError(f"{shown}: not an image{f' but {other}' if other else ''}", "not an image")
    if kind is None or kind.name not in limits.formats:
        raise PictureError(
            f"{shown}: {kind.name if kind else other} pictures are not accepted; convert it to PNG or JPEG "
            f"(accepted: {', '.join(limits.formats)})",
            "format not allowed",
        )
    if kind.name == "JPEG" and (scans := content.count(b"\xff\xda")) > limits.max_scans:
        raise PictureError(f"{shown}: {scans} scans, at most {limits.max_scans} are decoded", "too large")
    try:
        file = _CountedReads(content)
        if kind.name == "GIF":
            _check_size(gif_size(file), limits, shown)
        image = kind.reader(file)
    except PictureError:
        raise
    except Exception as error:  # Pillow's readers let anything out: struct.error, KeyError, SyntaxError, RuntimeError
        raise PictureError(f"{shown}: a damaged {kind.name} file ({error}); fetch it again", "damaged") from error
    _check_size(image.size, limits, shown)
    return image


def _finish(image: Image.Image, shown: str) -> Image.Image:
    """Decode, convert to RGB and turn upright."""
    try:
        image.load()
        orientation = _orientation(image)  # read after loading: PNG and WebP may carry EXIF behind the pixels
        rgb = _to_rgb(image)
    except Exception as error:  # as above: decoders let anything out
        if isinstance(error, (MemoryError, Image.DecompressionBombError)):
            raise PictureError(f"{shown}: needs more memory than there is ({error})", "too large") from error
        raise PictureError(f"{shown}: cut short or damaged ({error}); fetch it again", "damaged") from error
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
    rgb.info.clear()  # or the orientation would be saved along and applied a second time by the next reader
    return rgb


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # unreadable EXIF is common in good photographs; every viewer then shows them as stored
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """A loaded picture of any mode -> a new RGB picture, by the rules on top of this file."""
    if image.mode == "F":
        return _grey(_float_levels(np.array(image, dtype=np.float32)))
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.dtype != np.uint16:  # those cannot lie outside
            values = np.clip(values, 0, 0xFFFF)
        return _grey((values >> 8).astype(np.uint8))
    key = image.info.get("transparency")
    sixteen_bit_key = isinstance(key, tuple) and max(key) > 0xFF
    if image.has_transparency_data and not sixteen_bit_key:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")  # which would be a copy
        canvas = Image.new("RGB", image.size, BACKGROUND)
        canvas.paste(rgba, mask=rgba)
        return canvas
    if image.mode == "RGB":
        return image.copy()
    return image.convert("RGB")


def _float_levels(values: Floats) -> Bytes:
    """float32 (height, width) -> uint8: the finite minimum to 0, the maximum to 255. `values` is overwritten."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = float(values[finite].min()), float(values[finite].max())
    values[~finite] = low
    values *= 0.5  # so that the difference of the largest floats is still a float
    values -= np.float32(low / 2)
    if high > low:
        values /= np.float32(high / 2 - low / 2)
        values *= 255
    return np.rint(values).astype(np.uint8)


def _grey(levels: Bytes) -> Image.Image:
    return Image.fromarray(levels).convert("RGB")


def _from_array(array: npt.NDArray[Any], limits: PictureLimits, shown: str) -> Image.Image:
    if array.dtype != np.uint8:
        raise PictureError(
            f"{shown}: expected uint8 values 0..255, got {array.dtype}; scale and convert it first", "wrong type"
        )
    match array.shape:
        case (height, width) | (height, width, 3 | 4):
            _check_size((width, height), limits, shown)
            return _finish(Image.fromarray(np.ascontiguousarray(array)), shown)
    raise PictureError(
        f"{shown}: expected (height, width), (height, width, 3) or (height, width, 4), got {array.shape}", "bad shape"
    )
