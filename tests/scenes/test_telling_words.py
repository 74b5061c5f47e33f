"""The words of both languages: noun phrases, numbers, relations, boxes."""

from __future__ import annotations

import pytest

from chiasm.scenes.kinds import COLOURS, KINDS, NAMES, PLACES, TIMES, WEATHERS
from chiasm.scenes.scene import Box, Clothes, Scene, Style, Thing
from chiasm.scenes.telling.boxes import square_box
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.choosing import name_alone
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language, Look

PLAIN = Style("none", 1.0, "flat", 0.0, 0.0, 0)


def scene_of(*things: Thing, width: int = 200, height: int = 200) -> Scene:
    return Scene(0, width, height, "park", "day", "sunny", 0.5, things, PLAIN)


@pytest.mark.parametrize(
    ("look", "english", "chinese"),
    [
        (Look("dog"), "a dog", "一只狗"),
        (Look("airplane"), "an airplane", "一架飞机"),
        (Look("dog", "brown"), "a brown dog", "一只棕色的狗"),
        (Look("dog", "brown", "large"), "a large brown dog", "一只棕色的大狗"),
        (Look("car", "orange"), "an orange car", "一辆橙色汽车"),
        (Look("orange", "orange"), "an orange", "一个橙子"),
        (Look(None, "red"), "a red thing", "一个红色的东西"),
        (Look("person", "red"), "a person in a red shirt", "一个穿红色上衣的人"),
        (
            Look("person", "red", hat="blue", trousers="brown"),
            "a person in a red shirt, brown trousers and a blue hat",
            "一个穿红色上衣和棕色裤子、戴蓝色帽子的人",
        ),
        (Look("umbrella", "red", state="open"), "an open red umbrella", "一把撑开的红色雨伞"),
        (Look("cake", "pink", state="lit"), "a pink cake with a lit candle", "一个点着蜡烛的粉色蛋糕"),
        (Look("tv", "black", state="off"), "a black tv that is off", "一台关着的黑色电视"),
        (Look("sign", text="OPEN"), 'a sign that says "OPEN"', "一块写着“OPEN”的牌子"),
        (Look("clock", state="3"), "a clock showing 3 o'clock", "一个指向3点的时钟"),
        (Look("traffic light", state="red"), "a traffic light showing red", "一个亮着红灯的红绿灯"),
        (Look("potted plant", "red"), "a potted plant in a red pot", "一个红色花盆的盆栽"),
        (
            Look("dog", "brown", action="lying", facing="left"),
            "a brown dog lying down and facing left",
            "一只朝左躺着的棕色狗",
        ),
        (Look("bird", action="flying", facing="right"), "a bird flying to the right", "一只向右飞的鸟"),
    ],
)
def test_a_thing_in_words(look: Look, english: str, chinese: str) -> None:
    assert ENGLISH.a(look) == english
    assert CHINESE.a(look) == chinese


@pytest.mark.parametrize(
    ("look", "english", "chinese"),
    [
        (Look("dog"), "the dog", "狗"),
        (Look("car", "red"), "the red car", "红色汽车"),
        (Look("dog", "brown", action="lying"), "the brown dog lying down", "躺着的那只棕色狗"),
        (Look("person", "red"), "the person in a red shirt", "穿红色上衣的那个人"),
    ],
)
def test_the_thing_in_words(look: Look, english: str, chinese: str) -> None:
    assert ENGLISH.the(look) == english
    assert CHINESE.the(look) == chinese


def test_who_holds_what() -> None:
    person, umbrella = Look("person", "red"), Look("umbrella", "blue", state="open")
    assert ENGLISH.a(person, umbrella) == "a person in a red shirt holding an open blue umbrella"
    assert CHINESE.a(person, umbrella) == "一个穿红色上衣、撑着一把蓝色雨伞的人"
    assert CHINESE.holding(Look("suitcase", "red")) == "提着一个红色行李箱"


@pytest.mark.parametrize(
    ("look", "number", "english", "chinese"),
    [
        (Look("sheep"), 2, "two sheep", "两只绵羊"),
        (Look("person", "red"), 3, "three people in red shirts", "三个穿红色上衣的人"),
        (Look("bus", "red"), None, "red buses", "红色公交车"),
        (Look("dog"), 1, "one dog", "一只狗"),
        (Look("cat"), 0, "no cats", "零只猫"),
        (Look("sign", text="NO"), 2, 'two signs that say "NO"', "两块写着“NO”的牌子"),
    ],
)
def test_several_things_in_words(look: Look, number: int | None, english: str, chinese: str) -> None:
    assert ENGLISH.several(look, number) == english
    assert CHINESE.several(look, number) == chinese


@pytest.mark.parametrize(("number", "chinese"), [(0, "零"), (2, "二"), (10, "十"), (12, "十二"), (20, "二十")])
def test_chinese_numbers(number: int, chinese: str) -> None:
    assert CHINESE.number(number) == chinese


def test_relations() -> None:
    assert ENGLISH.stands("the dog", "left of", "the cat") == "the dog is to the left of the cat"
    assert CHINESE.stands("狗", "left of", "猫") == "狗在猫的左边"


@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
def test_every_name_of_the_world_has_words(language: Language) -> None:
    words = language.words()
    wanted = {name for kind in KINDS for name in (*kind.states, *kind.actions)}
    assert wanted | {*PLACES, *TIMES, *WEATHERS, "small", "large", "left", "right"} <= set(words)
    assert len({language.name(kind) for kind in NAMES}) == len(NAMES)
    assert len({language.colour(colour) for colour in COLOURS}) == len(COLOURS)
    assert all(language.place(place) for place in PLACES)


def test_chinese_holds_no_latin_letter() -> None:
    said = [CHINESE.a(Look(kind.name, colour)) for kind in KINDS for colour in kind.colours]
    said += list(CHINESE.words().values())
    assert not [text for text in said if any("a" <= letter.lower() <= "z" for letter in text)]


def test_a_look_fits_what_is_true() -> None:
    person = Thing(0, "person", "red", Box(0, 0, 0.2, 0.5), action="waving", clothes=Clothes("blue", "green"))
    assert Look("person", "red", hat="green").fits(person)
    assert not Look("person", hat="red").fits(person)
    assert not Look("dog").fits(person)
    assert Look.at(person, "colour", "trousers", "size") == Look("person", "red", trousers="blue")


def test_a_thing_is_named_by_the_shortest_look_that_fits_it_alone() -> None:
    box = Box(0, 0, 0.2, 0.2)
    red, blue = Thing(0, "car", "red", box, facing="left"), Thing(1, "car", "blue", box, facing="left")
    twins = [Thing(2, "cup", "red", box), Thing(3, "cup", "red", box)]
    scene = scene_of(red, blue, *twins)
    assert name_alone(scene, red) == Look("car", "red")
    assert name_alone(scene, twins[0]) is None
    assert name_alone(scene_of(red), red) == Look("car")


@pytest.mark.parametrize(
    ("width", "height", "text"),
    [
        (200, 200, "[0.10, 0.20, 0.30, 0.40]"),
        # 200 wide, 150 high: 25 pixels of padding above; 25 + 30 of 200, 25 + 60 of 200.
        (200, 150, "[0.10, 0.28, 0.30, 0.42]"),
        # 100 wide, 200 high: 50 pixels of padding at the left; 50 + 10 of 200, 50 + 30 of 200.
        (100, 200, "[0.30, 0.20, 0.40, 0.40]"),
    ],
)
def test_boxes_are_in_parts_of_the_padded_square(width: int, height: int, text: str) -> None:
    thing = Thing(0, "car", "red", Box(0.1, 0.2, 0.3, 0.4))
    assert square_box(scene_of(thing, width=width, height=height), thing) == text
