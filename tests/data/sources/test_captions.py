"""Sources of captions: TextCaps with OCR tokens, the first stage with its filter by noun phrases."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from chiasm.data.sources._phrases import chosen_by_phrases, noun_phrases
from chiasm.data.sources.captions import INSTRUCTIONS
from tests.data.sources.releases import convert, said, write

# ---- TextCaps --------------------------------------------------------------------------------------------------------


def textcaps(root: Path, captions: list[Any]) -> None:
    write(root / "TextCaps_0.1_train.json", {"dataset_name": "textcaps", "data": captions})
    ocr = [
        {"image_id": "7f8b", "ocr_tokens": ["can", "par", "Silicon"], "ocr_info": []},
        {"image_id": "0b", "ocr_tokens": []},
    ]
    write(root / "TextVQA_Rosetta_OCR_v0.2_train.json", {"data": ocr})


def caption(image: str, text: str) -> dict[str, Any]:
    return {"image_id": image, "caption_str": text, "image_path": f"train/{image}.jpg", "set_name": "train"}


def test_textcaps_takes_one_caption_and_all_tokens(tmp_path: Path) -> None:
    five = [f"caption {n}." for n in range(5)]
    textcaps(tmp_path, [*(caption("7f8b", text) for text in five), caption("0b", "a car."), caption("none", "x")])
    records, dropped, _ = convert("textcaps", tmp_path)
    assert [record["image"] for record in records] == ["0b.jpg", "7f8b.jpg"]
    # The space behind the colon stays where there are no tokens: so the released records have it.
    prompt = "<image>\nProvide a one-sentence caption for the provided image.\nReference OCR token: "
    assert said(records[0]) == [prompt, "a car."]
    assert said(records[1])[0] == prompt + "can, par, Silicon"
    assert said(records[1])[1] in five
    assert dropped == [("caption 6", "no OCR tokens")]
    drawn = {said(convert("textcaps", tmp_path, seed=seed)[0][1])[1] for seed in range(40)}
    assert drawn == set(five)


# ---- captions of the first stage -------------------------------------------------------------------------------------


def test_real_stage_one_captions_pass_through_with_their_own_instructions(shared_data: Path) -> None:
    given = "blip_laion_cc_sbu_500.json"
    records, dropped, _ = convert("captions", shared_data / "llava_pretrain", files={"captions": given})
    assert len(records) == 500
    assert not dropped
    assert said(records[0])[1] == "the bunk room"
    asked = {said(record)[0].replace("<image>", "").strip() for record in records}
    assert asked == set(INSTRUCTIONS)
    before = sum(said(record)[0].startswith("<image>\n") for record in records)
    assert 180 < before < 320  # of 500 tosses, six standard deviations


def test_the_instructions_are_those_of_the_released_file(shared_data: Path) -> None:
    released = json.loads((shared_data / "llava_pretrain" / "blip_laion_cc_sbu_500.json").read_text("utf-8"))
    asked = {record["conversations"][0]["value"].replace("<image>", "").strip() for record in released}
    assert asked == set(INSTRUCTIONS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.json", '[{"id": "1", "image": "a/1.jpg", "caption": "raw", "blip_caption": "a  red\\n bus"}]'),
        ("chat.json", '[{"id": "1", "image": "a/1.jpg", "conversations": [{"from": "human", "value": "x\\n<image>"}, '
                      '{"from": "gpt", "value": "a red bus"}]}]'),
        ("cc3m.tsv", "a red bus\ta/1.jpg\n"),
    ],
)  # fmt: skip
def test_forms_of_caption_files(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    (record,), dropped, _ = convert("captions", tmp_path)
    assert (record["id"], record["image"], said(record)[1]) == ("1", "a/1.jpg", "a red bus")
    assert not dropped


def test_captions_without_text_or_picture_are_named(tmp_path: Path) -> None:
    write(tmp_path / "metadata.json", [{"image": "a.jpg"}, {"image": "", "caption": "b"}, 3])
    records, dropped, _ = convert("captions", tmp_path)
    assert records == []
    assert dropped == [(f"caption {n}", "missing field") for n in range(3)]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("a man riding a brown horse", ["man", "brown horse"]),
        ("The dressing room of his house", ["dressing room", "house"]),
        ("olive oil on a table with healthy vegetables", ["olive oil", "table", "healthy vegetables"]),
        ("it is here", []),
        ("don't stop; rock-and-roll 2020!", ["don't", "rock-and-roll 2020"]),
        ("", []),
    ],
)
def test_noun_phrases(text: str, phrases: list[str]) -> None:
    assert list(noun_phrases(text)) == phrases


def test_rare_phrases_keep_nothing_and_frequent_ones_a_draw() -> None:
    texts = ["a rare thing"] * 2 + ["a bus"] * 3 + ["a car and a car"] * 300
    kept = chosen_by_phrases(texts, 3, 100, random.Random(0))
    assert list(kept[:5]) == [0, 0, 1, 1, 1]
    assert sum(kept[5:]) == 100
    assert kept == chosen_by_phrases(texts, 3, 100, random.Random(0))
    assert kept != chosen_by_phrases(texts, 3, 100, random.Random(1))


def test_a_caption_is_kept_for_any_of_its_phrases() -> None:
    texts = ["a red kite over a beach"] * 3 + ["a beach"] * 200
    assert list(chosen_by_phrases(texts, 3, 100, random.Random(0))[:3]) == [1, 1, 1]


def test_the_filter_counts_what_it_leaves_out(tmp_path: Path) -> None:
    entries = [{"image": f"{n}.jpg", "caption": "a bus" if n < 3 else f"thing {n}"} for n in range(10)]
    write(tmp_path / "metadata.json", entries)
    records, dropped, release = convert("captions", tmp_path, noun_phrase_filter=True)
    assert [record["image"] for record in records] == ["0.jpg", "1.jpg", "2.jpg"]
    assert dropped == []
    assert release.left_out == {"not chosen by its noun phrases": 7}
