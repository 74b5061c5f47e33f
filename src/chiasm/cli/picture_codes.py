"""A picture in the three escape languages of terminals that draw pixels."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator

from PIL import Image

_KITTY_PIECE = 4096  # bytes of base64 a sequence may carry at most (kitty's graphics protocol, "Remote clients")
_SIXEL_COLOURS = 256  # registers of terminals that are newer than the VT340 with its 16


def kitty(picture: Image.Image) -> str:
    """kitty's graphics protocol: transmit and display (a=T) a PNG (f=100), and answer nothing (q=2)."""
    data = base64.b64encode(_png(picture)).decode("ascii")
    pieces = [data[start : start + _KITTY_PIECE] for start in range(0, len(data), _KITTY_PIECE)]
    sent = []
    for index, piece in enumerate(pieces):
        head = "a=T,f=100,q=2," if index == 0 else ""
        sent.append(f"\x1b_G{head}m={int(index < len(pieces) - 1)};{piece}\x1b\\")
    return "".join(sent)


def iterm(picture: Image.Image) -> str:
    """iTerm2's inline images: OSC 1337 with a PNG, at its own size."""
    data = _png(picture)
    size = f"width={picture.width}px;height={picture.height}px;preserveAspectRatio=1"
    return f"\x1b]1337;File=inline=1;size={len(data)};{size}:{base64.b64encode(data).decode('ascii')}\x07"


def sixel(picture: Image.Image) -> str:
    """Sixel (VT330/VT340 Programmer Reference, chapter 14): bands of six rows in up to 256 colours of its own.

    Colours are written in percent, as the language has them, so they are off by up to 1.3 of 255.
    """
    indexed = picture.quantize(_SIXEL_COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    palette, pixels = indexed.getpalette() or [], indexed.tobytes()
    width, height = picture.size
    written = [f'\x1bP0;1;0q"1;1;{width};{height}']
    for number in sorted(set(pixels)):
        levels = ";".join(str(round(value * 100 / 255)) for value in palette[3 * number : 3 * number + 3])
        written.append(f"#{number};2;{levels}")
    for top in range(0, height, 6):
        rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        for number in sorted(set(b"".join(rows))):
            bits = bytearray(width)
            for bit, row in enumerate(rows):
                place = row.find(number)
                while place >= 0:
                    bits[place] |= 1 << bit
                    place = row.find(number, place + 1)
            written += [f"#{number}", *map(_run, itertools.groupby(bits)), "$"]
        written.append("-")
    return "".join(written) + "\x1b\\"


def _run(group: tuple[int, Iterator[int]]) -> str:
    """Equal sixels side by side; a repeat is written as one where that is shorter."""
    bits, equal = group
    letter, count = chr(63 + bits), sum(1 for _ in equal)
    return f"!{count}{letter}" if count > 3 else letter * count


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
