"""Objects, numbers and places, held against captions and boxes worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chiasm.synthesis.sample import Box

Find = Callable[..., list[str]]

# A street: two dogs and a person on the left half, a car on the right, a bird high up; a small dog far away.
LEFT_DOG, MIDDLE_DOG = Box("dog", 0.05, 0.6, 0.2, 0.8), Box("dog", 0.3, 0.6, 0.45, 0.8)
PERSON, CAR, BIRD = (
    Box("person", 0.2, 0.3, 0.35, 0.9),
    Box("car", 0.7, 0.5, 0.95, 0.8),
    Box("bird", 0.5, 0.05, 0.55, 0.1),
)
STREET = (LEFT_DOG, MIDDLE_DOG, PERSON, CAR, BIRD)
TOLD = ("A man walks his dogs along the street.", "Two dogs and their owner beside a traffic light.")


def street(find: Find, check: str, answer: str, **others: object) -> list[str]:
    return find(check, answer, boxes=STREET, captions=TOLD, **others)


@pytest.mark.parametrize(
    "answer",
    [
        "There is a giraffe in the background.",
        "A giraffe can be seen behind the man.",
        "The picture features two dogs and a giraffe.",
        "Two giraffes are standing near the car.",
        "A man walks past a giraffe.",
        "A giraffe, possibly a young one, is visible on the left.",
        "The giraffe looks at the man.",
    ],
)
def test_an_invented_object(find: Find, answer: str) -> None:
    found = street(find, "objects", answer)
    assert len(found) == 1
    assert "a giraffe:" in found[0]


@pytest.mark.parametrize(
    "answer",
    [
        "A man walks two dogs, and a car is parked near a traffic light.",  # the light is in a caption only
        "There is no giraffe in the picture.",
        "There are no cats or giraffes, but two dogs are visible.",
        "The man walks without an umbrella.",
        "He could bring an umbrella if it rains.",
        "If a giraffe were there, the dogs would bark.",
        "There might be a cat behind the car.",
        "The dogs are as calm as a cat.",
        "A sign with a picture of a giraffe hangs on the wall.",
        "A toy giraffe lies on the street.",
        "A man walks beside a truck.",  # what one calls a truck another calls a car
        "Is there a giraffe in the background?",
    ],
)
def test_nothing_invented(find: Find, answer: str) -> None:
    assert street(find, "objects", answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        "Cats often sleep on such streets.",
        "Owners should keep a bottle of water with them.",
        "To stay safe, the man may carry an umbrella.",
    ],
)
def test_reasoning_speaks_of_what_could_be(find: Find, answer: str) -> None:
    assert street(find, "objects", answer, kind="reasoning") == []


def test_a_question_can_take_an_invented_object_for_granted(find: Find) -> None:
    assert street(find, "objects", "It is eating leaves.", question="What is the giraffe doing?") != []
    assert street(find, "objects", "No.", question="Is there a giraffe in the picture?") == []
    assert street(find, "objects", "It barks.", question="What is the dog doing?") == []


def test_of_a_picture_nobody_described_nothing_is_invented(find: Find) -> None:
    assert find("objects", "There is a giraffe in the background.") == []


@pytest.mark.parametrize(
    ("answer", "invented"),
    [
        ("图中有一只长颈鹿。", True),
        ("背景中可以看到一只长颈鹿。", True),
        ("图中没有长颈鹿。", False),
        ("他可能带了一把雨伞。", False),
        ("一个男人在遛两只狗。", False),
        ("墙上画着一只长颈鹿。", False),
    ],
)
def test_invented_objects_in_chinese(find: Find, answer: str, invented: bool) -> None:
    assert bool(street(find, "objects", answer, language="zh", question="描述这张图片。")) is invented


@pytest.mark.parametrize(
    "answer",
    [
        "There are three dogs in the image.",
        "Three large black dogs are walking.",
        "A total of five dogs can be seen.",
        "At least three dogs are visible.",
        "There is only one dog.",
        "There is exactly one dog in the picture.",
        "There are 4 dogs.",
        "Two cars are parked there.",
    ],
)
def test_a_wrong_number(find: Find, answer: str) -> None:
    assert len(street(find, "counts", answer)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "There are two dogs in the image.",
        "One dog is brown, and another dog is black.",  # of two
        "At least one dog is visible.",
        "About five dogs could be there.",
        "There might be three dogs.",
        "Two or three dogs are visible.",
        "The second dog is black.",
        "Three dog owners meet.",
        "There are three cats.",  # no box to hold it against
        "Bus number 41 passes two dogs.",
        "There are no three dogs.",
    ],
)
def test_a_number_that_stands(find: Find, answer: str) -> None:
    assert street(find, "counts", answer) == []


@pytest.mark.parametrize(
    ("question", "answer", "wrong"),
    [
        ("How many dogs are there in the image?", "Two.", False),
        ("How many dogs are there in the image?", "Three.", True),
        ("How many dogs are there in the image?", "One.", True),
        ("How many dogs are wearing a collar?", "One.", False),
        ("How many people are visible?", "There are 3.", True),
    ],
)
def test_the_answer_to_how_many(find: Find, question: str, answer: str, wrong: bool) -> None:
    assert bool(street(find, "counts", answer, question=question, kind="conversation")) is wrong


@pytest.mark.parametrize(
    ("answer", "language", "wrong"),
    [
        ("There are two people in the image.", "en", True),
        ("There are two women in the image.", "en", False),  # the third is a man
        ("There are four women in the image.", "en", True),
        ("图中有两个人。", "zh", True),
        ("图中有两个女人。", "zh", False),
    ],
)
def test_some_of_a_category_are_not_all_of_it(find: Find, answer: str, language: str, wrong: bool) -> None:
    three = [Box("person", i / 10, 0.1, i / 10 + 0.05, 0.9) for i in range(3)]
    assert bool(find("counts", answer, boxes=three, language=language)) is wrong


def test_small_things_far_away_need_not_be_counted(find: Find) -> None:
    far = Box("dog", 0.9, 0.5, 0.91, 0.51)  # 1/300 of the others
    assert find("counts", "There are two dogs in the image.", boxes=(*STREET, far)) == []
    assert find("counts", "There is only one dog.", boxes=(*STREET, far)) != []


def test_a_caption_may_know_better_than_the_boxes(find: Find) -> None:
    assert find("counts", "There are three dogs in the image.", boxes=STREET, captions=["Three dogs play."]) == []


def test_crowds_pieces_and_cut_lists_are_not_counted(find: Find) -> None:
    crowd = [Box("person", i / 10, 0.1, i / 10 + 0.05, 0.9) for i in range(9)]
    assert find("counts", "There are twelve people in the image.", boxes=crowd) == []
    assert find("counts", "There are twelve people in the image.", boxes=crowd[:8]) != []
    assert find("counts", "There are three bananas.", boxes=[Box("banana", 0, 0, 1, 1)]) == []
    many = [*crowd[:2], *(Box("book", 0, 0, 1, 1) for _ in range(58))]
    assert find("counts", "There are five people.", boxes=many) == []


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("图中有三只狗。", True),
        ("图中有两只狗。", False),
        ("画面中一共有五只黑色的狗。", True),
        ("可以看到三只狗在散步。", True),
        ("大约有三只狗。", False),
        ("其中一只狗是黑色的。", False),
        ("图中可能有三只狗。", False),
        ("三到五只狗在散步。", False),
    ],
)
def test_numbers_in_chinese(find: Find, answer: str, wrong: bool) -> None:
    assert bool(street(find, "counts", answer, language="zh", question="描述这张图片。")) is wrong


@pytest.mark.parametrize(
    "answer",
    [
        "The car is to the left of the person.",
        "To the right of the car, there is a person.",
        "A person is standing on the right side of the car.",
        "The car is on the left side of the image.",
        "On the right, there is a person.",
        "A person can be seen near the right edge of the picture.",
        "In the left corner of the scene, a car is parked.",
        "The dogs are above the bird.",
        "The car is at the top left of the picture.",
        "There is a bird below the car.",
    ],
)
def test_a_wrong_place(find: Find, answer: str) -> None:
    assert len(street(find, "positions", answer)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "The person is to the left of the car.",
        "The car is to the right of the dogs.",
        "A dog is to the left of the person.",  # one of them is
        "A dog is to the right of the person.",  # and the other
        "The car is on the right side of the image.",
        "On the left, there is a person.",
        "The bird is above the dogs.",
        "The car might be to the left of the person.",
        "The man turns left at the car.",
        "The man has left the car.",
        "The dog in front of the car is right behind the man.",
        "The person raises the left hand.",
        "The car's left door is open.",
        "The car is not to the left of the person.",
        "There are dogs on both the left and right sides of the car.",
        "The cat is to the left of the car.",  # no box to hold it against
        "The car is to the left of the bench.",
    ],
)
def test_a_place_that_stands(find: Find, answer: str) -> None:
    assert street(find, "positions", answer) == []


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("汽车在人的左边。", True),
        ("人在汽车的左边。", False),
        ("图片左侧有一辆汽车。", True),
        ("汽车位于画面的右侧。", False),
        ("狗在鸟的上方。", True),
        ("鸟在汽车的上方。", False),
        ("汽车可能在人的左边。", False),
    ],
)
def test_places_in_chinese(find: Find, answer: str, wrong: bool) -> None:
    assert bool(street(find, "positions", answer, language="zh", question="描述这张图片。")) is wrong


def test_centres_that_nearly_meet_are_on_either_side(find: Find) -> None:
    boxes = (Box("cup", 0.40, 0.4, 0.60, 0.6), Box("bowl", 0.42, 0.4, 0.66, 0.6))
    for place in ("left", "right"):
        assert find("positions", f"The cup is to the {place} of the bowl.", boxes=boxes) == []
