"""Captions, descriptions, phrases and reasons: true, in both languages, of the length asked for."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Box, Clothes, Scene, Style, Thing
from chiasm.scenes.telling.boxes import square_box
from chiasm.scenes.telling.captions import captions
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.description import dense, grounded, in_words, relations
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.nouns import capitals, length
from chiasm.scenes.telling.phrases import phrases, wrong_phrases
from chiasm.scenes.telling.reasons import ENGLISH_SIGNS, holding, reasons
from chiasm.scenes.telling.reasons_chinese import CHINESE_REASONS, CHINESE_SIGNS
from chiasm.scenes.telling.reasons_english import ENGLISH_REASONS

PLAIN = Style("none", 1.0, "flat", 0.0, 0.0, 0)
BOTH = pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["en", "zh"])
LATIN = re.compile(r"[a-zA-Z]{2,}")


def scene_of(
    *things: Thing, place: str = "park", time: str = "day", weather: str | None = "sunny", horizon: float = 0.5
) -> Scene:
    numbered = tuple(replace(thing, number=number) for number, thing in enumerate(things))
    return Scene(0, 200, 200, place, time, weather, horizon, numbered, PLAIN)  # type: ignore[arg-type]


def rng(seed: int = 0) -> random.Random:
    return random.Random(seed)


@pytest.fixture(scope="module")
def sampled() -> Sequence[Scene]:
    return [sample_scene(5, index) for index in range(150)]


DOG = Thing(0, "dog", "brown", Box(0.05, 0.6, 0.35, 0.9), "large", "left", None, "lying")
CAT = Thing(1, "cat", "black", Box(0.6, 0.65, 0.8, 0.85), None, "right", None, "sitting")
WALKER = Thing(0, "person", "red", Box(0.3, 0.4, 0.5, 0.9), None, "left", None, "walking", Clothes("blue", None), 1)
UMBRELLA = Thing(1, "umbrella", "blue", Box(0.2, 0.3, 0.45, 0.5), state="open", held_by=0)
TABLE = Thing(0, "dining table", "brown", Box(0.3, 0.6, 0.8, 0.9))
CUP = Thing(1, "cup", "red", Box(0.35, 0.5, 0.45, 0.62), "small", on=0)
BOWL = Thing(2, "bowl", "green", Box(0.6, 0.52, 0.75, 0.63), on=0)


@BOTH
def test_five_captions_differ_and_agree_on_what_stands_out(language: Language) -> None:
    scene = scene_of(DOG, CAT)
    told = captions(scene, language, rng())
    assert len(set(told)) == 5
    dog, park = ("brown dog", "park") if language.code == "en" else ("狗", "公园")
    assert all(dog in caption and park in caption for caption in told)


@BOTH
def test_captions_of_any_scene(language: Language, sampled: Sequence[Scene]) -> None:
    lengths = []
    for scene in sampled:
        told = captions(scene, language, rng())
        assert len(set(told)) == 5
        assert all(caption.endswith("." if language.code == "en" else "。") for caption in told)
        lengths += [length(caption) for caption in told]
    shortest, longest = (8, 22) if language.code == "en" else (6, 25)
    assert sum(shortest <= each <= longest for each in lengths) > 0.9 * len(lengths)


def test_a_caption_never_lets_a_person_hold_what_comes_next() -> None:
    bird = Thing(2, "bird", "black", Box(0.8, 0.6, 0.95, 0.7), None, "left", None, "standing")
    scene = scene_of(WALKER, UMBRELLA, bird, weather="rainy")
    told = [caption for seed in range(20) for caption in captions(scene, ENGLISH, rng(seed))]
    assert any("holding" in caption for caption in told)
    assert not [caption for caption in told if "umbrella and" in caption]


def test_a_dense_description_tells_everything() -> None:
    for seed in range(12):
        told = dense(scene_of(DOG, CAT), ENGLISH, rng(seed))
        assert "large brown dog lying down and facing left" in told
        assert "black cat sitting and facing right" in told
        assert "on the left" in told.lower() or "to the left of the cat" in told.lower()
        assert "park" in told
        assert "sunny" in told


def test_a_dense_description_in_chinese_tells_everything() -> None:
    for seed in range(12):
        told = dense(scene_of(DOG, CAT), CHINESE, rng(seed))
        assert "一只朝左躺着的棕色大狗" in told
        assert "一只朝右坐着的黑色猫" in told
        assert "左边" in told
        assert "晴天" in told


@BOTH
def test_what_is_on_a_table_and_in_a_hand_is_told_with_it(language: Language) -> None:
    kitchen = scene_of(TABLE, CUP, BOWL, place="kitchen", weather=None)
    walk = scene_of(WALKER, UMBRELLA, weather="rainy")
    if language.code == "en":
        assert "a brown dining table with a small red cup and a green bowl on it" in dense(kitchen, language, rng())
        assert "walking to the left and holding an open blue umbrella" in dense(walk, language, rng())
    else:
        assert "一张放着一个红色的小杯子和一个绿色的碗的棕色餐桌" in dense(kitchen, language, rng())
        assert "向左走、撑着一把蓝色雨伞的人" in dense(walk, language, rng())


@BOTH
def test_dense_descriptions_have_the_length_asked_for(language: Language, sampled: Sequence[Scene]) -> None:
    lengths = [length(dense(scene, language, rng())) for scene in sampled]
    assert sum(40 <= each <= 90 for each in lengths) > 0.9 * len(lengths)


@BOTH
def test_things_with_boxes_from_left_to_right(language: Language) -> None:
    scene = scene_of(CAT, DOG)
    told = grounded(scene, language, rng())
    first, second = square_box(scene, DOG), square_box(scene, CAT)
    assert told.index(first) < told.index(second)
    dog = "dog" if language.code == "en" else "狗"
    assert told.index(dog) < told.index(first)


@BOTH
def test_every_thing_has_its_box(language: Language, sampled: Sequence[Scene]) -> None:
    for scene in sampled:
        assert len(re.findall(r"\[0\.", grounded(scene, language, rng()))) == len(scene.things)


def test_relations_are_clear_ones() -> None:
    told = relations(scene_of(DOG, CAT), ENGLISH, rng(), 5)
    assert set(told) <= {"The dog is to the left of the cat.", "The cat is to the right of the dog."}
    assert len(told) == 1
    near = Thing(1, "cat", "black", Box(0.1, 0.6, 0.4, 0.9))  # centres 0.05 apart
    assert relations(scene_of(DOG, near), ENGLISH, rng(), 5) == ()
    assert relations(scene_of(TABLE, CUP, place="kitchen", weather=None), CHINESE, rng(), 5) == ("杯子在餐桌上。",)
    assert relations(scene_of(WALKER, UMBRELLA), ENGLISH, rng(), 1) == ("The person is holding an open blue umbrella.",)


def test_above_is_only_said_of_what_is_off_the_ground() -> None:
    bird = Thing(0, "bird", "red", Box(0.1, 0.1, 0.3, 0.2), action="flying")
    behind = Thing(0, "horse", "black", Box(0.1, 0.3, 0.3, 0.6), action="standing")
    told = {sentence for seed in range(6) for sentence in relations(scene_of(bird, DOG), ENGLISH, rng(seed), 3)}
    assert told == {"The bird is above the dog.", "The dog is below the bird."}
    assert relations(scene_of(behind, DOG), ENGLISH, rng(), 3) == ()


def test_in_words_everything_and_both_orders() -> None:
    told = in_words(scene_of(CAT, DOG, weather="rainy"), ENGLISH, rng())
    assert "a large brown dog lying down and facing left and a black cat sitting and facing right" in told
    # The centre of both is at 0.75 of the height: the first in the scene comes first.
    assert told.endswith("From top to bottom there is the cat and the dog.")
    assert "rainy day" in told


@BOTH
def test_in_words_names_who_holds_and_what_is_where(language: Language) -> None:
    told = in_words(scene_of(WALKER, UMBRELLA, weather="rainy"), language, rng())
    assert ("The person is holding an open blue umbrella." if language.code == "en" else "人撑着一把蓝色雨伞。") in told
    told = in_words(scene_of(TABLE, CUP, BOWL, place="kitchen", weather=None), language, rng())
    assert ("The cup is on the dining table." if language.code == "en" else "杯子在餐桌上。") in told


@BOTH
def test_phrases_grow_from_the_name(language: Language) -> None:
    scene = scene_of(DOG, CAT)
    seen = set()
    for seed in range(30):
        told = phrases(scene, DOG, language, rng(seed))
        assert 2 <= len(told) == len(set(told)) <= 5
        assert list(told) == sorted(told, key=len)
        seen.update(told)
    if language.code == "en":
        assert {"dog", "a dog", "a brown dog", "the dog on the left"} <= seen
        assert "a large brown dog lying down and facing left" in seen
    else:
        assert {"狗", "一只狗", "一只棕色的狗", "左边那只狗", "一只朝左躺着的棕色大狗"} <= seen


@BOTH
def test_wrong_phrases_are_wrong_of_all_that_is_there(language: Language) -> None:
    seen: set[str] = set()
    for seed in range(40):
        seen.update(wrong_phrases(scene_of(DOG, CAT), DOG, language, rng(seed)))
    right, standing = (
        ("a brown dog facing right", "a dog standing")
        if language.code == "en"
        else ("一只朝右的棕色狗", "一只站着的狗")
    )
    assert {right, standing} <= seen
    other = replace(DOG, number=1, facing="right", action="standing")
    for seed in range(40):
        assert not {right, standing} & set(wrong_phrases(scene_of(DOG, other), DOG, language, rng(seed)))


LIGHT = Thing(0, "traffic light", "black", Box(0.1, 0.3, 0.2, 0.7), state="red")
CAR = Thing(1, "car", "blue", Box(0.4, 0.6, 0.8, 0.85), facing="left")


@pytest.mark.parametrize(
    ("scene", "name", "held"),
    [
        (scene_of(WALKER, UMBRELLA, weather="rainy"), "umbrella in the rain", True),
        (scene_of(WALKER, UMBRELLA, weather="snowy"), "umbrella in the snow", True),
        (scene_of(WALKER, UMBRELLA, weather="sunny"), "umbrella in the sun", True),
        (scene_of(WALKER, UMBRELLA, weather="sunny"), "umbrella in the rain", False),
        (scene_of(WALKER, UMBRELLA, weather="cloudy", time="night"), "umbrella in the sun", False),
        (scene_of(LIGHT, CAR, place="street"), "red light", True),
        (scene_of(LIGHT, CAR, place="street"), "green light", False),
        (scene_of(LIGHT, DOG, place="street"), "red light", False),
        (scene_of(DOG, weather="snowy"), "cold", True),
        (scene_of(DOG, weather="sunny", time="night"), "warm", False),
        (scene_of(DOG, weather="cloudy", time="night"), "reading in the dark", True),
        (scene_of(DOG, place="room", time="night", weather=None), "reading in the dark", False),
        (scene_of(TABLE, CUP, place="kitchen", weather=None), "drink", True),
        (scene_of(TABLE, place="kitchen", weather=None), "food", False),
    ],
)
def test_a_reason_holds_where_its_cause_is(scene: Scene, name: str, held: bool) -> None:
    assert (name in holding(scene)) is held


def test_the_car_waits_because_the_light_is_red() -> None:
    told = dict(pair for seed in range(9) for pair in reasons(scene_of(LIGHT, CAR, place="street"), ENGLISH, rng(seed)))
    answer = told["Why does the car have to wait?"]
    assert "red" in answer
    assert answer.endswith("It may go on when the light turns green.")
    told = dict(pair for seed in range(9) for pair in reasons(scene_of(LIGHT, CAR, place="street"), CHINESE, rng(seed)))
    assert told["这辆汽车为什么要等待？"].endswith("等绿灯亮了才能走。")


def test_the_clock_goes_round() -> None:
    clock = Thing(0, "clock", "red", Box(0.4, 0.1, 0.6, 0.3), state="12")
    scene = scene_of(clock, place="room", weather=None)
    answers = " ".join(answer for _, answer in reasons(scene, ENGLISH, rng()))
    assert "The clock shows 12 o'clock now. An hour later it will show 1 o'clock." in answers


def test_both_languages_have_the_same_reasons() -> None:
    assert list(ENGLISH_REASONS) == list(CHINESE_REASONS)
    assert list(ENGLISH_SIGNS) == list(CHINESE_SIGNS)
    for words in (ENGLISH_REASONS, CHINESE_REASONS):
        for name, reason in words.items():
            assert all(question[-1] in "?？" for question in reason.questions), name
            assert all(way[-1] in ".。" and len(way) > 2 for ways in reason.answer for way in ways), name


@BOTH
def test_every_scene_gives_something_to_think_about(language: Language, sampled: Sequence[Scene]) -> None:
    for scene in sampled:
        pairs = reasons(scene, language, rng())
        assert pairs
        for question, answer in pairs:
            sentences = len(re.findall(r"[.?!](?: |$)|[。？！]", answer))
            assert 2 <= sentences <= 4, answer
            assert "{" not in question + answer


def test_chinese_texts_are_chinese(sampled: Sequence[Scene]) -> None:
    """No name of the world is left in English, but for what signs say."""
    for scene in sampled:
        texts = [*captions(scene, CHINESE, rng()), dense(scene, CHINESE, rng()), in_words(scene, CHINESE, rng())]
        texts += [text for pair in reasons(scene, CHINESE, rng()) for text in pair]
        written = {thing.text for thing in scene.things} | {"STOP"}
        assert not [word for text in texts for word in LATIN.findall(text) if word not in written]


@BOTH
def test_the_same_seed_tells_the_same(language: Language, sampled: Sequence[Scene]) -> None:
    for tell in (captions, dense, grounded, in_words, reasons):
        assert tell(sampled[3], language, rng(1)) == tell(sampled[3], language, rng(1))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a dog. the cat.", "A dog. The cat."), ("it is 0.12 wide.", "It is 0.12 wide."), ("狗在左边。", "狗在左边。")],
)
def test_sentences_begin_with_a_capital(text: str, expected: str) -> None:
    assert capitals(text) == expected
