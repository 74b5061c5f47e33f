from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chiasm.errors import UserError
from chiasm.scenes.labels import class_index, class_names, patch_labels, read_instances
from chiasm.scenes.world import COLOURS, KINDS, Box, Scene, Thing


def test_class_names_match_their_numbers() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 1 + len(KINDS) * len(COLOURS)
    assert names[0] == "background"
    for kind in KINDS:
        for colour in COLOURS:
            assert names[class_index(kind, colour)] == f"{colour} {kind}"
    assert class_index(KINDS[1], COLOURS[2]) == 1 + 1 * len(COLOURS) + 2


def test_patches_are_labelled_where_the_thing_is() -> None:
    things = (Thing("box", "red", "large", Box(8, 16, 24, 24)),)
    labels = patch_labels(things, size=64, patch=8)
    red_box = class_index("box", "red")
    assert labels.shape == (8, 8)
    assert (labels[3:5, 1:3] == red_box).all()  # the front side of the box
    outside = np.ones((8, 8), dtype=bool)
    outside[2:5, 1:4] = False
    assert (labels[outside] == 0).all()


def test_in_front_wins() -> None:
    box = Box(16, 16, 24, 24)
    labels = patch_labels([Thing("ball", "red", "large", box), Thing("box", "blue", "large", box)], 64, 8)
    assert labels[3, 3] == class_index("box", "blue")


def test_every_thing_has_its_patches_and_no_other_class_appears(scenes: list[Scene]) -> None:
    missing = 0
    for scene in scenes:
        labels = patch_labels(scene.things, scene.width, 8)
        classes = {class_index(thing.kind, thing.colour) for thing in scene.things}
        assert set(np.unique(labels)) <= {0, *classes}
        missing += len(classes - set(np.unique(labels)))
    assert missing == 0


@pytest.mark.parametrize("patch", [0, 7, 65])
def test_patches_must_divide_the_picture(patch: int) -> None:
    with pytest.raises(ValueError, match="patches"):
        patch_labels((), 64, patch)


def test_a_box_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie within"):
        patch_labels([Thing("ball", "red", "large", Box(50, 10, 20, 20))], 64, 8)


def _instances() -> dict[str, list[dict[str, object]]]:
    annotation = {"id": 4, "image_id": 9, "category_id": 2, "bbox": [1, 2, 20, 21]}
    annotation["attributes"] = {"colour": "red", "size": "small"}
    return {
        "images": [{"id": 9, "file_name": "train/9.png"}, {"id": 10, "file_name": "train/10.png"}],
        "annotations": [annotation],
        "categories": [{"id": 2, "name": "cup"}],
    }


def test_things_are_read_from_coco_files(tmp_path: Path) -> None:
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(_instances()))
    expected = {"train/9.png": (Thing("cup", "red", "small", Box(1, 2, 20, 21)),), "train/10.png": ()}
    assert read_instances(file) == expected


def test_what_is_no_such_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "instances.json"
    with pytest.raises(UserError, match="cannot be read"):
        read_instances(file)
    for content in ("", "[]", "{}", '{"images": 3}'):
        file.write_text(content)
        with pytest.raises(UserError, match=r"instances\.json is not a COCO instances file"):
            read_instances(file)
    instances = _instances()
    instances["annotations"][0]["attributes"] = {"colour": "rad", "size": "small"}
    file.write_text(json.dumps(instances))
    with pytest.raises(UserError, match="did you mean 'red'"):
        read_instances(file)
