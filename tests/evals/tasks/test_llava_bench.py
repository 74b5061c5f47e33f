"""The two LLaVA-Benches: their own files, what the judge is told, broken releases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm import evals
from chiasm.errors import UserError
from chiasm.evals.tasks import _llava_bench as pairs

COCO, WILD = evals.find("llava_bench_coco"), evals.find("llava_bench_wild")


def lines(path: Path, *records: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def wild(folder: Path) -> Path:
    kinds = ("conv", "detail", "complex")
    asked = [{"question_id": n, "image": "001.jpg", "text": f"Why {n}?", "category": kinds[n]} for n in range(3)]
    lines(folder / "questions.jsonl", *asked)
    answers = [{"question_id": n, "text": f"As {n}.", "answer_id": "x", "model_id": "gpt-4"} for n in (2, 0, 1)]
    lines(folder / "answers_gpt4.jsonl", *answers)
    lines(folder / "context.jsonl", {"id": 0, "image": "001.jpg", "caption": "A volcano by the sea."})
    return folder


def test_real_coco_questions(shared_data: Path) -> None:
    questions = COCO.questions(shared_data / "llava_text")
    assert len(questions) == 90
    assert {kind: sum(q.category == kind for q in questions) for kind in pairs.CATEGORIES} == {
        "conv": 30,
        "detail": 30,
        "complex": 30,
    }
    first = questions[0]
    assert (first.id, first.key) == (0, "0")
    assert first.text == "What is the color of the two suitcases in the image?"
    assert Path(str(first.images[0])).name == "000000441147.jpg"
    assert isinstance(first.reference, pairs.Reference)
    assert first.reference.answer.startswith("The colors of the two suitcases in the image are black and brown")
    assert COCO.judging is not None
    assert COCO.judging.gaps(questions) == ""
    told = COCO.judging.ask(questions[5], "MINE", pairs.ANSWER_FIRST).turns[0].text
    assert "dirty dishes on a table, and a bottle of something." in told
    assert "bottle: [0.554, 0.002, 0.768, 0.411]" in told
    assert told.index("MINE") < told.index("A meal or gathering might have recently taken place")
    other = COCO.judging.ask(questions[5], "MINE", pairs.REFERENCE_FIRST).turns[0].text
    assert other.index("MINE") > other.index("A meal or gathering might have recently taken place")


def test_pictures_may_have_cocos_own_names(tmp_path: Path, shared_data: Path) -> None:
    for name in ("qa90_questions.jsonl", "qa90_gpt4_answer.jsonl", "caps_boxes_coco2014_val_80.jsonl"):
        (tmp_path / name).write_bytes((shared_data / "llava_text" / name).read_bytes())
    (tmp_path / "val2014").mkdir()
    picture = tmp_path / "val2014" / "COCO_val2014_000000441147.jpg"
    picture.write_bytes(b"x")
    assert COCO.questions(tmp_path)[0].images == (picture,)


def test_a_picture_without_captions_is_judged_and_counted(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "llava_text"
    for name in ("qa90_questions.jsonl", "qa90_gpt4_answer.jsonl"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    known = (source / "caps_boxes_coco2014_val_80.jsonl").read_text().splitlines()
    kept = [line for line in known if "000000441147" not in line]
    (tmp_path / "caps_boxes_coco2014_val_80.jsonl").write_text("\n".join(kept) + "\n")
    questions = COCO.questions(tmp_path)
    assert COCO.judging is not None
    assert "in 3 of 90 cases" in COCO.judging.gaps(questions)
    assert "Nothing is written down" in COCO.judging.ask(questions[0], "MINE", pairs.REFERENCE_FIRST).turns[0].text


def test_wild_in_the_bundle_and_alone(tmp_path: Path) -> None:
    wild(tmp_path / "llava-bench-in-the-wild")
    for data in (tmp_path, tmp_path / "llava-bench-in-the-wild"):
        questions = WILD.questions(data)
        assert [(q.key, q.text, q.category) for q in questions] == [
            ("0", "Why 0?", "conv"),
            ("1", "Why 1?", "detail"),
            ("2", "Why 2?", "complex"),
        ]
        assert questions[2].images == (tmp_path / "llava-bench-in-the-wild/images/001.jpg",)
        assert isinstance(questions[2].reference, pairs.Reference)
        assert questions[2].reference.answer == "As 2."
        assert WILD.judging is not None
        assert "A volcano by the sea." in WILD.judging.ask(questions[0], "", "reference_first").turns[0].text


def test_broken_releases(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of its files \(answers_gpt4.jsonl\)"):
        WILD.questions(tmp_path)
    folder = wild(tmp_path)
    lines(folder / "answers_gpt4.jsonl", {"question_id": 0, "text": "a"})
    with pytest.raises(UserError, match="answers 1 of the 3 questions"):
        WILD.questions(folder)
    lines(folder / "answers_gpt4.jsonl", *[{"question_id": n % 3, "text": "a"} for n in range(4)], {"text": "b"})
    with pytest.raises(UserError, match="1 records lack a question_id or a text, 1 answer a question again"):
        WILD.questions(folder)
    wild(tmp_path)
    lines(folder / "questions.jsonl", {"question_id": 0, "image": "a.jpg", "text": "?", "category": "poem"})
    with pytest.raises(UserError, match="1 of 1 records lack"):
        WILD.questions(folder)
    wild(tmp_path)
    lines(folder / "context.jsonl", {"image": "001.jpg", "caption": 3})
    with pytest.raises(UserError, match="record 1 needs an image and a caption"):
        WILD.questions(folder)
