"""The drawn world's own questions: how each style is read and what is summed up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.run import check_keys
from chiasm.evals.statistics import wilson
from chiasm.evals.task import Mark
from chiasm.evals.tasks import scenes, scenes_zh
from chiasm.evals.tasks._drawn import by_kind, length, overlap, plain, read_box, words_in_common

SHORT = "Answer the question using a single word or phrase."


def question(number: int, kind: str, style: str, answer: str, **more: object) -> dict[str, object]:
    return {
        "id": f"test_{number}",
        "image": "test/000000.png",
        "kind": kind,
        "style": style,
        "question": f"Question {number}?\n{SHORT}",
        "answer": answer,
        "options": [],
        "box": None,
        **more,
    }


RECORDS = [
    question(0, "existence", "short", "yes"),
    question(1, "existence", "short", "no"),
    question(2, "colour", "short", "red"),
    question(3, "count", "short", "3"),
    question(4, "option", "option", "B", options=["cat", "dog", "cow"]),
    question(5, "text_to_box", "box", "[0.10, 0.10, 0.50, 0.50]", box=[0.1, 0.1, 0.5, 0.5]),
    question(6, "region_to_text", "region", "a brown dog"),
    question(7, "read", "read", "OPEN"),
    question(8, "describe", "long", "The picture shows a park."),
    {**question(9, "compare", "short", "first"), "image": None, "images": ["test/000000.png", "test/000001.png"]},
    question(10, "existence", "short", "有"),
    question(11, "existence", "short", "没有"),
    question(12, "colour", "short", "红色"),
    question(13, "read", "read", "TAXI"),
    question(14, "read", "read", "42"),
]
RECORDS[9].pop("image")


def write(folder: Path, records: object = RECORDS, name: str = "questions_test.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return folder


def marked(folder: Path, number: int, text: str) -> Mark:
    asked = scenes.TASK.questions(write(folder))[number]
    return scenes.TASK.mark([asked], {asked.key: text}, "published")[0]


def scored(folder: Path, answers: Mapping[int, str], numbers: Sequence[int]) -> dict[str, float]:
    questions = scenes.TASK.questions(write(folder))
    asked = [questions[number] for number in numbers]
    texts = {each.key: answers.get(int(each.key.removeprefix("test_")), "") for each in asked}
    return scenes.TASK.metrics(scenes.TASK.mark(asked, texts, "published"))


# ---- questions -------------------------------------------------------------------------------------------------------


def test_questions_of_the_test_split_or_of_the_file_that_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "images/test").mkdir(parents=True)
    (tmp_path / "images/test/000000.png").touch()
    questions = scenes.TASK.questions(tmp_path)
    check_keys("scenes", scenes.TASK, questions)
    assert questions[0].images == (tmp_path / "images/test/000000.png",)
    assert questions[9].images == tuple(tmp_path / f"images/test/00000{n}.png" for n in (0, 1))
    assert questions[4].options == ("A", "B", "C")
    write(tmp_path, RECORDS[:2], "questions_test_zh.json")
    write(tmp_path, RECORDS[:1], "questions_val.json")
    assert [len(task.questions(tmp_path)) for task in (scenes.TASK, scenes_zh.TASK)] == [15, 2]
    assert len(scenes_zh.TASK.questions(tmp_path / "questions_val.json")) == 1
    assert (questions[4].text, questions[4].category) == (f"Question 4?\n{SHORT}", "option")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"style": "loud"}, "1 of 2 records are no questions \\(first: 1\\)"),
        ({"answer": ""}, "no questions"),
        ({"image": None}, "no questions"),
        ({"image": ["a.png", 3]}, "no questions"),
        ({"style": "option"}, "no questions"),
        ({"style": "box", "box": [1, 2, 3]}, "no questions"),
        ({"id": "test_0"}, "1 of 2 ids come again"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    write(tmp_path, [RECORDS[0], {**RECORDS[2], **change}])
    with pytest.raises(UserError, match=says):
        scenes.TASK.questions(tmp_path)


def test_a_folder_without_questions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"questions_test_zh\.json"):
        scenes_zh.TASK.questions(tmp_path)


# ---- marks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text", "value"),
    [
        (0, "Yes", 1), (0, "yes, there is", 1), (0, "No", 0), (0, "", 0), (1, "No.", 1), (1, "there is none", 0),
        (2, "Red.", 1), (2, "red car", 0), (2, "the red", 1), (2, "dark red", 0),
        (3, "3", 1), (3, "three", 1), (3, "Three.", 1), (3, "三", 1), (3, "13", 0),
        (4, "B", 1), (4, "B. dog", 1), (4, "dog", 1), (4, "A", 0), (4, "A or B", 0),
        (5, "[0.10, 0.10, 0.50, 0.50]", 1), (5, "[0.10, 0.10, 0.50, 0.31]", 1), (5, "[0.10, 0.10, 0.50, 0.29]", 0),
        (5, "0.1 0.1 0.5 0.5", 1), (5, "[0.5, 0.5, 0.1, 0.1]", 0), (5, "[0.1, 0.1, 0.5]", 0), (5, "left", 0),
        (6, "a brown dog", 1), (6, "A brown dog.", 1), (6, "a brown cat", 2 / 3), (6, "nothing", 0),
        (7, "open", 1), (7, '"OPEN"', 1), (7, "OPEN.", 1), (7, "OPENS", 0), (7, "the OPEN", 0),
        (8, " ".join(["word"] * 20), 1), (8, "A park.", 0),
        (9, "first", 1), (9, "The first", 1), (9, "second", 0),
        (10, "有", 1), (10, "有。", 1), (10, "没有", 0), (11, "没有", 1), (11, "有", 0),
        (12, "红色", 1), (12, "红色。", 1), (12, " 红 色 ", 1), (12, "红", 0),
    ],
)  # fmt: skip
def test_what_an_answer_is_worth(tmp_path: Path, number: int, text: str, value: float) -> None:
    assert marked(tmp_path, number, text).value == pytest.approx(value)


def test_an_answer_that_says_nothing_is_invalid(tmp_path: Path) -> None:
    for number in range(13):
        mark = marked(tmp_path, number, " ")
        assert (mark.value, mark.invalid) == (0, True)
    assert marked(tmp_path, 0, "maybe").invalid
    assert marked(tmp_path, 5, "on the left").invalid
    assert not marked(tmp_path, 2, "mauve").invalid


@pytest.mark.parametrize(
    ("number", "text", "obeyed"),
    [
        (2, "red", True),
        (2, "It is a red car", False),
        (2, "a very dark red", True),
        (2, "", False),
        (4, "B", True),
        (7, "OPEN", True),
        (5, "anything", None),
        (6, "anything", None),
        (8, "A park.", False),
        (8, "word " * 20, True),
        (12, "是红色的汽车吧", True),  # seven characters are three words and a half
        (12, "图里的汽车是红色的", False),
    ],
)
def test_whether_the_format_is_obeyed(tmp_path: Path, number: int, text: str, obeyed: bool | None) -> None:
    assert marked(tmp_path, number, text).detail["obeyed"] is obeyed


def test_forms_in_which_answers_are_compared() -> None:
    assert plain("  The Traffic-Light! ") == "traffic light"
    assert plain("第 一 张。") == "第一张"
    assert plain("两") == plain("two") == plain("２") == "2"
    assert plain("Two", as_written=True) == "two"
    assert length("A dog, 3 o'clock.") == 4
    assert length("一只狗在OPEN") == 3


def test_boxes() -> None:
    assert read_box("It is at [0.25, .5, 1, 0.75].") == (0.25, 0.5, 1.0, 0.75)
    assert read_box("[0.1，0.2，0.3，0.4]") == (0.1, 0.2, 0.3, 0.4)
    assert read_box("[0.1, 0.2, 0.3, 0.4] and [0, 0, 1, 1]") is None
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0


def test_words_in_common_count_as_often_as_both_have_them() -> None:
    assert words_in_common("a dog a dog", "a dog") == pytest.approx(2 * 2 / 6)
    assert words_in_common("棕色的狗", "棕色狗") == pytest.approx(2 * 3 / 7)


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_metrics(tmp_path: Path) -> None:
    answers = {0: "yes", 1: "yes", 2: "red", 3: "2", 4: "B", 6: "a dog", 8: "Short."}
    found = scored(tmp_path, answers, [0, 1, 2, 3, 4, 6, 8])
    assert found == pytest.approx(
        {
            "accuracy": 60.0,  # 3 of 5; region and description are neither right nor wrong
            "accuracy_existence": 50.0,
            "accuracy_colour": 100.0,
            "accuracy_count": 0.0,
            "accuracy_option": 100.0,
            "existence_f1": 100 * 2 * 1 / (2 + 1),  # 1 hit, 2 said, 1 true
            "region_words_f1": 80.0,  # 2 of 2 and 2 of 3 words
            "format": 100 * 5 / 6,
            "format_short": 100.0,
            "format_long": 0.0,
        }
    )
    assert scenes.TASK.metrics([]) == {"accuracy": 0}


def test_words_and_numbers_that_are_read_count_apart_too(tmp_path: Path) -> None:
    found = scored(tmp_path, {7: "open", 13: "bus", 14: "42"}, [7, 13, 14])
    assert found["accuracy_read_words"] == 50
    assert found["accuracy_read_numbers"] == 100
    assert found["accuracy_read"] == pytest.approx(200 / 3)
    assert "accuracy_read_numbers" not in scored(tmp_path, {7: "open"}, [7])


def test_chinese_existence_has_an_f1(tmp_path: Path) -> None:
    assert scored(tmp_path, {10: "有", 11: "没有"}, [10, 11])["existence_f1"] == 100
    assert scored(tmp_path, {10: "没有", 11: "没有"}, [10, 11])["existence_f1"] == 0


def test_shares_by_kind_have_wilsons_intervals(tmp_path: Path) -> None:
    questions = scenes.TASK.questions(write(tmp_path))
    marks = scenes.TASK.mark(questions, {q.key: "yes" for q in questions}, "published")
    share = by_kind(marks)["existence"]
    assert (share.num_right, share.num, share.percent) == (2, 4, 50)
    assert (share.interval.low, share.interval.high) == pytest.approx((15.0, 85.0), abs=0.05)
    assert "region_to_text" not in by_kind(marks)
    assert "describe" not in by_kind(marks)


@pytest.mark.parametrize(
    ("num_right", "num", "low", "high"),
    [(0, 0, 0, 100), (0, 10, 0, 27.75), (10, 10, 72.25, 100), (81, 263, 25.53, 36.62)],  # the last: Newcombe 1998
)
def test_wilsons_interval(num_right: int, num: int, low: float, high: float) -> None:
    interval = wilson(num_right, num)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.01)
