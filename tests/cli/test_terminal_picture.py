"""Pictures in terminals: which way is taken, and that what is sent is the picture, decoded back by other means."""

from __future__ import annotations

import base64
import io
import os
import re

import pytest
from PIL import Image as PillowImage

from chiasm.cli.half_blocks import half_blocks, nearest_of_256
from chiasm.cli.picture_codes import iterm, kitty, sixel
from chiasm.cli.terminal_picture import Way, drawn, way_of


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "COLORTERM": "truecolor"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-sixel-256color"}, "sixel"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm-direct"}, "truecolor"),
        ({"TERM": "xterm-256color"}, "palette"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "palette"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x", "TERM_PROGRAM": "iTerm.app"}, "palette"),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1", "COLORTERM": "24bit"}, "truecolor"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, None),
        ({"TERM": "xterm"}, None),
        ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, None),
        ({}, None),
        ({"TERM": "xterm", "CHIASM_PICTURES": "sixel"}, "sixel"),
        ({"TERM": "xterm-kitty", "CHIASM_PICTURES": "none"}, None),
    ],
)
def test_the_way_is_told_by_the_environment(environment: dict[str, str], way: Way | None) -> None:
    assert way_of(environment, True) == way
    assert way_of(environment, False) is None


def tiny() -> PillowImage.Image:
    """Two columns, three rows."""
    picture = PillowImage.new("RGB", (2, 3))
    for place, colour in {
        (0, 0): (255, 0, 0),
        (1, 0): (0, 255, 0),
        (0, 1): (0, 0, 255),
        (1, 1): (1, 2, 3),
        (0, 2): (255, 255, 255),
        (1, 2): (255, 255, 255),
    }.items():
        picture.putpixel(place, colour)
    return picture


def test_half_blocks_pixel_by_pixel() -> None:
    assert half_blocks(tiny(), true_colour=True) == (
        "\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀\x1b[38;2;0;255;0m\x1b[48;2;1;2;3m▀\x1b[0m\n\x1b[38;2;255;255;255m▀▀\x1b[0m\n"
    )
    assert half_blocks(tiny(), true_colour=False) == (
        "\x1b[38;5;196m\x1b[48;5;21m▀\x1b[38;5;46m\x1b[48;5;16m▀\x1b[0m\n\x1b[38;5;231m▀▀\x1b[0m\n"
    )


def test_nearest_of_256_colours_is_the_nearest() -> None:
    levels = (0, 95, 135, 175, 215, 255)
    table = {
        16 + 36 * r + 6 * g + b: (levels[r], levels[g], levels[b]) for r in range(6) for g in range(6) for b in range(6)
    }
    table |= {232 + i: (8 + 10 * i,) * 3 for i in range(24)}

    def distance(number: int, colour: tuple[int, int, int]) -> int:
        return sum((a - b) ** 2 for a, b in zip(table[number], colour, strict=True))

    for red in range(0, 256, 23):
        for green in range(0, 256, 23):
            for blue in range(0, 256, 23):
                colour = (red, green, blue)
                best = min(distance(number, colour) for number in table)
                assert distance(nearest_of_256(colour), colour) == best


def photo(width: int = 90, height: int = 61) -> PillowImage.Image:
    picture = PillowImage.new("RGB", (width, height))
    picture.putdata(
        [
            (x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height))
            for y in range(height)
            for x in range(width)
        ]
    )
    return picture


def test_kitty_carries_the_very_picture() -> None:
    noise = PillowImage.effect_noise((90, 61), 80).convert("RGB")
    sent = kitty(noise)
    pieces = re.findall("\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\\\", sent)
    assert "".join(f"\x1b_G{head};{data}\x1b\\" for head, data in pieces) == sent
    assert len(pieces) > 1
    assert pieces[0][0] == "a=T,f=100,q=2,m=1"
    assert [head for head, _ in pieces[1:]] == ["m=1"] * (len(pieces) - 2) + ["m=0"]
    assert all(len(data) <= 4096 and len(data) % 4 == 0 for _, data in pieces)
    picture = PillowImage.open(io.BytesIO(base64.b64decode("".join(data for _, data in pieces))))
    assert picture.tobytes() == noise.tobytes()
    assert kitty(tiny()).startswith("\x1b_Ga=T,f=100,q=2,m=0;")


def test_iterm_carries_the_very_picture() -> None:
    match = re.fullmatch(
        "\x1b]1337;File=inline=1;size=(\\d+);width=90px;height=61px;preserveAspectRatio=1:(.*)\x07", iterm(photo())
    )
    assert match is not None
    data = base64.b64decode(match[2])
    assert len(data) == int(match[1])
    assert PillowImage.open(io.BytesIO(data)).tobytes() == photo().tobytes()


def sixel_pixels(sent: str) -> dict[tuple[int, int], tuple[int, int, int]]:
    """What a terminal would draw: colours in percent by place."""
    match = re.fullmatch('\x1bP0;1;0q"1;1;(\\d+);(\\d+)(.*)\x1b\\\\', sent)
    assert match is not None
    colours: dict[int, tuple[int, int, int]] = {}
    drawn_at: dict[tuple[int, int], tuple[int, int, int]] = {}
    x = top = current = 0
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)", match[3]):
        if token[1]:
            colours[int(token[1])] = int(token[2]), int(token[3]), int(token[4])
        elif token[5]:
            current = int(token[5])
        elif token[9]:
            x = 0
        elif token[10]:
            x, top = 0, top + 6
        else:
            count, bits = int(token[6] or 1), ord(token[7] or token[8]) - 63
            for place in range(x, x + count):
                drawn_at |= {(place, top + bit): colours[current] for bit in range(6) if bits >> bit & 1}
            x += count
    assert (int(match[1]), int(match[2])) == (max(x for x, _ in drawn_at) + 1, max(y for _, y in drawn_at) + 1)
    return drawn_at


def test_sixel_draws_the_picture() -> None:
    flat = PillowImage.new("RGB", (20, 13), (200, 100, 50))
    flat.paste((0, 0, 255), (3, 5, 11, 9))
    pixels = sixel_pixels(sixel(flat))
    assert len(pixels) == 20 * 13
    for place, percents in pixels.items():
        wanted = flat.getpixel(place)
        assert isinstance(wanted, tuple)
        assert all(abs(p * 2.55 - value) <= 1.3 for p, value in zip(percents, wanted, strict=True))
    whole = photo()
    many = sixel_pixels(sixel(whole))
    assert len(many) == 90 * 61
    mean = sum(sum(abs(p * 2.55 - v) for p, v in zip(many[at], whole.getpixel(at), strict=True)) for at in many)  # type: ignore[arg-type]
    assert mean / (3 * len(many)) < 12


@pytest.mark.parametrize("way", ["kitty", "iterm", "sixel", "truecolor", "palette"])
def test_a_large_picture_is_made_small_and_a_small_one_not_large(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    shown = drawn(photo(600, 400), way)
    assert shown.endswith("\n")
    if way in ("truecolor", "palette"):
        assert shown.count("\n") == 12
        assert {line.count("▀") for line in shown.splitlines()} == {36}
        assert drawn(tiny(), way).count("▀") == 4
    elif way == "sixel":
        assert '"1;1;360;240' in shown
        assert '"1;1;2;3' in drawn(tiny(), way)
    assert len(shown) < 300_000
    thin = drawn(PillowImage.new("RGB", (200, 1)), way)
    assert thin.endswith("\n")
