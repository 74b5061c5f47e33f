"""Contexts out of the files people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chiasm.errors import UserError
from chiasm.synthesis.context import Bounds, as_text
from chiasm.synthesis.naming import Naming
from chiasm.synthesis.sample import Box, Context
from chiasm.synthesis.sources import Source

IMAGES = [
    {"id": 9, "file_name": "000000000009.jpg", "width": 200, "height": 100, "license": 3},
    {"id": 5, "file_name": "000000000005.jpg", "width": 100, "height": 100},
    {"id": 6, "file_name": "000000000006.jpg", "width": 100, "height": 100},
]
CAPTIONS = {
    "info": {"year": 2017},
    "images": IMAGES,
    "annotations": [
        {"image_id": 5, "id": 1, "caption": "A dog."},
        {"image_id": 9, "id": 2, "caption": " A cat\non a  bed. "},
        {"image_id": 5, "id": 3, "caption": "One dog."},
        {"image_id": 77, "id": 4, "caption": "Nobody lists this picture."},
    ],
}
INSTANCES = {
    "images": IMAGES,
    "annotations": [
        {"image_id": 9, "category_id": 2, "bbox": [20, 25, 80, 50], "iscrowd": 0, "segmentation": [[1, 2, 3]]},
        {"image_id": 9, "category_id": 1, "bbox": [0, 0, 200, 100], "iscrowd": 1, "segmentation": {"counts": [1]}},
        {"image_id": 5, "category_id": 1, "bbox": [-3, 10, 63.3333, 95], "iscrowd": 0},
        {"image_id": 5, "category_id": 1, "bbox": [10, 10, 0, 5], "iscrowd": 0},
        {"image_id": 5, "category_id": 99, "bbox": [10, 10, 20, 5], "iscrowd": 0},
        {"image_id": 42, "category_id": 1, "bbox": [1, 1, 1, 1], "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
}


@pytest.fixture
def coco(tmp_path: Path) -> tuple[Path, Path]:
    captions, instances = tmp_path / "captions.json", tmp_path / "instances.json"
    captions.write_text(json.dumps(CAPTIONS, indent=1))
    instances.write_text(json.dumps(INSTANCES))
    return captions, instances


def test_coco_is_joined_by_image_id(coco: tuple[Path, Path]) -> None:
    source = Source(*coco)
    assert list(source.read()) == [
        Context(
            "000000000009", "000000000009.jpg", ("A cat on a bed.",), (Box("cat", 0.1, 0.25, 0.5, 0.75),), 200, 100
        ),
        # x from -3 is cut at the edge; 10 + 95 is 105 of 100 pixels
        Context(
            "000000000005", "000000000005.jpg", ("A dog.", "One dog."), (Box("dog", 0.0, 0.1, 0.603, 1.0),), 100, 100
        ),
    ]
    assert source.tally.counts == {
        "crowd regions left out": 1,
        "captions of pictures that 'images' does not list left out": 1,
        "boxes of pictures without captions left out": 1,
        "boxes of unknown categories left out": 1,
        "boxes without area inside the picture left out": 1,
        "boxes clamped to the picture": 1,
        "pictures without captions left out": 1,
    }
    assert source.tally.first["pictures without captions left out"] == "000000000006"


def test_coco_in_one_line_and_captions_alone(coco: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "line.json").write_text(json.dumps(CAPTIONS))
    contexts = list(Source(tmp_path / "line.json").read())
    assert [context.boxes for context in contexts] == [(), ()]
    assert contexts == [Context(c.id, c.image, c.captions, (), c.width, c.height) for c in Source(*coco).read()]


@pytest.mark.parametrize("swapped", [("instances", None), ("captions", "captions")])
def test_the_wrong_coco_file_is_named(coco: tuple[Path, Path], swapped: tuple[str, str | None]) -> None:
    by_name: dict[str | None, Any] = {"captions": coco[0], "instances": coco[1], None: None}
    with pytest.raises(UserError, match=r"is this the (instances|captions) file\?"):
        list(Source(by_name[swapped[0]], by_name[swapped[1]]).read())


def lines(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


PIXELS = {"image_id": 3, "width": 50, "height": 20, "captions": ["A cup."], "boxes": [["cup", 5, 2, 10, 10]]}
CORNERS = {
    "id": "x",
    "image": "b/y.jpg",
    "captions": ["A cup."],
    "instances": [{"category": "cup", "bbox": [0, 0, 0.5, 1]}],
}
BARE = {"file": "z.png", "caption": "A cup."}


def test_records_of_each_form(tmp_path: Path) -> None:
    expected = [
        Context("000000000003", "000000000003.jpg", ("A cup.",), (Box("cup", 0.1, 0.1, 0.3, 0.6),), 50, 20),
        Context("x", "b/y.jpg", ("A cup.",), (Box("cup", 0.0, 0.0, 0.5, 1.0),)),
        Context("z", "z.png", ("A cup.",)),
    ]
    assert list(Source(lines(tmp_path / "a.jsonl", PIXELS, CORNERS, BARE)).read()) == expected
    (tmp_path / "list.json").write_text(json.dumps([PIXELS, CORNERS, BARE]))
    assert list(Source(tmp_path / "list.json").read()) == expected


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"captions": "  "}, "pictures without captions left out"),
        ({"captions": [1]}, "'captions' is not a list of strings"),
        ({"width": None}, "'width' and 'height' are missing"),
        ({"boxes": [[1, 2, 3, 4]]}, "form [category, x, y, width, height]"),
        ({"boxes": [], "instances": [{"category": "cup", "bbox": [0, 0, 30, 40]}]}, "corners above 1"),
        ({"image_id": "3"}, "'image_id' is not a number"),
        ({"boxes": 5}, "'boxes' is not a list"),
        ({"boxes": {"cup": [5, 2, 10, 10]}}, "'boxes' is not a list"),
        ({"boxes": [], "instances": True}, "'instances' is not a list"),
        ({"boxes": [["cup", 1, 1, 10**400, 5]]}, "form [category, x, y, width, height]"),
        ({"image": "\ud800.jpg"}, "half a character"),
        ({"id": {"a": 1}}, "'id' is neither text nor a number"),
    ],
)
def test_a_bad_record_is_counted_and_named(tmp_path: Path, change: dict[str, object], what: str) -> None:
    source = Source(lines(tmp_path / "a.jsonl", BARE, {**PIXELS, **change}))
    assert [context.id for context in source.read()] == ["z"]
    assert any(what in line for line in source.tally.lines())


def test_a_picture_that_comes_twice_comes_once(tmp_path: Path) -> None:
    source = Source(lines(tmp_path / "a.jsonl", PIXELS, PIXELS, {**PIXELS, "captions": ["Another."]}))
    assert [context.captions for context in source.read()] == [("A cup.",), ("Another.",)]
    assert source.tally.counts == {
        "pictures that came twice left out": 1,
        "pictures called like an earlier one: the ids of their records are the same": 1,
    }


def test_null_stands_for_no_boxes_and_whole_floats_for_pixels(tmp_path: Path) -> None:
    without = {**PIXELS, "boxes": None, "instances": None, "id": None}
    path = lines(tmp_path / "a.jsonl", without, {**PIXELS, "width": 50.0, "height": 20.0, "id": "s\ud800"})
    assert list(Source(path).read()) == [
        Context("000000000003", "000000000003.jpg", ("A cup.",), (), 50, 20),
        Context("s", "000000000003.jpg", ("A cup.",), (Box("cup", 0.1, 0.1, 0.3, 0.6),), 50, 20),
    ]


def test_pictures_lost_by_their_form_are_counted(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text(json.dumps({"a.jpg": ["A dog."], "b.jpg": [], "c.jpg": "A cat."}))
    source = Source(tmp_path / "names.json")
    assert [context.id for context in source.read()] == ["a"]
    assert source.tally.counts == {"pictures without a list of captions left out": 2}
    assert source.tally.first == {"pictures without a list of captions left out": "b.jpg"}
    twice = {**CAPTIONS, "images": [*IMAGES, {"id": 9, "file_name": "other.jpg", "width": 200, "height": 100}]}
    (tmp_path / "twice.json").write_text(json.dumps(twice))
    source = Source(tmp_path / "twice.json")
    list(source.read())
    assert source.tally.first["pictures listed twice, of which the last is taken"] == "9"


def test_captions_by_file_name_and_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text(
        json.dumps({"a.jpg": ["穿裙子的女孩。", "女孩。"], "b.jpg": ["狗。"]}, ensure_ascii=False)
    )
    assert list(Source(tmp_path / "names.json").read()) == [
        Context("a", "a.jpg", ("穿裙子的女孩。", "女孩。")),
        Context("b", "b.jpg", ("狗。",)),
    ]
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "one.txt").write_text("A cup.\n\nA mug.\n")
    (folder / "in" / "one.png").touch()
    (folder / "two.txt").write_text("A dog.")
    source = Source(folder)
    assert [(c.image, c.captions) for c in source.read()] == [
        ("in/one.png", ("A cup.", "A mug.")),
        ("two.jpg", ("A dog.",)),
    ]
    assert sum(source.tally.counts.values()) == 2  # an empty line; a picture that is not there


def test_sizes_are_bounded_and_what_was_cut_is_counted(tmp_path: Path) -> None:
    boxes = [["speck", 1, 1, 1, 1], ["big", 0, 0, 50, 20], ["small", 0, 0, 10, 10]]
    path = lines(tmp_path / "a.jsonl", {**PIXELS, "captions": ["x" * 30, "two", "three"], "boxes": boxes})
    source = Source(path, bounds=Bounds(num_captions=2, caption_length=10, num_boxes=2))
    (context,) = source.read()
    assert context.captions == ("x" * 10, "two")
    assert [box.category for box in context.boxes] == ["big", "small"]
    assert source.tally.counts == {
        "captions beyond 2 left out": 1,
        "captions cut to 10 characters": 1,
        "smallest boxes beyond 2 left out": 1,
    }


def test_only_the_first_so_many(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", PIXELS, CORNERS, BARE)
    assert [context.id for context in Source(path, num=2).read()] == ["000000000003", "x"]


@pytest.mark.parametrize("image_format", ["{:012d}.jpg", "coco/train2017/{:012d}.jpg", "COCO_train2014_{0:012d}.jpg"])
def test_names_by_a_format(image_format: str) -> None:
    assert Naming(image_format).of(33471, "other.jpg")[1] == image_format.format(33471)
    assert Naming(image_format).of(33471)[0].endswith("000000033471")


@pytest.mark.parametrize("image_format", ["a.jpg", "{:d", "{name}.jpg", "{1}.jpg", "{0.x}"])
def test_a_format_that_makes_no_names_is_refused(image_format: str) -> None:
    with pytest.raises(UserError, match="does not make a file name"):
        Naming(image_format)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"images": [1, 2', b'{"images": [{"id": 1}], "annotations": []}', b"nonsense"]
)
def test_no_such_form(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError):
        list(Source(tmp_path / "a.json").read())


def test_instances_go_with_coco_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--instances goes with COCO's captions"):
        list(Source(lines(tmp_path / "a.jsonl", BARE), tmp_path / "b.json").read())


def test_the_text_a_teacher_reads() -> None:
    boxes = (Box("person", 0.68, 0.242, 0.774, 0.694), Box("dog", 0, 0, 1, 0.1234))
    assert as_text(("One.", "Two.")) == "One.\nTwo."
    assert (
        as_text(("One.",), boxes) == "One.\n\nperson: [0.680, 0.242, 0.774, 0.694]\ndog: [0.000, 0.000, 1.000, 0.123]"
    )


def test_real_files(shared_data: Path) -> None:
    text = shared_data / "coco_text" / "val2017_captions_boxes.jsonl"
    contexts = list(Source(text).read())
    assert len(contexts) == 4792
    assert contexts[1].id == "000000000785"
    # the skier of 640 x 425: 280, 44, 219, 347 in pixels
    assert contexts[1].boxes[0] == Box("person", 0.438, 0.104, 0.780, 0.920)
    corners = list(Source(shared_data / "llava_text" / "caps_boxes_coco2014_val_80.jsonl").read())
    assert corners[0].boxes[0] == Box("donut", 0.37, 0.584, 0.504, 0.709)
    folder = shared_data / "coco" / "annotations"
    joined = list(Source(folder / "captions_val.json", folder / "instances_val.json").read())
    assert len(joined) == 80
    assert joined[0].captions[0] == "A dog sleeping on a show rack in the shoes."
