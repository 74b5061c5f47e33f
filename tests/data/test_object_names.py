from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from chiasm.data import object_synonyms
from chiasm.data.object_names import CATEGORIES, CHINESE, mentioned


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A man rides a horse.", {"person": 1, "horse": 1}),
        ("Two men, three women and the children", {"person": 3}),
        ("A hot dog and a dog.", {"hot dog": 1, "dog": 1}),
        ("hot-dogs", {"hot dog": 1}),
        ("It is hot, dog days", {"dog": 1}),
        ("a teddy bear beside a polar bear", {"teddy bear": 1, "bear": 1}),
        ("a baby elephant and its mother", {"elephant": 1}),
        ("a mother and baby zebra", {"zebra": 1}),
        ("a baby and dog", {"person": 1, "dog": 1}),
        ("the mother holds a baby", {"person": 2}),
        ("the train station near the train tracks", {}),
        ("a passenger train", {"train": 1}),
        ("a train car, not a car", {"train": 1, "car": 1}),
        ("a bus driver at the bus stop", {"person": 1}),
        ("a traffic light and a street light", {"traffic light": 1}),
        ("an orange cat in an orange and white box", {"cat": 1}),
        ("The dress is orange.", {}),
        ("an orange, two oranges", {"orange": 2}),
        ("apples and orange slices with a glass of orange juice", {"apple": 1, "orange": 1, "cup": 1}),
        ("a bowl with an apple, banana, and orange", {"bowl": 1, "apple": 1, "banana": 1, "orange": 1}),
        ("playing baseball with a baseball bat", {"baseball bat": 1}),
        ("a baseball player throws the baseball to the catcher", {"person": 2, "sports ball": 1}),
        (
            "He sits at a table with two knives, forks and wine glasses.",
            {"dining table": 1, "knife": 1, "fork": 1, "wine glass": 1},
        ),
        ("an apple laptop and a computer mouse on a mouse pad", {"laptop": 1, "mouse": 1}),
        ("mice and oxen and geese", {"mouse": 1, "cow": 1, "bird": 1}),
        ("a remote village with a remote control plane on a desk", {}),
        ("the TV remote", {"remote": 1}),
        ("a carrot cake in the cab of a truck", {"cake": 1, "truck": 1}),
        ("the toilet paper by the toilet seat", {"toilet": 1}),
        ("The dog's bowl and the catcher\u2019s mitt", {"dog": 1, "bowl": 1, "baseball glove": 1}),
        ("a caterpillar, a cowboy hat, carpets and scattered catalogues", {"person": 1}),
        ("", {}),
        ("no object at all; 100% text <b>", {}),
    ],
)
def test_english(text: str, found: dict[str, int]) -> None:
    assert mentioned(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("一个男人骑着马。", {"person": 1, "horse": 1}),
        ("人行道上的机器人和一只狗", {"dog": 1}),
        ("马路上的斑马和马桶", {"zebra": 1, "toilet": 1}),
        ("热狗和小狗", {"hot dog": 1, "dog": 1}),
        ("两只熊猫，一只猫", {"bear": 1, "cat": 1}),
        ("穿牛仔裤的女孩背着书包看书", {"person": 1, "backpack": 1, "book": 1}),
        ("网球场上的网球拍", {"tennis racket": 1}),
        ("", {}),
    ],
)
def test_chinese(text: str, found: dict[str, int]) -> None:
    assert mentioned(text, "zh") == found


def test_each_category_finds_itself() -> None:
    """The bare name, but for "orange", which alone may be a colour."""
    for category in CATEGORIES:
        assert mentioned("an orange" if category == "orange" else f"one {category}") == {category: 1}
        assert mentioned(f"这里有{CHINESE[category][0]}。", "zh") == {category: 1}


def test_no_word_has_two_meanings() -> None:
    for table in (object_synonyms.ENGLISH, object_synonyms.CHINESE):
        sep = ", " if table is object_synonyms.ENGLISH else " "
        words = [word for names in table.values() for word in names.split(sep) if word]
        assert sorted(words) == sorted(set(words))
    assert tuple(CHINESE) == CATEGORIES


def test_categories_are_those_of_the_annotations(shared_data: Path) -> None:
    file = json.loads((shared_data / "coco/annotations/instances_val.json").read_text("utf-8"))
    assert tuple(category["name"] for category in sorted(file["categories"], key=lambda c: c["id"])) == CATEGORIES


def test_captions_mention_what_is_boxed(shared_data: Path) -> None:
    """Of the objects people mention in captions of photographs, at least nine in ten have a box."""
    boxed = mentions = 0
    with (shared_data / "coco_text/val2017_captions_boxes.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            there = {box[0] for box in record["boxes"]}
            for caption in record["captions"]:
                said = set(mentioned(caption))
                boxed, mentions = boxed + len(said & there), mentions + len(said)
    assert mentions > 30_000
    assert boxed / mentions > 0.9


def test_fast_enough_for_a_data_set() -> None:
    text = "A young man in a red jacket holds a hot dog while two dogs look at him near a bus stop."
    begin = time.process_time()
    for _ in range(2_000):
        mentioned(text)
    assert time.process_time() - begin < 2, "100,000 sentences would take more than 100 s"


def test_unknown_language() -> None:
    with pytest.raises(ValueError, match="'fr'"):
        mentioned("un chien", "fr")
