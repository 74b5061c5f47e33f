"""A picture as coloured half blocks, two pixels a character: for every terminal with colours."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image

_UPPER_HALF = "▀"
# xterm's 256 colours: a cube of these levels from 16 on, then 24 greys (xterm, 256colres.h).
_LEVELS = (0, 95, 135, 175, 215, 255)
_GREYS = tuple(range(8, 239, 10))

Colour = tuple[int, int, int]


def half_blocks(picture: Image.Image, true_colour: bool) -> str:
    """An RGB picture as lines of text, each ended by a reset and a newline: a character a column, two rows a line."""
    pixels = picture.load()
    assert pixels is not None
    code = _true if true_colour else _of_256
    lines = []
    for top in range(0, picture.height, 2):
        line, before = [], ""
        for x in range(picture.width):
            upper = f"\x1b[38;{code(pixels[x, top])}m"  # type: ignore[arg-type]  # an RGB picture has triples
            lower = f"\x1b[48;{code(pixels[x, top + 1])}m" if top + 1 < picture.height else ""  # type: ignore[arg-type]
            line.append((upper + lower if upper + lower != before else "") + _UPPER_HALF)
            before = upper + lower
        lines.append("".join(line) + "\x1b[0m\n")
    return "".join(lines)


def _true(colour: Colour) -> str:
    return "2;{};{};{}".format(*colour)


def _of_256(colour: Colour) -> str:
    return f"5;{nearest_of_256(colour)}"


@lru_cache(maxsize=4096)
def nearest_of_256(colour: Colour) -> int:
    """The number, from 16 to 255, of xterm's colour nearest to `colour` in squared distance."""
    cube = [min(range(6), key=lambda i: abs(_LEVELS[i] - value)) for value in colour]
    grey = min(range(24), key=lambda i: sum((_GREYS[i] - value) ** 2 for value in colour))
    cube_distance = sum((_LEVELS[i] - value) ** 2 for i, value in zip(cube, colour, strict=True))
    grey_distance = sum((_GREYS[grey] - value) ** 2 for value in colour)
    return 232 + grey if grey_distance < cube_distance else 16 + 36 * cube[0] + 6 * cube[1] + cube[2]
