"""Pictures in a terminal: by which means this one can show them, and how large.

A terminal is told by what it says of itself in the environment; none is asked, because one that does not answer would
hang, and the answer of one that does would land in what is typed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Literal, cast, get_args

from PIL import Image

from chiasm.cli.half_blocks import half_blocks
from chiasm.cli.picture_codes import iterm, kitty, sixel

Way = Literal["kitty", "iterm", "sixel", "truecolor", "palette"]

OVERRIDE = "CHIASM_PICTURES"  # one of the ways, or "none"

# All ours: a picture should leave room for the talk about it.
_COLUMNS, _ROWS = 40, 15
_PIXELS_A_COLUMN = 10  # a usual cell is 10 x 20 pixels
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_ITERM_PROGRAMS = ("iTerm.app", "WezTerm", "mintty")
_SIXEL_TERMS = ("foot", "foot-extra", "foot-direct", "mlterm", "yaft-256color", "contour")


def way_of(environment: Mapping[str, str], is_terminal: bool) -> Way | None:
    """How pictures can be shown, by the environment; None when they cannot or should not.

    kitty and Ghostty speak kitty's protocol; iTerm2, WezTerm and mintty iTerm2's; foot, mlterm, contour and terminals
    with "sixel" in TERM speak sixel. Anything else that has the colours gets half blocks. tmux and screen pass none of
    the protocols on, and get half blocks. NO_COLOR (no-color.org) asks for no colour, and so for no half blocks.
    """
    if not is_terminal:
        return None
    asked = environment.get(OVERRIDE, "")
    if asked in get_args(Way):
        return cast("Way", asked)
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if asked == "none" or term in ("", "dumb", "unknown"):
        return None
    passed_on = not (environment.get("TMUX") or term.startswith(("screen", "tmux")))
    if passed_on and (environment.get("KITTY_WINDOW_ID") or term in _KITTY_TERMS or program == "ghostty"):
        return "kitty"
    if passed_on and (program in _ITERM_PROGRAMS or environment.get("LC_TERMINAL") == "iTerm2"):
        return "iterm"
    if passed_on and (term in _SIXEL_TERMS or "sixel" in term):
        return "sixel"
    return None if environment.get("NO_COLOR") else _by_colours(environment, term)


def _by_colours(environment: Mapping[str, str], term: str) -> Way | None:
    if environment.get("COLORTERM") in ("truecolor", "24bit") or term.endswith("-direct"):
        return "truecolor"
    return "palette" if "256color" in term else None


def drawn(picture: Image.Image, way: Way) -> str:
    """An RGB picture as what makes the terminal show it, with a newline behind; never made larger than it is."""
    columns, lines = shutil.get_terminal_size()
    columns, rows = max(1, min(_COLUMNS, columns)), max(1, min(_ROWS, lines // 2))
    if way in ("truecolor", "palette"):
        return half_blocks(_within(picture, columns, 2 * rows), way == "truecolor")
    small = _within(picture, columns * _PIXELS_A_COLUMN, rows * 2 * _PIXELS_A_COLUMN)
    return {"kitty": kitty, "iterm": iterm, "sixel": sixel}[way](small) + "\n"


def _within(picture: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / picture.width, height / picture.height)
    if scale >= 1:
        return picture
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
