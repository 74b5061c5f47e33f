"""Pictures made to do harm: bombs, broken files, files in millions of pieces, the largest that are allowed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of so many pixels, whatever its chunks hold."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


@cache
def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(width)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return small.resize((width, height)).convert(mode)


def broken(rng: random.Random) -> bytes:
    """A good file of some format, with some bytes changed, cut off or repeated."""
    kind = rng.choice(("PNG", "JPEG", "WEBP", "GIF", "BMP"))
    content = bytearray(encoded(noise(rng.randrange(16, 700), rng.randrange(16, 700)), kind))
    way = rng.randrange(3)
    if way == 0:
        for _ in range(rng.randrange(1, 40)):
            content[rng.randrange(2, len(content))] = rng.randrange(256)
    elif way == 1:
        del content[rng.randrange(8, len(content)) :]
    else:
        start = rng.randrange(8, len(content))
        content[start:start] = content[start : start + rng.randrange(1, 5000)] * 20
    return bytes(content)


def in_pieces(rng: random.Random) -> bytes:
    """Headers that never come to an end."""
    way = rng.randrange(3)
    if way == 0:
        return b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2_000_000 + b"\xff\xd9"
    if way == 1:
        return png(64, 64, *[chunk(b"tEXt", b"a\0b")] * 300_000)
    return b"GIF89a\x40\x00\x40\x00\x80\x00\x00" + bytes(6) + b"\x21\xfe\x01a\x00" * 2_000_000


def bomb(rng: random.Random) -> bytes:
    """A small file that unpacks into far more."""
    zeros = zlib.compress(bytes(60_000_000), 9)
    return rng.choice(
        (
            lambda: png(60_000, 10, chunk(b"IDAT", zeros)),
            lambda: png(20_000, 20_000, chunk(b"IDAT", zeros)),
            lambda: png(4000, 5000, chunk(b"IDAT", zeros)),
            lambda: png(64, 64, chunk(b"zTXt", b"a\0\0" + zeros), chunk(b"IDAT", zlib.compress(bytes(20_000)))),
            lambda: png(64, 64, chunk(b"iCCP", b"a\0\0" + zeros), chunk(b"IDAT", zlib.compress(bytes(20_000)))),
            lambda: encoded(Image.new("1", (19_000, 1300)), "PNG"),
            lambda: encoded(Image.new("P", (5000, 4990)), "GIF"),
            lambda: b"BM" + struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, 19_999, 19_999, 1, 24, 0, 0, 0, 0, 0, 0),
        )
    )()


def large(rng: random.Random) -> bytes:
    """The largest pictures that are allowed, in every way of storing pixels."""
    width, height = rng.choice(((4990, 5000), (2500, 10_000), (6200, 4000)))
    kind, mode = rng.choice(
        (("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGB"))
    )
    options = {"progressive": True, "quality": 30} if kind == "JPEG" else {"compress_level": 1} if kind == "PNG" else {}
    return encoded(noise(width, height, mode), kind, **options)


def moving(rng: random.Random) -> bytes:
    """Far too many frames."""
    frames = [Image.new("P", (24, 24), i % 256) for i in range(2000)]
    return encoded(frames[0], rng.choice(("GIF", "WEBP", "PNG")), save_all=True, append_images=frames[1:])


def other(rng: random.Random) -> bytes:
    """No picture, or one of a strange shape."""
    return rng.choice(
        (
            b"",
            b"<!doctype html><html>" * 1000,
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
            b"%PDF-1.7" + rng.randbytes(100_000),
            rng.randbytes(1_000_000),
            encoded(Image.new("RGB", (1, 1)), "PNG"),
            encoded(Image.new("RGB", (1, 9000)), "PNG"),
            encoded(Image.fromarray(np.zeros((3000, 3000), np.uint16)), "PNG"),
            encoded(noise(2000, 1500), "TIFF"),
        )
    )


HARMFUL: list[Callable[[random.Random], bytes]] = [broken, broken, broken, other, bomb, large, in_pieces, moving]
