"""Boxes and words: RefCOCO in both of its forms, Visual Genome, and the padded square boxes are relative to."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import padded_box, region_pair
from chiasm.errors import UserError
from tests.data.sources.releases import convert, said, write

DESCRIBE = "Please provide a short description for this region: "
FIND = "Please provide the bounding box coordinate of the region this sentence describes: "


@pytest.mark.parametrize(
    ("box", "size", "padded"),
    [
        ((0, 0, 640, 480), (640, 480), [0.0, 0.12, 1.0, 0.88]),  # 80 of 640 above: 0.125, rounded to even
        ((0, 0, 480, 640), (480, 640), [0.12, 0.0, 0.88, 1.0]),
        ((10, 20, 30, 40), (100, 100), [0.1, 0.2, 0.4, 0.6]),
        ((-5, 90, 50, 50), (100, 100), [0.0, 0.9, 0.45, 1.0]),  # cut off at the edges
        ((0, 0, 3, 1), (3, 2), [0.0, 0.0, 1.0, 0.33]),  # an odd remainder goes below: (3 - 2) // 2 = 0 above
    ],
)
def test_boxes_in_the_padded_square(box: tuple[float, ...], size: tuple[int, int], padded: list[float]) -> None:
    assert padded_box(box, *size) == padded


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (100, 0, 5, 5), (0, 0, -5, 5)])
def test_a_box_without_an_inside_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(RecordError) as told:
        padded_box(box, 100, 100)
    assert told.value.reason == "bad box"


def test_pairs_are_written_as_published() -> None:
    # Both from the released mixture.
    assert region_pair("woman wearing Sunglasses", [0.75, 0.24, 0.91, 0.3], describe=True) == (
        f"{DESCRIBE}[0.75, 0.24, 0.91, 0.3].", "Woman wearing sunglasses.",
    )  # fmt: skip
    assert region_pair(" EAR OF STUFFED\nBEAR. ", [0.5, 0.0, 1.0, 0.44], describe=False) == (
        f"{FIND}EAR OF STUFFED BEAR.", "[0.5, 0.0, 1.0, 0.44]",
    )  # fmt: skip
    with pytest.raises(RecordError):
        region_pair(" . ", [0, 0, 1, 1], describe=True)


# ---- RefCOCO ---------------------------------------------------------------------------------------------------------

SENTENCES = {581857: ["the lady with the blue shirt", "lady back"], 9: [f"thing {n}" for n in range(23)]}
BOXES = {581857: (1719310, [103.93, 299.99, 134.22, 177.42]), 9: (77, [0.0, 0.0, 320.0, 480.0])}


def refer(root: Path, sentences: dict[int, list[str]] = SENTENCES, protocol: int = 2) -> None:
    """REFER's layout: a pickle of references beside instances.json, for one of the three sets."""
    references = [
        {
            "ref_id": image, "ann_id": BOXES[image][0], "image_id": image, "split": split, "category_id": 1,
            "file_name": f"COCO_train2014_{image:012d}_16.jpg", "sent_ids": [0],
            "sentences": [{"raw": s.upper(), "sent": s, "tokens": s.split(), "sent_id": 0} for s in spoken],
        }
        for image, spoken in sentences.items() for split in ("train", "testA")
    ]  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    name = "refs(umd).p" if root.name == "refcocog" else "refs(unc).p"
    (root / name).write_bytes(pickle.dumps(references, protocol=protocol))
    write(
        root / "instances.json",
        {
            "images": [{"id": image, "width": 640, "height": 480, "file_name": "x.jpg"} for image in BOXES],
            "annotations": [{"id": a, "image_id": i, "bbox": b, "segmentation": []} for i, (a, b) in BOXES.items()],
            "categories": [{"id": 1, "name": "person"}],
        },
    )


def mdetr(path: Path, sentences: dict[int, list[str]] = SENTENCES) -> None:
    flat = [(image, sentence) for image, spoken in sentences.items() for sentence in spoken]
    write(
        path,
        {
            "info": [], "licenses": [], "categories": [],
            "images": [
                {"id": n, "original_id": i, "width": 640, "height": 480, "caption": s, "file_name": "COCO.jpg"}
                for n, (i, s) in enumerate(flat)
            ],
            "annotations": [{"id": n, "image_id": n, "bbox": BOXES[i][1]} for n, (i, _) in enumerate(flat)],
        },
    )  # fmt: skip


def family(root: Path, empty: dict[int, list[str]]) -> None:
    """RefCOCO+ and RefCOCOg with nothing in them, so that a test sees RefCOCO alone."""
    mdetr(root / "finetune_refcoco+_train.json", empty)
    mdetr(root / "finetune_refcocog_train.json", empty)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_both_forms_of_refcoco_give_the_same_records(tmp_path: Path, protocol: int) -> None:
    for form in ("refer", "mdetr"):
        family(tmp_path / form, {})
    refer(tmp_path / "refer" / "refcoco", protocol=protocol)
    mdetr(tmp_path / "mdetr" / "finetune_refcoco_train.json")
    ours, dropped, release = convert("refcoco", tmp_path / "refer")
    assert dropped == []
    assert release.left_out["another split"] == 2
    assert ours == convert("refcoco", tmp_path / "mdetr")[0]
    assert [len(record["conversations"]) // 2 for record in ours] == [7, 8, 8, 2]  # 23 in three parts, then 2
    assert [record["id"] for record in ours] == ["000000000009"] * 3 + ["000000581857"]
    assert ours[0]["image"] == "000000000009.jpg"
    assert said(ours[0])[0].startswith("<image>\nPlease provide ")
    assert not any("<image>" in turn for turn in said(ours[0])[1:])
    # (103.93, 299.99 + 80, 238.15, 477.41 + 80) of 640
    assert all("[0.16, 0.59, 0.37, 0.87]" in "".join(said(ours[3])[n : n + 2]) for n in (0, 2))
    spoken = "\n".join(turn for record in ours for turn in said(record)).lower()
    assert all(f"{sentence}." in spoken for sentences in SENTENCES.values() for sentence in sentences)


def test_directions_follow_the_seed_and_are_even(tmp_path: Path) -> None:
    many = {9: [f"thing number {n}" for n in range(400)], 581857: ["lady"]}
    family(tmp_path, {})
    mdetr(tmp_path / "finetune_refcoco_train.json", many)
    first, again, other = (convert("refcoco", tmp_path, seed=seed)[0] for seed in (0, 0, 1))
    assert first == again
    assert first != other
    described = sum(DESCRIBE in turn for record in first for turn in said(record))
    assert 150 < described < 250  # 400 tosses: five standard deviations


def test_damaged_references_are_named(tmp_path: Path) -> None:
    family(tmp_path, {})
    refer(tmp_path / "refcoco", {581857: [" . "], 9: ["good"]})
    instances = {"images": [{"id": 9, "width": 640, "height": 480}, {"id": "x"}], "annotations": []}
    records, dropped, _ = convert("refcoco", tmp_path)
    assert [record["id"] for record in records] == ["000000000009"]
    assert dropped == [("refs(unc).p reference 581857", "missing field")]
    write(tmp_path / "refcoco" / "instances.json", instances)
    records, dropped, _ = convert("refcoco", tmp_path)
    assert records == []
    assert sorted(reason for _, reason in dropped) == ["bad box", "bad box", "missing field"]


def test_references_need_their_boxes_beside_them(tmp_path: Path) -> None:
    family(tmp_path, {})
    refer(tmp_path / "refcoco")
    (tmp_path / "refcoco" / "instances.json").unlink()
    with pytest.raises(UserError, match=re.escape("no ") + ".*instances.json"):
        convert("refcoco", tmp_path)


# ---- Visual Genome ---------------------------------------------------------------------------------------------------


def genome(root: Path, regions: list[Any]) -> None:
    address = "https://cs.stanford.edu/people/rak248/VG_100K_2/17.jpg"
    write(root / "vg" / "image_data.json", [{"image_id": 17, "url": address, "width": 800, "height": 600}])
    write(root / "vg" / "region_descriptions.json", [{"id": 17, "regions": regions}, {"id": 18, "regions": []}])


def test_visual_genome_draws_ten_regions(tmp_path: Path) -> None:
    region = {"x": 80, "y": 100, "width": 160, "height": 200, "image_id": 17}
    genome(tmp_path, [{**region, "region_id": n, "phrase": f"Region number {n}"} for n in range(50)])
    (record,), dropped, _ = convert("visual_genome", tmp_path)
    assert (record["id"], record["image"]) == ("VG_100K_2/17", "VG_100K_2/17.jpg")
    assert len(record["conversations"]) == 20
    assert dropped == [("regions of entry 1", "no picture")]
    text = "\n".join(said(record))
    assert text.count("[0.1, 0.25, 0.3, 0.5]") == 10  # (80, 100 + 100, 240, 400) of 800
    assert len(set(re.findall(r"egion number (\d+)\.", text))) == 10  # no region twice
    (fewer,), _, _ = convert("visual_genome", tmp_path, per_picture=3)
    assert len(fewer["conversations"]) == 6


def test_visual_genome_drops_single_regions(tmp_path: Path) -> None:
    good = {"x": 0, "y": 0, "width": 10, "height": 10, "phrase": "sky"}
    genome(tmp_path, [good, {**good, "phrase": ""}, {**good, "width": 0}, {**good, "x": float("1e9")}, "text"])
    (record,), dropped, _ = convert("visual_genome", tmp_path)
    assert len(record["conversations"]) == 2
    assert [reason for _, reason in dropped] == ["missing field", "bad box", "bad box", "missing field", "no picture"]
