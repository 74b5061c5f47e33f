"""Captioning: sets as they are published, and coco-caption's numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.run import check_keys
from chiasm.evals.statistics import bootstrap
from chiasm.evals.task import Question
from chiasm.evals.tasks.caption import TASK
from chiasm.evals.tasks.caption_zh import TASK as CHINESE

COCO = {
    "images": [{"id": 42, "file_name": "000000000042.jpg"}, {"id": 7, "file_name": "000000000007.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 42, "caption": "A dog on a shelf."},
        {"id": 2, "image_id": 42, "caption": "A dog sleeps."},
        {"id": 3, "image_id": 7, "caption": "Two cats."},
    ],
}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


# ---- sets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["captions_val2014.json", "annotations/captions_val2017.json", "coco/annotations/captions_val.json"]
)
def test_coco_wherever_it_lies(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, COCO)
    pictures = (tmp_path / place).parent.parent / "val2014"
    pictures.mkdir(exist_ok=True)
    (pictures / "000000000042.jpg").touch()
    questions = TASK.questions(tmp_path)
    assert [(q.id, q.reference) for q in questions] == [
        (42, ("A dog on a shelf.", "A dog sleeps.")),
        (7, ("Two cats.",)),
    ]
    assert questions[0].images == (pictures / "000000000042.jpg",)
    check_keys("caption", TASK, questions)


def test_karpathys_test_split(tmp_path: Path) -> None:
    def image(name: str, split: str, **more: object) -> dict[str, object]:
        return {"filename": name, "split": split, "sentences": [{"raw": f"A {name}."}], **more}

    images = [image("a.jpg", "train"), image("b.jpg", "test", filepath="val2014", cocoid=9), image("c.jpg", "test")]
    write(tmp_path / "dataset_coco.json", {"images": images})
    write(tmp_path / "captions_val2014.json", COCO)
    questions = TASK.questions(tmp_path)
    assert [(q.id, q.reference) for q in questions] == [(9, ("A b.jpg.",)), ("c.jpg", ("A c.jpg.",))]
    assert str(questions[0].images[0]).endswith("val2014/b.jpg")


def test_real_sets(shared_data: Path, micro_world: Path) -> None:
    for folder, num in ((shared_data / "coco", 80), (shared_data / "flickr8k", 413), (micro_world, 4)):
        questions = TASK.questions(folder)
        assert len(questions) == num
        assert all(Path(str(q.images[0])).is_file() for q in questions)
    chinese = CHINESE.questions(shared_data / "flickr8k")
    assert len(chinese) == 413
    assert {q.id for q in chinese} == {q.id for q in TASK.questions(shared_data / "flickr8k")}


def test_prompts(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    write(tmp_path / "captions_val.json", COCO)
    write(tmp_path / "captions_zh.json", {"a.jpg": ["一只狗。"]})
    asked = TASK.questions(tmp_path)[0], CHINESE.questions(tmp_path)[0]
    check_golden("evals/caption.txt", "".join(f"{question.id}\n{question.text}\n" for question in asked))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("captions_val.json", {"images": [], "annotations": []}, "0 of 0 pictures have no caption"),
        ("captions_val.json", {**COCO, "annotations": COCO["annotations"][:2]}, "1 of 2 pictures have no caption"),
        ("captions_val.json", {**COCO, "images": COCO["images"][:1]}, "captions of 1 pictures it does not list"),
        ("captions_val.json", {**COCO, "annotations": [{"image_id": 42, "bbox": []}]}, "has no caption"),
        ("captions_val.json", [], "expected an object with a list of objects 'annotations'"),
        ("dataset_coco.json", {"images": [{"split": "train"}]}, "none of its 1 pictures is in the split 'test'"),
        ("captions.json", [{"file": "a.jpg", "split": "train", "captions": ["x"]}], "none of its 1 pictures"),
        ("captions.json", [{"file": "a.jpg", "split": "val", "captions": []}], "a.jpg has no list of captions"),
        ("captions.json", [{"file": "a", "split": "val", "captions": ["x"]}] * 2, "1 of 2 pictures are listed twice"),
    ],
)
def test_broken_sets(tmp_path: Path, name: str, content: object, said: str) -> None:
    write(tmp_path / name, content)
    with pytest.raises(UserError, match=said):
        TASK.questions(tmp_path)


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_of_coco_caption(shared_data: Path) -> None:
    """First captions of 200 pictures against the others: numbers of pycocoevalcap 1.2 with Stanford's tokeniser."""
    lines = (shared_data / "coco_text/val2017_captions_boxes.jsonl").read_text("utf-8").splitlines()[:200]
    questions, texts = [], {}
    for line in lines:
        record = json.loads(line)
        key = str(record["image_id"])
        first, *others = (" ".join(caption.split()) for caption in record["captions"])
        questions.append(Question(record["image_id"], key, "", reference=tuple(others)))
        texts[key] = first
    metrics = TASK.metrics(TASK.mark(questions, texts, "published"))
    assert metrics == pytest.approx(
        {
            "bleu_1": 64.64062,
            "bleu_2": 45.99537,
            "bleu_3": 32.03577,
            "bleu_4": 22.05475,
            "rouge_l": 48.58239,
            "cider_d": 101.36377,
        },
        abs=1e-5,
    )


def test_empty_and_perfect_captions(tmp_path: Path) -> None:
    write(tmp_path / "captions_val.json", COCO)
    questions = TASK.questions(tmp_path)
    nothing = TASK.mark(questions, {"42": "", "7": "?!"}, "published")
    assert [mark.invalid for mark in nothing] == [True, True]
    assert set(TASK.metrics(nothing).values()) == {0.0}
    same = TASK.metrics(TASK.mark(questions, {"42": "a dog on a shelf", "7": "TWO cats!"}, "published"))
    assert [same[name] for name in ("bleu_1", "bleu_2", "rouge_l")] == pytest.approx([100, 100, 100])
    assert TASK.metrics([]) == {}


def test_chinese_by_characters(tmp_path: Path) -> None:
    write(tmp_path / "captions_zh.json", {"a.jpg": ["一只黑狗在跑。"], "b.jpg": ["两个人。"]})
    questions = CHINESE.questions(tmp_path)
    marks = CHINESE.mark(questions, {"a.jpg": "一只白狗在跑", "b.jpg": "两个人"}, "published")
    assert marks[0].read_as == "一 只 白 狗 在 跑"
    assert CHINESE.metrics(marks)["bleu_1"] == pytest.approx(100 * 8 / 9)  # 5 of 6 characters, and 3 of 3


def test_a_thousand_resamples_are_quick(shared_data: Path) -> None:
    questions = TASK.questions(shared_data / "flickr8k")
    marks = TASK.mark(
        questions, {q.key: str(q.reference[0]) for q in questions if isinstance(q.reference, tuple)}, "published"
    )
    begin = time.process_time()
    found = bootstrap(marks, TASK.metrics)
    assert found.num_resamples == 1000
    assert time.process_time() - begin < 5


def test_results_are_written_and_read(tmp_path: Path) -> None:
    write(tmp_path / "captions_val.json", COCO)
    questions = TASK.questions(tmp_path)
    assert TASK.submit is not None
    path = TASK.submit(questions, {"42": " A dog. ", "7": "Cats"}, tmp_path / "out")
    assert json.loads(path.read_text()) == [{"image_id": 42, "caption": "A dog."}, {"image_id": 7, "caption": "Cats"}]
    assert read_answers(path, "caption", TASK, questions).texts == {"42": "A dog.", "7": "Cats"}
