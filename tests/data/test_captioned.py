"""Captions of several files about the same pictures, boxes beside them; and files that are something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chiasm.conversation import RecordError
from chiasm.data.captioned import CaptionedPictures
from chiasm.errors import UserError

IMAGES = [{"id": n, "file_name": f"{n}.png", "width": 4, "height": 3} for n in (1, 2, 3)]


def put(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def captions(path: Path, *said: tuple[int, str]) -> Path:
    return put(path, {"images": IMAGES, "annotations": [{"image_id": n, "caption": c} for n, c in said]})


def test_captions_of_all_files_come_to_their_pictures(tmp_path: Path) -> None:
    english = captions(tmp_path / "en.json", (2, "a dog"), (1, "a cat"), (2, "one dog"))
    chinese = captions(tmp_path / "zh.json", (2, "一只狗"))
    found = CaptionedPictures([english, chinese])
    assert [(each.file, each.captions) for each in found.pictures] == [
        ("1.png", ["a cat"]),
        ("2.png", ["a dog", "one dog", "一只狗"]),
    ]
    assert found.num_without == 1  # picture 3
    assert (found.pictures[0].width, found.pictures[0].height) == (4, 3)


def test_what_is_said_of_a_box(tmp_path: Path) -> None:
    boxes = [
        {
            "image_id": 1,
            "bbox": [0, 0, 1, 1],
            "category_id": 7,
            "phrases": {"en": ["a dog", " "], "zh": ["狗", "a dog"]},
        },
        {"image_id": 1, "bbox": [0, 0, 1, 1], "category_id": 7},
        {"image_id": 1, "bbox": [0, 0, 1, 1], "category_id": 8},
    ]
    instances = put(
        tmp_path / "i.json", {"images": IMAGES, "annotations": boxes, "categories": [{"id": 7, "name": "dog"}]}
    )
    found = CaptionedPictures([captions(tmp_path / "c.json", (1, "x"))], instances)
    said = [found.phrases(annotation) for annotation in found.pictures[0].annotations]
    assert said == [("a dog", "狗"), ("dog",), ()]


def test_what_is_nearly_true_of_a_box(tmp_path: Path) -> None:
    boxes: list[dict[str, Any]] = [
        {"image_id": 1, "bbox": [0, 0, 1, 1], "wrong_phrases": {"en": ["a cat", ""], "zh": ["猫"]}},
        {"image_id": 1, "bbox": [0, 0, 1, 1]},
    ]
    instances = put(tmp_path / "i.json", {"images": IMAGES, "annotations": boxes})
    found = CaptionedPictures([captions(tmp_path / "c.json", (1, "x"))], instances)
    assert [found.wrong_phrases(each) for each in found.pictures[0].annotations] == [("a cat", "猫"), ()]


@pytest.mark.parametrize("key", ["phrases", "wrong_phrases"])
@pytest.mark.parametrize("phrases", ["a dog", ["a dog"], {"en": "a dog"}, {"en": [3]}])
def test_phrases_that_are_no_lists_of_texts_are_a_bad_record(tmp_path: Path, phrases: Any, key: str) -> None:
    box = {"image_id": 1, "bbox": [0, 0, 1, 1], key: phrases}
    instances = put(tmp_path / "i.json", {"images": IMAGES, "annotations": [box]})
    found = CaptionedPictures([captions(tmp_path / "c.json", (1, "x"))], instances)
    with pytest.raises(RecordError, match="lists of texts"):
        getattr(found, key)(found.pictures[0].annotations[0])


def test_the_digest_is_of_all_files(tmp_path: Path) -> None:
    first, second = captions(tmp_path / "a.json", (1, "x")), captions(tmp_path / "b.json", (1, "y"))
    digests = {CaptionedPictures(files).digest for files in ([first], [second], [first, second])}
    assert len(digests) == 3
    assert CaptionedPictures([first]).digest in digests


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot read the COCO captions"),
        ("[]", "is not a COCO captions file"),
        ({"images": [], "annotations": 3}, "is not a COCO captions file"),
        ({"images": [3], "annotations": []}, "is not a COCO captions file"),
        ({"images": [{"id": 1}], "annotations": []}, "number 0 of 'images' lacks file_name"),
        ({"images": IMAGES, "annotations": [{"image_id": 1}]}, "number 0 of 'annotations' lacks caption"),
        ({"images": IMAGES, "annotations": [{"image_id": 9, "caption": "x"}]}, "about image 9, which is not among"),
        ({"images": IMAGES, "annotations": [{"image_id": [9], "caption": "x"}]}, "about image .9., which is not among"),
        ({"images": IMAGES, "annotations": []}, "3 pictures and no caption"),
        ({"images": [{"id": [], "file_name": "x"}], "annotations": []}, "is not a COCO captions file"),
    ],
)
def test_what_is_no_captions_file_is_one_line(tmp_path: Path, content: Any, said: str) -> None:
    path = put(tmp_path / "c.json", content)
    with pytest.raises(UserError, match=said) as refused:
        CaptionedPictures([path])
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the COCO captions"):
        CaptionedPictures([tmp_path / "nowhere.json"])
