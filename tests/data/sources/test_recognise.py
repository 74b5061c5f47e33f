"""The 1,000 real records of the published mixture: known source by source, written with the strings ours write."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chiasm.data import sources
from tests.data.sources.releases import convert, said
from tests.data.sources.test_captions import caption, textcaps
from tests.data.sources.test_questions import annotation, aokvqa, question, vqa_files, write
from tests.data.sources.test_regions import family, genome, mdetr


@pytest.fixture(scope="module")
def published(shared_data: Path) -> dict[str, list[dict[str, Any]]]:
    """The real records by the source they are recognised as."""
    found: dict[str, list[dict[str, Any]]] = {}
    with (shared_data / "llava_text" / "llava_v1_5_mix1k.jsonl").open(encoding="utf-8") as file:
        for record in map(json.loads, file):
            found.setdefault(str(sources.recognise(record)), []).append(record)
    return found


def test_every_real_record_is_recognised(published: dict[str, list[dict[str, Any]]]) -> None:
    # By folder these were counted by hand: gqa 122, ocr_vqa 122, textvqa 32, vg 133, coco 591. The share of each COCO
    # source is that of the published counts: 157,712 of 624,610 records would be 252 of 1,000, and so on.
    assert {name: len(records) for name, records in published.items()} == {
        "llava_instruct": 250, "vqav2": 144, "visual_genome": 133, "gqa": 122, "ocrvqa": 122, "aokvqa": 102,
        "refcoco": 77, "textcaps": 32, "okvqa": 18,
    }  # fmt: skip
    for name, records in published.items():
        expected = 1000 * (sources.find(name).published_count or 0) / 624_610
        assert abs(len(records) - expected) < 3.5 * expected**0.5 + 1


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"id": "brRJfTY_0", "model": "", "conversations": []}, "sharegpt"),
        ({"image": "00453/1.jpg", "conversations": [{"from": "human", "value": "What is this?\n<image>"}]}, "captions"),
        ({"conversations": [{"from": "human", "value": "Q\nContext: N/A\nOptions: (A) a (B) b"}]}, "scienceqa"),
        ({"image": "mine.jpg", "conversations": [{"from": "human", "value": "Hm?"}]}, None),
        ({"conversations": None}, None),
        ({"image": ["gqa/images/1.jpg"], "conversations": [3, {"from": "human"}]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_others_and_what_is_no_record(record: dict[str, Any], name: str | None) -> None:
    assert sources.recognise(record) == name


def shape(record: dict[str, Any]) -> tuple[object, ...]:
    """What a record is like without what it is about: where pictures and prompts stand, how it is called."""
    first, others = said(record)[0], "\n".join(said(record)[2::2])
    prompts = [p for n in sources.REGISTRY.names() for p in sources.find(n).format_prompts if p in first]
    letters = re.findall(r"^([A-Z])\. ", first, re.MULTILINE)
    ocr = re.findall(r"^(Reference OCR token: )", first, re.MULTILINE)
    ends = re.search(r"[.\]]\Z", first)
    return (
        sorted(set(prompts)) if "region" not in first else "region",
        first.startswith("<image>\n"), first.count("\n") - len(letters) - (record["id"] is None), letters, ocr,
        bool(ends), "<image>" in others, sorted(record.keys() - {"source"}), type(record["id"]),
    )  # fmt: skip


def test_converters_write_what_was_published(published: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    vqa_files(tmp_path / "vqav2", [question(1, 9, "What?"), question(2, 9, "Why?"), question(3, 9, "Who?")],
              [annotation(n, "yes") for n in (1, 2, 3)])  # fmt: skip
    vqa_files(tmp_path / "okvqa", [question(1, 9, "What?")], [annotation(1, "yes")], prefix="")
    write(tmp_path / "train_balanced_questions.json", {"1": {"imageId": "17", "question": "Red?", "answer": "no"}})
    write(tmp_path / "aokvqa_v1p0_train.json", [aokvqa(9, "Which?", ["a", "b", "c", "d"], 0)])
    write(tmp_path / "dataset.json", {"1": {"questions": ["Who?"], "answers": ["Ann"], "split": 1}})
    textcaps(tmp_path, [caption("7f8b", "a can.")])
    family(tmp_path, {})
    mdetr(tmp_path / "finetune_refcoco_train.json")
    genome(tmp_path, [{"x": 0, "y": 0, "width": 100, "height": 100, "phrase": "sky"}])
    for name in sorted(published.keys() - {"llava_instruct"}):
        source = sources.find(name)
        (first, *_), _, _ = convert(name, tmp_path)
        ours = {**first, "image": f"{source.images}/{first['image']}"}
        looks_like = sources.recognise(ours)
        assert looks_like == name, (name, ours)
        theirs = Counter(map(repr, map(shape, published[name])))
        assert repr(shape(ours)) in theirs, (name, shape(ours), theirs)
        prompts = {p for p in source.format_prompts if any(p in q for r in published[name] for q in said(r)[::2])}
        assert prompts == set(source.format_prompts)  # each of ours stands in real records, letter for letter


def test_published_pictures_lie_where_ours_are_put(published: dict[str, list[dict[str, Any]]]) -> None:
    for name, records in published.items():
        assert all(record["image"].startswith(f"{sources.find(name).images}/") for record in records)


def test_boxes_of_real_records_are_written_as_ours_are(published: dict[str, list[dict[str, Any]]]) -> None:
    texts = [text for name in ("refcoco", "visual_genome") for record in published[name] for text in said(record)]
    boxes = [found[0] for text in texts for found in re.finditer(r"\[.*?\]", text)]
    assert len(boxes) == 1291 + 479
    assert all(box == str([round(float(x), 2) for x in box[1:-1].split(", ")]) for box in boxes)
    assert all(0 <= float(x) <= 1 for box in boxes for x in box[1:-1].split(", "))


def test_the_published_counts_add_up() -> None:
    counts = [sources.find(name).published_count or 0 for name in sources.REGISTRY.names()]
    assert sum(counts) == 665_298
