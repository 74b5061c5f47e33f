"""Picture formats by their bytes: how each begins and ends, who reads it, what others are called.

Formats are told by content, never by name.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile


@dataclass(frozen=True, slots=True)
class Format:
    """One that is decoded."""

    name: str
    signature: re.Pattern[bytes]
    # Pillow's reader, called directly: `Image.open` warns about big pictures through the process's warning filters
    # before the size can be looked at.
    reader: Callable[[io.BytesIO], ImageFile]


FORMATS = (
    Format("JPEG", re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    Format("PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    Format("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    Format("GIF", re.compile(rb"GIF8[79]a"), GifImageFile),
    # The two letters alone would take in any text that starts with BM: the length of the second header tells.
    Format("BMP", re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL), BmpImageFile),
    Format("TIFF", re.compile(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"), TiffImageFile),
)
# Not decoded, but named in the message, so that people know what to convert.
KNOWN_OTHERS = {
    "a web page": re.compile(rb"\s*<(!doctype html|html|head|body)", re.IGNORECASE),
    "SVG": re.compile(rb"\s*(<\?xml.{0,500}?)?(<!--.{0,500}?)?<svg", re.DOTALL),
    "PDF": re.compile(rb"%PDF"),
    "HEIC": re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL),
    "AVIF": re.compile(rb".{4}ftypavi", re.DOTALL),
    "JPEG 2000": re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"),
    "JPEG XL": re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    "PSD": re.compile(rb"8BPS"),
    "ICO": re.compile(rb"\x00\x00[\x01\x02]\x00"),
    "PostScript": re.compile(rb"%!PS"),
}


def ends_whole(head: bytes, tail: bytes, num_bytes: int) -> bool:
    """Whether a file of `num_bytes` ends as one of its format does that nothing was cut off from; True if untold."""
    match next((each.name for each in FORMATS if each.signature.match(head)), None):
        case "JPEG":
            return b"\xff\xd9" in tail  # end of image, behind which cameras put things of their own
        case "PNG":
            return b"IEND" in tail
        case "WebP":
            return num_bytes >= 8 + int.from_bytes(head[4:8], "little")
        case "GIF":
            return b";" in tail[-2:]
    return True


def gif_size(file: io.BytesIO) -> tuple[int, int]:
    """Width and height including the first frame, which may be larger than the screen the header declares.

    Needed because Pillow already allocates a frame of that size while it opens the file. Leaves `file` at its start.
    """
    header = file.read(13)
    width, height = int.from_bytes(header[6:8], "little"), int.from_bytes(header[8:10], "little")
    flags = header[10] if len(header) > 10 else 0
    file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, io.SEEK_CUR)  # the palette
    while (block := file.read(1)) == b"!":  # extensions: a label, then pieces until an empty one
        file.seek(1, io.SEEK_CUR)
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], io.SEEK_CUR)
    if block == b",":
        left, top, wide, high = struct.unpack("<4H", file.read(8).ljust(8, b"\0"))
        width, height = max(width, left + wide), max(height, top + high)
    file.seek(0)
    return width, height
