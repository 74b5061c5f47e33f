from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from chiasm.scenes.asking import KINDS_OF_QUESTIONS, Question, ask, compare, conversation, long_conversation
from chiasm.scenes.asking.comparing import told_apart
from chiasm.scenes.asking.questions import with_recognised
from chiasm.scenes.kinds import COLOURS, NAMES
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Box, Clothes, Scene, Style, Thing
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language

_STYLE = Style("none", 1.0, "flat", 0.0, 0.0, 0)
_BOTH = pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["en", "zh"])


def _scene(*things: Thing, place: str = "street", time: str = "day", weather: str | None = "sunny") -> Scene:
    numbered = tuple(replace(thing, number=number) for number, thing in enumerate(things))
    return Scene(0, 200, 200, place, time, weather, 0.5, numbered, _STYLE)  # type: ignore[arg-type]


def _thing(kind: str, colour: str, box: tuple[float, float, float, float], **more: object) -> Thing:
    return Thing(0, kind, colour, Box(*box), **more)  # type: ignore[arg-type]


_BLUE_CAR = _thing("car", "blue", (0.05, 0.6, 0.35, 0.8), facing="left")
_RED_CAR = _thing("car", "red", (0.6, 0.6, 0.9, 0.8), facing="left")
_DOG = _thing("dog", "brown", (0.4, 0.75, 0.5, 0.85), action="lying", facing="right", size="small")
_PLANE = _thing("airplane", "white", (0.1, 0.1, 0.3, 0.2), facing="right")
_PERSON = _thing(
    "person",
    "green",
    (0.6, 0.4, 0.8, 0.9),
    action="walking",
    facing="right",
    clothes=Clothes("blue", "yellow"),
    holds=1,
)
_BALLOON = _thing("balloon", "pink", (0.75, 0.2, 0.85, 0.5), held_by=0)
_SIGN = _thing("sign", "white", (0.1, 0.4, 0.4, 0.8), text="CAFE")


def _asked(scene: Scene, kind: str, language: Language = ENGLISH, seeds: int = 60, **more: bool) -> list[Question]:
    found = (ask(scene, kind, language, random.Random(seed), **more) for seed in range(seeds))
    return [question for question in found if question is not None]


def _pairs(questions: list[Question]) -> set[tuple[str, str]]:
    return {(question.question, question.answer) for question in questions}


def test_colour_is_asked_of_what_other_words_than_its_colour_single_out() -> None:
    scene = _scene(_BLUE_CAR, _RED_CAR, _DOG)
    questions = _asked(scene, "colour")
    assert questions
    # Two cars that differ in colour alone: nobody could say which is meant.
    assert all("dog" in question.question and question.answer == "brown" for question in questions)


def test_things_that_words_cannot_tell_apart_are_not_asked_about() -> None:
    twin = replace(_BLUE_CAR, box=_RED_CAR.box)
    scene = _scene(_BLUE_CAR, twin)
    for kind in ("colour", "side", "facing", "text_to_box"):
        assert _asked(scene, kind) == [], kind
    assert {question.answer for question in _asked(scene, "count")} == {"2"}


@_BOTH
def test_what_is_mostly_hidden_is_never_spoken_of(language: Language) -> None:
    hidden = _thing("cat", "black", (0.4, 0.6, 0.5, 0.7), action="sitting", facing="left", size="small")
    bus = _thing("bus", "red", (0.3, 0.5, 0.7, 0.8), facing="left")
    scene = _scene(hidden, bus, _DOG)
    cat = language.name("cat")
    for kind in KINDS_OF_QUESTIONS:
        for question in _asked(scene, kind, language, 40):
            assert cat not in question.question, question
            assert question.answer != cat, question


def test_left_and_right_are_judged_by_middles_and_above_needs_the_air_or_the_wall() -> None:
    # The red car is 0.38 lower than the blue one, which is far away but not above it.
    far = replace(_BLUE_CAR, box=Box(0.55, 0.45, 0.75, 0.55))
    near = replace(_RED_CAR, box=Box(0.55, 0.83, 0.75, 0.93))
    assert _asked(_scene(far, near), "side") == []
    pairs = _pairs(_asked(_scene(_PLANE, _DOG), "side", seeds=200))
    assert ("Is the airplane above or below the dog?", "above") in pairs
    assert ("Is the airplane above the dog?", "yes") in pairs
    assert ("Is the dog above the airplane?", "no") in pairs
    assert ("Where is the dog: left or right of the airplane?", "right") in pairs


def test_what_is_held_is_not_said_to_stand_beside_who_holds_it() -> None:
    scene = _scene(_PERSON, _BALLOON)
    assert _asked(scene, "side") == []
    open_ones = {pair for pair in _pairs(_asked(scene, "holds")) if pair[1] not in ("yes", "no")}
    assert {answer for _, answer in open_ones} == {"balloon"}
    assert ("What is the person holding?", "balloon") in open_ones


def test_clothes_keep_to_their_part() -> None:
    pairs = _pairs(_asked(_scene(_PERSON, _BALLOON), "wears", seeds=200))
    by_word = {"trousers": "blue", "shirt": "green", "wearing a hat": "yes", "wear a hat": "yes", "hat": "yellow"}
    for question, answer in pairs:
        if "who is" not in question and " in a " not in question:
            part = next(word for word in by_word if word in question)
            assert answer == by_word[part], question
    assert {answer for _, answer in pairs} == {"blue", "green", "yellow", "yes"}


@pytest.mark.parametrize(
    ("thing", "language", "answer"),
    [
        (_thing("umbrella", "red", (0.2, 0.2, 0.5, 0.5), state="closed"), ENGLISH, "closed"),
        (_thing("umbrella", "red", (0.2, 0.2, 0.5, 0.5), state="closed"), CHINESE, "收起"),
        (_thing("book", "red", (0.2, 0.2, 0.5, 0.5), state="open"), CHINESE, "打开"),
        (_thing("traffic light", "black", (0.2, 0.2, 0.3, 0.5), state="green"), ENGLISH, "green"),
        (_thing("traffic light", "black", (0.2, 0.2, 0.3, 0.5), state="green"), CHINESE, "绿灯"),
        (_thing("clock", "red", (0.2, 0.2, 0.4, 0.4), state="10"), ENGLISH, "10 o'clock"),
        (_thing("clock", "red", (0.2, 0.2, 0.4, 0.4), state="10"), CHINESE, "10点"),
        (_thing("lamp", "red", (0.2, 0.2, 0.4, 0.4), state="lit"), CHINESE, "亮着"),
    ],
)
def test_states(thing: Thing, language: Language, answer: str) -> None:
    answers = Counter(question.answer for question in _asked(_scene(thing), "state", language, 100))
    assert set(answers) <= {answer, "yes", "no", "是", "不是"}
    assert answers[answer] > 50


def test_existence_gives_the_wished_answer_and_swaps_colours_for_no() -> None:
    scene = _scene(_BLUE_CAR, _DOG)
    yes, no = (_asked(scene, "existence", seeds=150, yes=wished) for wished in (True, False))
    assert {question.answer for question in yes} == {"yes"}
    assert {question.answer for question in no} == {"no"}
    assert any("a blue car" in question.question for question in yes)
    swapped = [re.search(r"an? (\w+) car\b", question.question) for question in no]
    colours = {match[1] for match in swapped if match}
    assert colours
    assert "blue" not in colours


def test_existence_in_chinese_is_answered_by_there_is() -> None:
    scene = _scene(_BLUE_CAR, _DOG)
    assert {question.answer for question in _asked(scene, "existence", CHINESE, yes=True)} == {"有"}
    assert {question.answer for question in _asked(scene, "existence", CHINESE, yes=False)} == {"没有"}


def test_what_could_be_taken_for_it_is_not_denied() -> None:
    stop_sign = _thing("stop sign", "red", (0.4, 0.4, 0.5, 0.7))
    sitting = replace(_PERSON, action="sitting", holds=None)
    for question in _asked(_scene(stop_sign, sitting), "existence", seeds=600, yes=False):
        for kind in ("sign", "house", "chair", "bench"):
            assert not re.search(rf"\ban? (\w+ )?{kind}\b", question.question), question


def test_weather_and_time_are_asked_only_where_one_can_tell() -> None:
    inside = _scene(_DOG, place="room", weather=None)
    clouds_at_night = _scene(_DOG, time="night", weather="cloudy")
    assert _asked(inside, "weather") == _asked(inside, "time") == _asked(clouds_at_night, "weather") == []
    assert {question.answer for question in _asked(clouds_at_night, "time")} == {"night", "yes", "no"}


def test_what_is_on_the_table() -> None:
    table = _thing("dining table", "brown", (0.2, 0.6, 0.7, 0.9))
    cup = _thing("cup", "white", (0.3, 0.5, 0.4, 0.62), size="small", on=0)
    pairs = _pairs(_asked(_scene(table, cup, place="kitchen", weather=None), "kind"))
    assert ("What is on the dining table?", "cup") in pairs
    apple = _thing("apple", "red", (0.5, 0.5, 0.6, 0.62), on=0)
    two = _scene(table, cup, apple, place="kitchen", weather=None)
    assert not any("on the dining table" in question for question, _ in _pairs(_asked(two, "kind")))
    assert ("How many things are on the dining table?", "2") in _pairs(_asked(two, "count", seeds=200))


def test_the_red_thing_needs_red_on_nothing_else() -> None:
    red_shirt = replace(_PERSON, colour="red", holds=None)
    alone = _pairs(_asked(_scene(_RED_CAR, _DOG), "kind"))
    assert ("What is the red thing?", "car") in alone
    assert not any("red thing" in q for q, _ in _pairs(_asked(_scene(_RED_CAR, red_shirt), "kind")))


def test_boxes_are_of_the_padded_square() -> None:
    scene = replace(_scene(_DOG), width=200, height=100)
    # 200 by 100 in a square of 200: 50 pixels above and below. y 0.75 -> (75 + 50) / 200, 0.85 -> (85 + 50) / 200.
    (answer,) = {question.answer for question in _asked(scene, "text_to_box")}
    numbers = [float(number) for number in re.findall(r"[\d.]+", answer)]
    assert numbers == pytest.approx([0.40, 0.625, 0.50, 0.675], abs=0.0051)
    assert re.fullmatch(r"\[(\d\.\d\d, ){3}\d\.\d\d\]", answer)
    (asked,) = {question.question for question in _asked(scene, "region_to_text")}
    assert asked == answer
    assert all(question.answer.startswith("a brown dog") for question in _asked(scene, "region_to_text"))


@pytest.mark.parametrize(
    ("question", "language", "prompt"),
    [
        (
            Question("colour", "What colour is the car?", "red", "short"),
            ENGLISH,
            "What colour is the car?\nAnswer the question using a single word or phrase.",
        ),
        (
            Question("option", "What colour is the car?", "B", "option", ("blue", "red")),
            ENGLISH,
            "What colour is the car?\nA. blue\nB. red\n"
            "Answer with the option's letter from the given choices directly.",
        ),
        (
            Question("read", "What does the sign say?", "CAFE", "read", recognised=("CAFE", "STOP")),
            ENGLISH,
            "What does the sign say?\nReference OCR token: CAFE, STOP\n"
            "Answer the question using a single word or phrase.",
        ),
        (
            Question("region_to_text", "[0.10, 0.20, 0.30, 0.40]", "a dog", "region"),
            ENGLISH,
            "[0.10, 0.20, 0.30, 0.40]\nProvide a short description for this region.",
        ),
        (
            Question("text_to_box", "the dog", "[0.10, 0.20, 0.30, 0.40]", "box"),
            ENGLISH,
            "the dog\nProvide the bounding box coordinate of the region this sentence describes.",
        ),
        (Question("action", "狗在做什么？", "躺着", "short"), CHINESE, "狗在做什么？\n请用一个词或短语回答。"),
        (Question("x", "为什么？", "因为下雨。", "long"), CHINESE, "为什么？"),
        (Question("colour", "What?", "red", "short", prompted=False), ENGLISH, "What?"),
    ],
)
def test_prompts(question: Question, language: Language, prompt: str) -> None:
    assert question.prompt(language) == prompt


def test_reading_and_the_words_a_machine_read() -> None:
    scene = _scene(_SIGN, _thing("stop sign", "red", (0.6, 0.4, 0.7, 0.7)))
    for question in _asked(scene, "read"):
        assert (question.answer, question.style, question.recognised) == ("CAFE", "read", ())
        told = with_recognised(question, scene, random.Random(0))
        assert sorted(told.recognised) == ["CAFE", "STOP"]


# English questions answered again from the scene graph, by another way than they were made.
def _meant(scene: Scene, words: str) -> list[Thing]:
    words = words.removeprefix("a ").removeprefix("an ").removeprefix("the ")
    colour = next((colour for colour in COLOURS if words.startswith(f"{colour} ")), None)
    noun = words.removeprefix(f"{colour} ") if colour else words
    kinds = {name: name for name in NAMES} | {ENGLISH.names(name): name for name in NAMES}
    return [thing for thing in scene.things if thing.kind == kinds[noun] and colour in (None, thing.colour)]


_NOUNS = sorted((*NAMES, *map(ENGLISH.names, NAMES)), key=len, reverse=True)
_SIMPLE = rf"((?:an? |the )?(?:(?:{'|'.join(COLOURS)}) )?(?:{'|'.join(_NOUNS)}))"


def _again(scene: Scene, question: str) -> str | None:
    if match := re.fullmatch(rf"(?:Is there|Can you see|Does the picture show) {_SIMPLE}(?: in the .*)?\?", question):
        return "yes" if _meant(scene, match[1]) else "no"
    if match := re.fullmatch(rf"How many {_SIMPLE} (?:are there|are in|can you).*\?", question):
        return str(len(_meant(scene, match[1])))
    if match := re.fullmatch(rf"What (?:colour|color|is the colour of) (?:is )?{_SIMPLE}\?", question):
        (thing,) = _meant(scene, match[1])
        return None if thing.kind == "traffic light" else thing.colour
    if match := re.fullmatch(rf"Is {_SIMPLE} to the (left|right) of {_SIMPLE}\?", question):
        (first,), (second,) = _meant(scene, match[1]), _meant(scene, match[3])
        gap = (first.box.x0 + first.box.x1 - second.box.x0 - second.box.x1) / 2
        assert abs(gap) >= 0.12
        return "yes" if (gap < 0) == (match[2] == "left") else "no"
    return None


def test_answers_are_right_when_worked_out_again() -> None:
    checked: Counter[str] = Counter()
    for index in range(250):
        scene = sample_scene(3, index)
        for kind in ("existence", "count", "count_none", "colour", "side"):
            question = ask(scene, kind, ENGLISH, random.Random(index))
            again = _again(scene, question.question) if question else None
            if question is not None and again is not None:
                assert question.answer == again, (index, question)
                checked[kind] += 1
    assert all(checked[kind] >= 20 for kind in ("existence", "count", "count_none", "colour", "side")), checked


def test_chinese_counts_have_the_measure_word() -> None:
    three_dogs = _scene(*(replace(_DOG, box=Box(x, 0.7, x + 0.1, 0.8)) for x in (0.1, 0.4, 0.7)))
    asked = {question.question for question in _asked(three_dogs, "count", CHINESE)}
    assert "图中有几只狗？" in asked
    assert {question.answer for question in _asked(three_dogs, "count", CHINESE)} == {"3"}


def test_the_letter_is_that_of_the_right_option() -> None:
    letters: Counter[str] = Counter()
    for index in range(200):
        scene = sample_scene(4, index)
        question = ask(scene, "option", ENGLISH, random.Random(index))
        assert question is not None
        assert len(set(question.options)) == len(question.options)
        assert 2 <= len(question.options) <= 4
        letters[question.answer] += 1
        again = _again(scene, question.question)
        if again is not None:
            assert question.options["ABCD".index(question.answer)] == again
    assert set(letters) == set("ABCD")


@pytest.mark.parametrize(("language", "first", "second"), [(ENGLISH, "first", "second"), (CHINESE, "第一张", "第二张")])
def test_comparing_two_pictures(language: Language, first: str, second: str) -> None:
    street = _scene(_BLUE_CAR, _DOG)
    park = _scene(_PLANE, place="park", time="night", weather="rainy")
    answers: Counter[str] = Counter()
    for seed in range(150):
        question = compare(street, park, language, random.Random(seed))
        assert question is not None
        for kind, answer in (("car", first), ("dog", first), ("airplane", second)):
            if language.name(kind) in question.question and "blue" not in question.question:
                assert question.answer == answer, question
        answers[question.answer] += 1
    assert answers[first] > 30
    assert answers[second] > 20
    assert set(answers) - {first, second} <= {"neither", "都没有"}


def test_comparing_counts() -> None:
    one, three = _scene(_DOG), _scene(*(replace(_DOG, box=Box(x, 0.7, x + 0.1, 0.8)) for x in (0.1, 0.4, 0.7)))
    questions = [compare(one, three, ENGLISH, random.Random(seed)) for seed in range(80)]
    more = [question for question in questions if question is not None and "more dogs" in question.question]
    assert more
    assert {question.answer for question in more} == {"second"}


def test_two_pictures_are_told_apart() -> None:
    street, park = _scene(_BLUE_CAR, _DOG), _scene(_DOG, _PLANE, place="park", time="night", weather="rainy")
    assert told_apart(street, park, ENGLISH) == (
        "The first picture shows a street on a sunny day, the second a park on a rainy night. Both have a dog. "
        "Only the first has a car; only the second has an airplane."
    )
    assert told_apart(park, street, CHINESE) == (
        "第一张图是雨夜的公园，第二张图是晴天的街道。两张图里都有狗。只有第一张图里有飞机，只有第二张图里有汽车。"
    )
    assert told_apart(_scene(_DOG), _scene(_BLUE_CAR), ENGLISH) == (
        "Both pictures show a street on a sunny day. Only the first has a dog; only the second has a car."
    )
    assert "没有相同的东西" in told_apart(_scene(_BLUE_CAR), park, CHINESE)
    assert told_apart(street, street, CHINESE).endswith("两张图里都有狗和汽车。")


@_BOTH
def test_conversations_ask_for_brevity_once_and_end_with_boxes(language: Language) -> None:
    order = {"short": 0, "read": 0, "option": 1, "box": 2, "region": 2}
    for index in range(60):
        questions = conversation(sample_scene(6, index), language, random.Random(index))
        assert 3 <= len(questions) <= 9
        assert len({question.question for question in questions if question.style != "option"}) >= len(questions) - 2
        ranks = [order[question.style] for question in questions]
        assert ranks == sorted(ranks)
        short = [question for question in questions if order[question.style] == 0]
        assert [question.prompted for question in short] == [True, *[False] * (len(short) - 1)]
        assert all(question.prompted for question in questions if question not in short)


@_BOTH
def test_long_conversations_answer_in_sentences(language: Language) -> None:
    stop = "." if language.code == "en" else "。"
    for index in range(60):
        questions = long_conversation(sample_scene(7, index), language, random.Random(index))
        assert 2 <= len(questions) <= 4
        for question in questions:
            assert question.answer.endswith(stop)
            assert question.prompt(language) == question.question
            if language.code == "en":
                assert question.answer[0].isupper()


@_BOTH
def test_the_same_seed_asks_the_same(language: Language) -> None:
    scene = sample_scene(8, 1)
    twice = [conversation(scene, language, random.Random(5)) for _ in range(2)]
    assert twice[0] == twice[1]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'colour'"):
        ask(_scene(_DOG), "color", ENGLISH, random.Random(0))
