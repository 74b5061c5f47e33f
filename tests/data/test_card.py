"""The card: exact spreads, response formats, scripts, what was published, Markdown that holds together."""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from chiasm.data.card import Card, Spread
from chiasm.data.card_text import as_markdown
from chiasm.data.mixture import Mixture
from chiasm.data.mixture_run import Places, mix
from chiasm.data.words import num_words, script
from tests.data.sources.test_questions import annotation, question, vqa_files


def record(*values: str, **more: Any) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[n % 2], "value": value} for n, value in enumerate(values)]
    return {"id": "1", **more, "conversations": turns}


def test_spreads_are_exact() -> None:
    values = [random.Random(0).randrange(50) for _ in range(1001)] + [7] * 10
    spread = Spread()
    for value in values:
        spread.add(value)
    found = spread.as_dict()
    assert found["median"] == statistics.median_low(values)
    assert found["p95"] == sorted(values)[round(0.95 * len(values) + 0.49999) - 1]
    assert (found["count"], found["total"], found["min"], found["max"]) == (1011, sum(values), min(values), max(values))
    assert Spread().as_dict() == {"count": 0}


@pytest.mark.parametrize(
    ("text", "words", "writing"),
    [
        ("a red  bus.", 3, "Latin"),
        ("", 0, "no letters"),
        ("23 [0.1, 0.2]", 3, "no letters"),
        ("图中有什么", 5, "Chinese"),
        ("图中有一只 cat 和 dog", 8, "Chinese"),
        ("これは猫です", 6, "Japanese"),
        ("고양이", 3, "Korean"),
        ("Это кошка", 2, "Cyrillic"),
        ("Ein schöner Bär", 3, "Latin"),
        ("a long English sentence with 图 in it", 8, "Latin"),
    ],
)
def test_words_and_scripts(text: str, words: int, writing: str) -> None:
    assert num_words(text) == words
    assert script(text) == writing


def test_what_is_counted() -> None:
    card = Card()
    short = "Answer the question using a single word or phrase."
    card.add("a", record(f"<image>\nWet?\n{short}", "Yes", "How many?", "2 or 3", image="x.jpg"))
    card.add("a", record("Say it in Chinese", "一只猫"))
    card.add("b", record("What is this?\n<image>", "a bus", image="y.jpg"))
    found = card.as_dict()
    assert (found["records"], found["with_picture"], found["pictures_missing"]) == (3, 2, None)
    assert found["formats"] == {short: 1, "none": 1, "a brief instruction (stage 1)": 1}
    assert found["scripts"] == {"Latin": 2, "Chinese": 1}
    assert found["answers_a_record"]["total"] == 4
    assert found["answer_length"] == {"count": 4, "total": 9, "mean": 2.2, "min": 1, "median": 2, "p95": 3, "max": 3}
    # <image>, Wet?, nine words of the prompt, How many?, and two answers of one and three
    assert found["parts"]["a"]["length"]["max"] == 1 + 1 + 9 + 2 + 4


def test_a_record_with_both_region_prompts_counts_for_both() -> None:
    card = Card()
    find = "Please provide the bounding box coordinate of the region this sentence describes: sky."
    describe = "Please provide a short description for this region: [0.0, 0.0, 1.0, 0.5]."
    card.add("r", record(find, "[0.0, 0.0, 1.0, 0.5]", describe, "Sky."))
    assert list(card.as_dict()["formats"].values()) == [1, 1]


def test_the_published_mixture_compares(tmp_path: Path) -> None:
    vqa_files(tmp_path / "vqav2", [question(1, 9, "Wet?")], [annotation(1, "yes")])
    value = {"name": "p", "published": True, "sources": {"vqav2": {}, "gqa": {}}}
    result = mix(Mixture.parse(value, "p"), tmp_path / "o.json", Places(tmp_path), partial=True)
    parts = json.loads(result.card_files[1].read_text("utf-8"))["parts"]
    assert (parts["vqav2"]["published"], parts["vqav2"]["difference"]) == (82_783, 1 - 82_783)
    text = result.card_files[0].read_text("utf-8")
    assert "| vqav2 | vqav2 | 1 | 1 | all | 1 | 82,783 | -82,782 |" in text
    assert "| all |  | 1 |  |  |  | 154,923 | -154,922 |" in text
    assert "absent: no train_balanced_questions.json" in text


def test_own_records_are_recognised(shared_data: Path, tmp_path: Path) -> None:
    value = {"name": "m", "sources": {"released": {"source": "records", "files": "llava_v1_5_mix1k.jsonl"}}}
    result = mix(Mixture.parse(value, "m"), tmp_path / "o.json", Places(shared_data / "llava_text"))
    assert result.card["recognised"]["llava_instruct"] == 250
    assert result.card["records"] == 1000
    # Each record of VQAv2, OK-VQA, GQA and OCR-VQA says the short-answer prompt once.
    assert result.card["formats"]["Answer the question using a single word or phrase."] == 144 + 18 + 122 + 122
    assert result.dropped is None


def test_markdown_cells_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    card = Card(images=tmp_path / "pictures")
    card.add("a", record("q", "a", image="x|y\n<b>&\ud800.jpg"))
    text = as_markdown({"mixture": "m|<", "seed": 0, "chiasm": "0", **card.as_dict()})
    assert "- x\\|y &lt;b>&amp;\\ud800.jpg" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_tokens_are_counted_as_training_writes_them(micro_world: Path, tmp_path: Path) -> None:
    from chiasm import checkpoints
    from chiasm.conversation import Conversation
    from chiasm.data.card_tokens import in_tokens
    from chiasm.training.run import run
    from tests.training import micro

    recipe = micro.recipe(micro_world, "stages.align.steps=0", "stages.instruct.steps=0")
    processor = checkpoints.load_processor(run(recipe, tmp_path / "run"))
    measure = in_tokens(processor)
    for one in micro.records(micro_world)[:5]:
        example = processor.encode(Conversation.from_llava(one, micro_world / "images"), train=True)
        pictures = sum(layout.num_tokens for layout in example.layouts)
        assert measure.of_record(one) == len(example.input_ids) - pictures
    assert measure.of_text("") == 0
