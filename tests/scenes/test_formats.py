"""Formats of a drawn world by hand: PNG, LLaVA's records, what is not there for POPE, boxes that teach reading."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.scenes.asking import Question
from chiasm.scenes.formats.conversations import record, turns_of
from chiasm.scenes.formats.png import png
from chiasm.scenes.formats.pope import POPE_SPLITS, Content, pope
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.writing import write_world


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (64, 48), (168, 224)])
def test_a_png_holds_the_pixels(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    content = png(Image.fromarray(pixels))
    with Image.open(io.BytesIO(content)) as read:
        read.load()
        assert (read.format, read.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(read), pixels)
    with Image.open(io.BytesIO(content)) as again:
        again.verify()  # checksums


def test_a_record_has_a_marker_for_each_picture_before_the_first_question() -> None:
    assert record("x", [("What?", "A dog."), ("Where?", "Left.")], ["a.png"]) == {
        "id": "x",
        "image": "a.png",
        "conversations": [
            {"from": "human", "value": "<image>\nWhat?"},
            {"from": "gpt", "value": "A dog."},
            {"from": "human", "value": "Where?"},
            {"from": "gpt", "value": "Left."},
        ],
    }
    two = record("x", [("Which?", "first")], ["a.png", "b.png"])
    assert (two["image"], two["conversations"][0]["value"]) == (["a.png", "b.png"], "<image>\n<image>\nWhich?")
    told = record("x", [("What?", "A dog.")], before="A dog sits.")
    assert "image" not in told
    assert told["conversations"][0]["value"] == "A dog sits.\nWhat?"


def test_questions_carry_their_format_prompts() -> None:
    questions = [
        Question("colour", "What colour?", "red", "short"),
        Question("things", "What is there?", "It.", "long"),
    ]
    assert turns_of(questions, ENGLISH) == [
        ("What colour?\nAnswer the question using a single word or phrase.", "red"),
        ("What is there?", "It."),
    ]
    assert turns_of([Question("option", "哪个？", "B", "option", ("狗", "猫"))], CHINESE) == [
        ("哪个？\nA. 狗\nB. 猫\n请直接回答选项的字母。", "B")
    ]


# Cars are most frequent; horses are always with sheep, so where sheep are alone a horse is what one would expect.
_PICTURES = (
    [("car", "bus"), ("car", "dog"), ("car", "person"), ("car", "person"), ("car", "dog")]
    + [("horse", "sheep")] * 2
    + [("sheep", "bird")]
)
_ALL = ("person", "dog", "bird", "horse", "sheep", "car", "bus", "cake")


def _contents() -> list[Content]:
    return [
        Content(f"{number}.png", number, present, tuple(kind for kind in _ALL if kind not in present))
        for number, present in enumerate(_PICTURES)
    ]


def test_pope_asks_for_what_is_there_and_as_often_for_what_is_not() -> None:
    for split in POPE_SPLITS:
        records = list(pope(_contents(), split, 0))
        assert [each["question_id"] for each in records] == list(range(1, 33))  # 8 pictures, 2 things there, 2 not
        assert Counter(each["label"] for each in records) == {"yes": 16, "no": 16}
        for each in records:
            kinds = _PICTURES[int(each["image"][0])]
            assert any(f" {kind} " in each["text"] for kind in kinds) == (each["label"] == "yes")


def _denied(split: str, image: str) -> list[str]:
    """What POPE asks for that is not there, the first to be asked about first."""
    texts = [each["text"] for each in pope(_contents(), split, 0) if each["label"] == "no" and each["image"] == image]
    return [text.removeprefix("Is there a ").removesuffix(" in the image?") for text in texts]


def test_popular_is_what_is_frequent_and_adversarial_what_comes_with_what_is_there() -> None:
    # Of 8 pictures cars are in 5, sheep in 3.
    assert _denied("popular", "5.png")[0] == "car"
    assert _denied("popular", "0.png")[0] == "sheep"
    # Sheep come with horses twice and with a bird once: to sheep and a bird belongs a horse.
    assert _denied("adversarial", "7.png")[0] == "horse"
    assert _denied("adversarial", "5.png")[0] == "bird"


def test_two_pictures_of_a_kind_are_asked_the_same_of_what_is_there_in_all_three_files() -> None:
    there = [[each["text"] for each in pope(_contents(), split, 0) if each["label"] == "yes"] for split in POPE_SPLITS]
    assert there[0] == there[1] == there[2]


def test_what_looks_alike_is_neither_asked_for_nor_denied() -> None:
    content = Content("0.png", 0, ("flower",), ("dog", "cat"))
    for split in POPE_SPLITS:
        assert "potted plant" not in str(list(pope([content], split, 0)))


def test_written_pictures_and_some_others_have_annotations_of_their_own(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", num=24, num_val=1, num_test=1, num_text=1, size=64, workers=1)
    everything, written = (
        json.loads(path.read_bytes()) for path in (world.instances("train"), world.written_instances)
    )
    kept = {image["id"] for image in written["images"]}
    assert written["images"] == [image for image in everything["images"] if image["id"] in kept]
    assert written["annotations"] == [each for each in everything["annotations"] if each["image_id"] in kept]
    said = {each["image_id"] for each in everything["annotations"] if "text" in each["attributes"]}
    assert said
    assert said < kept
    assert len(kept) < len(everything["images"])
    assert written["categories"] == everything["categories"]
