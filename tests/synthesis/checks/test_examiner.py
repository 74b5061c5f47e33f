"""The examiner: order, duplicates, benchmark pictures, hostile replies, and what it makes of real answers."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chiasm.data.object_names import CATEGORIES
from chiasm.errors import UserError
from chiasm.synthesis.checks import REGISTRY, BenchmarkPictures, Examiner
from chiasm.synthesis.checks._near_duplicates import NearDuplicates
from chiasm.synthesis.sample import Box, Context, Sample, Turn

Make = Callable[..., Sample]

KINDS = {"conv": "conversation", "detail": "detail", "complex": "reasoning"}


def reasons(examiner: Examiner, sample: Sample) -> list[str]:
    return [rejection.reason for rejection in examiner.examine(sample).rejections]


def test_every_check_has_a_place_of_its_own() -> None:
    orders = [REGISTRY.find(name).module.ORDER for name in REGISTRY.names()]
    assert len(set(orders)) == len(orders) >= 8


def test_all_reasons_are_told_in_a_fixed_order(make: Make) -> None:
    sample = make(
        "I'm sorry.\nQuestion: According to the caption, there is a giraffe to the left of",
        boxes=[Box("dog", 0, 0, 1, 1)],
        finish_reason="length",
    )
    examined = Examiner().examine(sample)
    assert not examined.accepted
    assert list(dict.fromkeys(r.reason for r in examined.rejections)) == [
        "refusal",
        "format",
        "cut_off",
        "leak",
        "objects",
    ]


def test_the_score_is_the_share_of_known_objects(make: Make) -> None:
    boxes = [Box("dog", 0, 0, 0.5, 0.5), Box("cat", 0.5, 0.5, 1, 1)]
    answer = "There is a dog. There is a cat. There is a couch. There is a giraffe. There might be a bird."
    assert Examiner().examine(make(answer, boxes=boxes)).scores == {"known_objects": 0.5}
    assert Examiner().examine(make("It is sunny.", boxes=boxes)).scores == {"known_objects": 1.0}


def test_checks_can_be_chosen_and_misspelt(make: Make) -> None:
    assert reasons(Examiner(checks=["leak"]), make("As the caption says")) == ["leak"]
    with pytest.raises(UserError, match="did you mean 'leak'"):
        Examiner(checks=["leaks"])


TEXT = (
    "A large black dog with a red collar lies on the tiled floor of a kitchen, close to two bowls and a small toy. "
    "Light falls through a window on the right, and a row of wooden cabinets stands along the wall behind the animal."
)


@pytest.mark.parametrize(
    ("second", "duplicate"),
    [
        (TEXT, True),
        (TEXT.upper().replace(" ", "  "), True),
        (TEXT.replace("small toy", "little toy"), True),
        (TEXT[: len(TEXT) // 2] + "Nobody is at home and rain runs down the glass of the windows.", False),
    ],
)  # fmt: skip
def test_near_duplicates(make: Make, second: str, duplicate: bool) -> None:
    examiner = Examiner(checks=[], near_duplicate=0.8)
    assert reasons(examiner, make(TEXT, key="first")) == []
    assert reasons(examiner, make(second, key="second")) == (["near_duplicate"] if duplicate else [])


def test_a_duplicate_names_the_first_and_a_sample_is_none_of_itself(make: Make) -> None:
    examiner = Examiner(checks=[])
    assert examiner.examine(make(TEXT, key="first")).accepted
    assert examiner.examine(make(TEXT, key="first")).accepted  # a reply read again after a restart
    assert "first" in examiner.examine(make(TEXT, key="second")).rejections[0].message


def test_only_accepted_samples_are_duplicated(make: Make) -> None:
    examiner = Examiner()
    assert reasons(examiner, make(TEXT, key="first", finish_reason="length")) == ["cut_off"]
    assert reasons(examiner, make(TEXT, key="second")) == []


def test_without_a_threshold_only_equal_texts_are_duplicates(make: Make) -> None:
    examiner = Examiner(checks=[], near_duplicate=None)
    assert reasons(examiner, make(TEXT, key="first")) == []
    assert reasons(examiner, make(TEXT.replace("small", "little"), key="second")) == []
    assert reasons(examiner, make(TEXT.lower(), key="third")) == ["near_duplicate"]


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_a_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        Examiner(near_duplicate=threshold)


def test_minhash_agrees_with_datasketch() -> None:
    """A second implementation on word shingles of its own: both put pairs on the same side of the threshold."""
    datasketch = pytest.importorskip("datasketch")

    def theirs(text: str) -> object:
        words = text.lower().split()
        minhash = datasketch.MinHash(num_perm=256, seed=1)
        minhash.update_batch([" ".join(words[i : i + 3]).encode() for i in range(len(words) - 2)])
        return minhash

    chance = random.Random(3)
    vocabulary = [f"word{i}" for i in range(500)]
    original = " ".join(chance.choices(vocabulary, k=200))
    seen = NearDuplicates(0.8)
    seen.add("original", original)
    for num_changed, expected in ((0, True), (2, True), (60, False), (150, False)):
        words = original.split()
        for at in chance.sample(range(200), num_changed):
            words[at] = "other"
        text = " ".join(words)
        assert (theirs(original).jaccard(theirs(text)) >= 0.8) is expected  # type: ignore[attr-defined]
        assert (seen.nearest(text) is not None) is expected


def test_chinese_texts_are_compared_by_characters() -> None:
    text = "一只黑色的大狗戴着红色的项圈躺在厨房的瓷砖地板上，旁边放着两个碗和一个小玩具，阳光从右边的窗户照进来。"
    seen = NearDuplicates(0.7)
    seen.add("first", text)
    assert seen.nearest(text.replace("两个", "三个")) is not None
    assert (
        seen.nearest("一个男孩在公园里放风筝，天空很蓝，几个人坐在长椅上看着他，远处有一排高大的树和一条安静的小河。")
        is None
    )


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        ("COCO_val2014_000000310196.jpg", True),
        ("coco/val2017/000000310196.jpg", True),
        ("000000310196.png", True),
        ("310196", True),
        ("310196.jpg", True),
        ("000000310197.jpg", False),
        ("00310196.jpg", False),  # nobody's form of COCO's names
        ("001.jpg", True),
        ("001.JPG", True),
        ("COCO_train2014_000000000001.jpg", False),
        ("1.jpg", False),
    ],
)
def test_benchmark_pictures_are_known_under_each_name(make: Make, tmp_path: Path, image: str, asked: bool) -> None:
    pope, wild = tmp_path / "pope.json", tmp_path / "wild.jsonl"
    pope.write_text('{"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a dog?"}\n')
    wild.write_text('[{"question_id": 0, "image": "001.jpg"}]')
    examiner = Examiner(benchmark_pictures=BenchmarkPictures.read([pope, wild]), checks=[])
    assert reasons(examiner, make(image=image)) == (["benchmark_picture"] if asked else [])


def test_a_file_that_names_no_picture_is_no_benchmark(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"question_id": 1}\n')
    with pytest.raises(UserError, match="no record names a picture"):
        BenchmarkPictures.read([tmp_path / "x.jsonl"])


def test_real_benchmark_files_are_read(shared_data: Path) -> None:
    files = [*sorted((shared_data / "eval/pope").glob("*/*.json")), shared_data / "llava_text/qa90_questions.jsonl"]
    pictures = BenchmarkPictures.read(files)
    assert len(pictures.names) == 500 + 30 - 1  # POPE's and LLaVA-Bench's; both ask about one of them
    assert pictures.benchmark(Context("441147", "coco/train2017/000000441147.jpg", ())) == "qa90_questions.jsonl"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 49_000,
        "the " * 12_000,
        "according to the " * 2_500,
        "(0.1, " * 8_000,
        "1. " * 16_000,
        "\n" * 49_000,
        "there are two " * 3_000,
        "to the left of the dog " * 2_000,
        "I'm " * 12_000,
        "“" * 49_000,
        "在左边的" * 12_000,
        "描述" * 24_000,
        "\x00" * 49_000,
        "x" * 2_000_000,
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_reply_takes_long(make: Make, text: str, language: str) -> None:
    boxes = [Box("dog", 0, 0, 0.5, 0.5), Box("cat", 0.5, 0.5, 1, 1)]
    start = time.perf_counter()
    assert Examiner().examine(make(text, boxes=boxes, language=language)).rejections
    assert time.perf_counter() - start < 2


# What follows holds the checks against real GPT-4 answers, which were written from captions and boxes.


@pytest.fixture(scope="module")
def answers(shared_data: Path) -> list[Sample]:
    """LLaVA-Bench (COCO): 90 questions with GPT-4's answers, and the captions and boxes it was told."""
    folder = shared_data / "llava_text"
    contexts = {}
    for line in (folder / "caps_boxes_coco2014_val_80.jsonl").read_text().splitlines():
        told = json.loads(line)
        boxes = tuple(Box(each["category"], *each["bbox"]) for each in told["instances"])
        contexts[told["image"]] = Context(told["id"], told["image"], tuple(told["captions"]), boxes)
    texts = [json.loads(line)["text"] for line in (folder / "qa90_gpt4_answer.jsonl").read_text().splitlines()]
    samples = []
    for line, text in zip((folder / "qa90_questions.jsonl").read_text().splitlines(), texts, strict=True):
        asked = json.loads(line)
        kind, context = KINDS[asked["category"]], contexts[asked["image"]]
        samples.append(Sample(str(asked["question_id"]), kind, "en", context, (Turn(asked["text"], text),)))
    return samples


def test_good_answers_pass(answers: list[Sample]) -> None:
    """Read by eye: 2 says "they are described as antique"; 13 puts two persons of the right half one on each side; 76
    counts six of seven people."""
    examiner = Examiner()
    rejected = {sample.key: reasons(examiner, sample) for sample in answers}
    assert {key: found for key, found in rejected.items() if found} == {
        "2": ["leak"], "13": ["positions"], "76": ["counts"]
    }  # fmt: skip


def test_an_object_added_to_a_good_answer_is_found(answers: list[Sample]) -> None:
    chance = random.Random(11)
    found = 0
    for sample in answers:
        told = {box.category for box in sample.context.boxes} | set(" ".join(sample.context.captions).lower().split())
        absent = chance.choice([c for c in ("giraffe", "toaster", "airplane", "toilet", "kite") if c not in told])
        assert absent in CATEGORIES
        article = "an" if absent == "airplane" else "a"
        turn = replace(
            sample.turns[0], answer=f"{sample.turns[0].answer} There is {article} {absent} in the background."
        )
        found += "objects" in reasons(Examiner(), replace(sample, turns=(turn,)))
    assert found == len(answers)


def test_real_conversations_pass(shared_data: Path) -> None:
    """LLaVA-Instruct records of the 665K mixture. Read by eye: all rejected ones leak or refuse."""
    records = map(json.loads, (shared_data / "llava_text/llava_v1_5_mix1k.jsonl").read_text().splitlines())
    told: dict[str, list[str]] = {}
    total = 0
    examiner = Examiner()
    for record in records:
        values = [turn["value"].replace("<image>", "").strip() for turn in record["conversations"]]
        if not record.get("image", "").startswith("coco/") or any(len(value) < 25 for value in values[1::2]):
            continue
        if any(word in values[0] for word in ("single word", "short description", "bounding box", "letter")):
            continue
        total += 1
        turns = tuple(Turn(*pair) for pair in zip(values[::2], values[1::2], strict=True))
        context = Context(record["id"], record["image"], ())
        if found := reasons(examiner, Sample(record["id"], "conversation", "en", context, turns)):
            told[record["id"]] = found
    assert total > 200
    assert set(told) <= {"000000260715", "000000167856", "000000138401", "000000141873", "000000275970", "000000482889",
                         "000000493110"}  # fmt: skip
