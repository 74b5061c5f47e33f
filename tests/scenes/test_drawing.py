from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chiasm.scenes.drawing.canvas import PAINTS, Pen
from chiasm.scenes.drawing.compose import draw, painters
from chiasm.scenes.drawing.things import furniture, street, table, vehicles
from chiasm.scenes.drawing.things.painter import Painter
from chiasm.scenes.kinds import BY_NAME, HOURS, INSIDE, NAMES, OUTSIDE, PLACES, WEATHERS, WORDS
from chiasm.scenes.scene import Box, Clothes, Scene, Style, Thing

Pixels = NDArray[np.int16]

_PLAIN = Style("none", 1.0, "flat", 0.0, 0.0, 3)
_STYLES = (_PLAIN, Style("dark", 1.2, "speckle", 0.7, 2.0, 11), Style("tone", 1.8, "hatch", -1.0, 0.0, 8))
_HERE: Mapping[str, Painter] = {**vehicles.PAINTERS, **street.PAINTERS, **table.PAINTERS, **furniture.PAINTERS}


def _thing(kind: str, box: Box, number: int = 0, **more: Any) -> Thing:
    about = BY_NAME[kind]
    given: dict[str, Any] = {
        "colour": about.colours[0],
        "facing": "right" if about.faces else None,
        "state": about.states[0] if about.states else None,
        "action": about.actions[0] if about.actions else None,
        "clothes": Clothes("blue", None) if kind == "person" else None,
        "text": "OPEN" if about.written else None,
    }
    return Thing(number, kind, box=box, **{**given, **more})


def _scene(*things: Thing, place: str = "street", style: Style = _PLAIN, **more: Any) -> Scene:
    weather = None if place in INSIDE else "cloudy"
    given: dict[str, Any] = {"id": 1, "width": 224, "height": 224, "time": "day", "weather": weather, "horizon": 0.5}
    return Scene(place=place, things=things, style=style, **{**given, **more})


def _array(image: Image.Image) -> Pixels:
    return np.asarray(image).astype(np.int16)


def _painted(kind: str, width: int, height: int, style: Style = _PLAIN, **more: Any) -> Pixels:
    pen = Pen(width, height, style)
    painters()[kind](pen, _thing(kind, Box(0, 0, 1, 1), **more))
    return _array(pen.sheet())


def _near(pixels: Pixels, colour: tuple[int, int, int], within: int = 45) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = np.abs(pixels[..., :3] - np.asarray(colour)).max(axis=-1) <= within
    return near & (pixels[..., 3] > 128) if pixels.shape[-1] == 4 else near


def test_every_kind_has_one_painter() -> None:
    assert set(painters()) == set(NAMES)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (224, 168), (90, 160)])
def test_a_picture_has_the_scene_s_size_and_comes_out_the_same_again(width: int, height: int) -> None:
    things = (_thing("car", Box(0.1, 0.5, 0.5, 0.8)), _thing("dog", Box(0.5, 0.6, 0.8, 0.9), 1))
    for style in _STYLES:
        scene = _scene(*things, style=style, width=width, height=height, weather="rainy", time="night")
        picture = draw(scene).image
        assert (picture.mode, picture.size) == ("RGB", (width, height))
        assert picture.tobytes() == draw(scene).image.tobytes()


@pytest.mark.parametrize("kind", _HERE)
def test_painters_touch_all_four_sides_and_use_the_thing_s_colour(kind: str) -> None:
    about = BY_NAME[kind]
    for style in _STYLES:
        for state in about.states or (None,):
            aspect = about.aspect_of(state, None)
            for colour in about.colours:
                pixels = _painted(kind, round(60 * aspect), 60, style, state=state, colour=colour)
                shown = pixels[..., 3] > 100
                # An arc of one pixel may fade: the two outermost lines count.
                assert shown[:2].any(), (style, state)
                assert shown[-2:].any(), (style, state)
                assert shown[:, :2].any(), (style, state)
                assert shown[:, -2:].any(), (style, state)
                share = _near(pixels, PAINTS[colour]).sum() / (pixels[..., 3] > 200).sum()
                assert share > (0.25 if kind in ("tv", "laptop", "clock") else 0.33), (style, state, colour)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_however_small_a_thing_is_it_can_be_drawn(kind: str, size: int) -> None:
    assert _painted(kind, size, size)[..., 3].any()
    tiny = _thing(kind, Box(0.999, 0.4, 1.0, 0.4))
    assert draw(_scene(tiny)).areas[0] <= 1


def test_what_faces_left_is_what_faces_right_turned_round() -> None:
    for kind in ("car", "bus", "airplane", "chair"):
        thing = _thing(kind, Box(0, 0, 1, 1))
        right, left = Pen(60, 40, _PLAIN), Pen(60, 40, _PLAIN, mirrored=True)
        painters()[kind](right, thing)
        painters()[kind](left, thing)
        difference = np.abs(_array(right.sheet())[:, ::-1] - _array(left.sheet())).mean()
        unturned = np.abs(_array(right.sheet()) - _array(left.sheet())).mean()
        assert difference < 0.35 * unturned, kind


def test_writing_is_not_mirrored() -> None:
    pens = Pen(80, 30, _PLAIN), Pen(80, 30, _PLAIN, mirrored=True)
    for pen in pens:
        pen.text(0.5, 0.5, "FOREST", 0.9, 0.9, (0, 0, 0))
    assert pens[0].sheet().tobytes() == pens[1].sheet().tobytes()


def test_writing_fits_its_place_and_is_never_thinner_than_can_be_read() -> None:
    # A sign of the usual height on a picture of 112 pixels.
    height = round(BY_NAME["sign"].height * 112)
    width = round(height * BY_NAME["sign"].aspect)
    for text in (*WORDS, "7", "88"):
        pixels = _painted("sign", width, height, text=text, colour="white")
        dark = (pixels[..., :3].max(axis=-1) < 110) & (pixels[..., 3] > 200)
        inner = dark[3 : round(height * 0.6), 1:-1]
        rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
        assert rows[-1] - rows[0] + 1 >= 9, text
        assert not dark[4:22, (0, -1)].any(), text
        assert columns[-1] - columns[0] + 1 >= 4 * len(text), text


def test_visible_pixels_are_counted_once_each() -> None:
    box = Box(0.25, 0.5, 0.75, 0.75)
    alone = draw(_scene(_thing("couch", box), place="room")).areas
    # A couch nearly fills its box of 112 x 56 pixels.
    assert 0.75 * 112 * 56 < alone[0] <= 112 * 56
    twice = draw(_scene(_thing("couch", box), _thing("couch", box, 1), place="room")).areas
    assert twice == (0, alone[0])
    half = draw(_scene(_thing("couch", box), _thing("couch", Box(0.5, 0.5, 1.0, 0.75), 1), place="room")).areas
    assert half[1] == alone[0]
    assert 0.4 * alone[0] < half[0] < 0.6 * alone[0]


def test_a_traffic_light_shows_its_lamp_by_day_and_as_bright_at_night() -> None:
    rows = {"red": 0.125, "yellow": 0.34, "green": 0.555}
    box = Box(0.4, 0.2, 0.55, 0.7)
    lamps = {}
    for time in ("day", "night"):
        for state, row in rows.items():
            pixels = _array(draw(_scene(_thing("traffic light", box, state=state), time=time)).image)
            crop = pixels[45:157, 90:123]
            bright = (crop[:80, 6:-6].max(axis=-1) > 180) & (np.ptp(crop[:80, 6:-6], axis=-1) > 120)
            assert np.flatnonzero(bright.any(axis=1)).mean() == pytest.approx(row * 112, abs=5), (time, state)
            lamps[time, state] = crop[round(row * 112), 16].tolist()
    assert all(lamps["day", state] == lamps["night", state] for state in rows)


def test_night_dims_what_does_not_shine_and_colours_can_still_be_told() -> None:
    box = Box(0.2, 0.4, 0.8, 0.7)
    for colour in BY_NAME["truck"].colours:
        day, night = (
            _array(draw(_scene(_thing("truck", box, colour=colour), time=time)).image)[105:135, 60:105].reshape(-1, 3)
            for time in ("day", "night")
        )
        middle = np.median(night, axis=0)
        assert middle.sum() < 0.9 * np.median(day, axis=0).sum()
        if colour not in ("black", "white"):
            hue = colorsys.rgb_to_hsv(*(middle / 255))[0]
            expected = colorsys.rgb_to_hsv(*(np.asarray(PAINTS[colour]) / 255))[0]
            assert min(abs(hue - expected), 1 - abs(hue - expected)) < 0.04, colour


def test_lamps_screens_windows_and_candles_show_their_state() -> None:
    glow = (255, 236, 140)
    lit, unlit = (
        _near(_painted("lamp", 36, 100, state=state, colour="black"), glow, 20).sum() for state in ("lit", "unlit")
    )
    assert unlit == 0 < lit
    assert lit > 60
    flames = [_near(_painted("cake", 100, 95, state=state), (255, 130, 20), 20).sum() for state in ("lit", "unlit")]
    assert flames[0] > 50
    assert flames[1] == 0
    for kind in ("tv", "laptop"):
        on, off = (
            _painted(kind, 80, 60, state=state, text=None)[8:36, 20:60, :3].max(axis=-1).mean()
            for state in ("on", "off")
        )
        assert on > off + 60, kind
    house = _thing("house", Box(0.2, 0.3, 0.7, 0.75))
    windows = [_near(_array(draw(_scene(house, time=time)).image), glow, 12).sum() for time in ("day", "night")]
    assert windows[1] > 200 > windows[0]


@pytest.mark.parametrize("hour", HOURS)
def test_a_clock_points_to_its_hour(hour: str) -> None:
    pixels = _painted("clock", 90, 90, state=hour, colour="black")
    ys, xs = np.nonzero(_near(pixels, (196, 30, 46), 40))
    angle = math.degrees(math.atan2(xs.mean() - 44.5, 44.5 - ys.mean())) % 360
    assert abs((angle - 30 * int(hour) + 180) % 360 - 180) < 8


def test_shadows_fall_on_the_ground_and_not_from_the_air() -> None:
    empty = _array(draw(_scene()).image)

    def changed_outside(thing: Thing) -> int:
        pixels = _array(draw(_scene(thing)).image)
        changed = np.abs(pixels - empty).max(axis=-1) > 4
        box = thing.box
        changed[round(box.y0 * 224) : round(box.y1 * 224), round(box.x0 * 224) : round(box.x1 * 224)] = False
        return int(changed.sum())

    low = Box(0.3, 0.5, 0.6, 0.75)
    assert changed_outside(_thing("car", low)) > 30
    assert changed_outside(_thing("airplane", Box(0.3, 0.1, 0.6, 0.25))) == 0
    assert changed_outside(_thing("bird", low, action="flying")) == 0
    assert changed_outside(_thing("cup", low, held_by=0)) == 0


@pytest.mark.parametrize("place", PLACES)
def test_places_are_muted_and_differ(place: str) -> None:
    for weather in (None,) if place in INSIDE else WEATHERS:
        empty = _array(draw(_scene(place=place, weather=weather)).image)
        spread = np.ptp(empty, axis=-1)
        # Strong colours belong to things: at most the sun and a stripe of sky have them.
        assert (spread > 125).mean() < 0.05, weather
        for other in PLACES:
            if other != place:
                unlike = _array(draw(_scene(place=other, weather=None if other in INSIDE else "cloudy")).image)
                assert np.abs(empty - unlike).mean() > 3, other


@pytest.mark.parametrize("place", OUTSIDE)
def test_night_and_weather_are_seen(place: str) -> None:
    def bare(**more: Any) -> Pixels:
        return _array(draw(_scene(place=place, **more)).image)

    day, night = bare(weather="sunny"), bare(weather="sunny", time="night")
    assert night.mean() < 0.62 * day.mean()
    assert _near(night[:80], (236, 234, 214), 8).sum() > 60  # the moon
    assert _near(day[:80], (255, 236, 130), 8).sum() > 200  # the sun
    assert _near(bare(weather="cloudy")[:80], (255, 236, 130), 8).sum() == 0
    snow = bare(weather="snowy")[190:]
    assert np.ptp(snow, axis=-1).mean() < 22
    assert snow.mean() > bare(weather="cloudy")[190:].mean() + 10


def test_the_same_place_comes_in_many_shades() -> None:
    looks = {draw(_scene(style=replace(_PLAIN, hue=hue))).image.tobytes() for hue in range(20)}
    assert len(looks) == 20


def test_grain_has_the_strength_asked_for() -> None:
    clean, grained = (
        _array(draw(_scene(place="room", style=replace(_PLAIN, grain=grain))).image) for grain in (0.0, 4.0)
    )
    # Away from black and white, where noise is cut off.
    inner = (clean > 20) & (clean < 235)
    assert (grained - clean)[inner].std() == pytest.approx(4.0, rel=0.06)
    assert (grained - clean)[inner].mean() == pytest.approx(0.0, abs=0.1)


def test_texture_changes_a_thing_but_not_its_colour() -> None:
    box = Box(0.1, 0.5, 0.9, 0.9)
    looks = {}
    for texture in ("flat", "speckle", "hatch", "shade"):
        style = Style("none", 1.0, texture, 0.8, 0.0, 3)
        pixels = _array(draw(_scene(_thing("couch", box, colour="blue"), place="room", style=style)).image)[
            125:190, 40:180
        ]
        looks[texture] = pixels
        distance = {
            name: np.abs(np.median(pixels.reshape(-1, 3), axis=0) - paint).sum() for name, paint in PAINTS.items()
        }
        assert min(distance, key=lambda name: distance[name]) == "blue", texture
    for texture in ("speckle", "hatch", "shade"):
        assert np.abs(looks[texture] - looks["flat"]).mean() > 2, texture
