"""Sources whose records are mostly text: ShareGPT, ScienceQA, and LLaVA JSON that passes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chiasm.errors import UserError
from tests.data.sources.releases import convert, said, write

# ---- ShareGPT --------------------------------------------------------------------------------------------------------


def sharegpt(root: Path, *conversations: list[tuple[str, str]], **options: Any) -> Any:
    entries = [
        {"id": f"brRJfTY_{n}", "conversations": [{"from": who, "value": text} for who, text in turns]}
        for n, turns in enumerate(conversations)
    ]
    write(root / "ShareGPT_V3_unfiltered_cleaned_split.json", entries)
    return convert("sharegpt", root, **options)


def test_sharegpt_keeps_whole_exchanges(tmp_path: Path) -> None:
    (record,), dropped, _ = sharegpt(
        tmp_path,
        [
            ("gpt", "cut off beginning"),
            ("human", " Hi "),
            ("chatgpt", "Hello"),
            ("user", "How?"),
            ("bing", "So"),
            ("human", "?"),
        ],
    )
    assert record == {
        "id": "brRJfTY_0",
        "model": "",
        "conversations": [
            {"from": "human", "value": "Hi"},
            {"from": "gpt", "value": "Hello"},
            {"from": "human", "value": "How?"},
            {"from": "gpt", "value": "So"},
        ],
    }
    assert not dropped


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([("human", "q"), ("gpt", "<div class='x'>a</div>")], "HTML"),
        ([("human", "q"), ("gpt", " ")], "missing field"),
        ([("gpt", "a"), ("gpt", "b")], "no turns"),
        ([], "no turns"),
        ([("human", "word " * 40), ("gpt", "a")], "too long"),
        ([("human", "same"), ("gpt", "same")], "twice"),
    ],
)
def test_sharegpt_drops_by_reason(tmp_path: Path, turns: list[tuple[str, str]], reason: str) -> None:
    records, dropped, _ = sharegpt(tmp_path, [("human", "same"), ("gpt", "same")], turns, most_words=30)
    assert len(records) == 1
    assert dropped == [("conversation 1", reason)]


@pytest.mark.parametrize(
    ("answer", "cleaned"),
    [
        ("```python Copy code\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("2 / 3\nThe answer", "The answer"),
        ("Use `<div>` or\n```html\n<p>x</p>\n```", "Use `<div>` or\n```html\n<p>x</p>\n```"),  # code may hold tags
        ("a < b and c > d", "a < b and c > d"),
    ],
)
def test_sharegpt_cleans_what_the_web_page_left(tmp_path: Path, answer: str, cleaned: str) -> None:
    (record,), _, _ = sharegpt(tmp_path, [("human", "q"), ("gpt", answer)])
    assert said(record)[1] == cleaned


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (10, ["a b", "c d", "e f", "g h"]),  # 8 words
        (7, ["a b", "c d"]),
        (3, ["a b", "c"]),  # the first answer alone is too long: cut
    ],
)
def test_sharegpt_is_cut_to_length(tmp_path: Path, most: int, kept: list[str]) -> None:
    turns = [("human", "a b"), ("gpt", "c d"), ("human", "e f"), ("gpt", "g h")]
    (record,), _, _ = sharegpt(tmp_path, turns, most_words=most)
    assert said(record) == kept


def test_chinese_is_cut_by_characters(tmp_path: Path) -> None:
    (record,), _, _ = sharegpt(tmp_path, [("human", "你好"), ("gpt", "一二三四五")], most_words=5)
    assert said(record) == ["你好", "一二三"]


# ---- ScienceQA -------------------------------------------------------------------------------------------------------

PROBLEM = {
    "question": "Which is  a solid?", "choices": ["a bench", "water"], "answer": 0, "hint": "", "image": None,
    "lecture": "Matter has states.", "solution": "A bench is solid.", "split": "train", "grade": "grade2",
}  # fmt: skip


def scienceqa(root: Path, problems: dict[str, Any], **options: Any) -> Any:
    write(root / "problems.json", problems)
    write(root / "pid_splits.json", {"train": ["1", "2", "9"], "val": ["3"]})
    return convert("scienceqa", root, **options)


def test_scienceqa_writes_qcm_lea(tmp_path: Path) -> None:
    pictured = {**PROBLEM, "image": "image.png", "hint": "Look at it.", "lecture": "", "answer": 1}
    records, dropped, _ = scienceqa(tmp_path, {"1": PROBLEM, "2": pictured, "3": PROBLEM})
    assert records == [
        {
            "id": "1",
            "conversations": [
                {"from": "human", "value": "Which is a solid?\nContext: N/A\nOptions: (A) a bench (B) water"},
                {"from": "gpt", "value": "Matter has states. A bench is solid. The answer is A."},
            ],
        },
        {
            "id": "2",
            "image": "2/image.png",
            "conversations": [
                {
                    "from": "human",
                    "value": "Which is a solid?\nContext: Look at it.\nOptions: (A) a bench (B) water\n<image>",
                },
                {"from": "gpt", "value": "A bench is solid. The answer is B."},
            ],
        },
    ]
    assert dropped == [("problem 9", "not there")]


_STATES, _BENCH = "Matter has states.", "A bench is solid."


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("QCM-A", "The answer is A."),
        ("QCM-LA", f"{_STATES} The answer is A."),
        ("QCM-EA", f"{_BENCH} The answer is A."),
        ("QCM-ELA", f"{_BENCH} {_STATES} The answer is A."),
        ("QCM-ALE", f"The answer is A. BECAUSE: {_STATES} {_BENCH}"),
        ("QCM-AEL", f"The answer is A. BECAUSE: {_BENCH} {_STATES}"),
        ("QCM-AL", f"The answer is A. BECAUSE: {_BENCH}"),  # published so, letters and all
        ("QCM-AE", f"The answer is A. BECAUSE: {_STATES}"),
        ("QCM-LEPA", f"LECTURE: {_STATES}\nSOLUTION: {_BENCH}\n###\nANSWER: A."),
    ],
)
def test_scienceqa_answers_by_code(tmp_path: Path, code: str, answer: str) -> None:
    records, _, _ = scienceqa(tmp_path, {"1": PROBLEM}, format=code)
    assert said(records[0])[1] == answer


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQM-A", "Context: N/A\nQuestion: Which is a solid?\nOptions: (A) a bench (B) water"),
        ("QCML-A", f"Which is a solid?\nContext: N/A\nOptions: (A) a bench (B) water\nBECAUSE: {_STATES}"),
        ("QCLEM-A", f"Which is a solid?\nContext: N/A\nBECAUSE: {_STATES} {_BENCH}\nOptions: (A) a bench (B) water"),
    ],
)
def test_scienceqa_questions_by_code(tmp_path: Path, code: str, question: str) -> None:
    records, _, _ = scienceqa(tmp_path, {"1": PROBLEM}, format=code)
    assert said(records[0])[0] == question


def test_scienceqa_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'QCM-LEA'"):
        scienceqa(tmp_path, {}, format="QCM-LEAA")
    with pytest.raises(UserError, match="no split 'trian': did you mean 'train'"):
        scienceqa(tmp_path, {}, split="trian")


def test_scienceqa_leaves_out_and_drops(tmp_path: Path) -> None:
    records, dropped, release = scienceqa(
        tmp_path, {"1": PROBLEM, "2": {**PROBLEM, "image": "i.png", "answer": 5}}, only_pictures=True
    )
    assert records == []
    assert dropped == [("problem 2", "bad choices"), ("problem 9", "not there")]
    assert release.left_out == {"without picture": 1}


def test_real_problems(shared_data: Path) -> None:
    folder = shared_data / "eval" / "scienceqa"
    given = {"problems": "problems_trainval_part.json"}
    records, dropped, _ = convert("scienceqa", folder, files=given)
    assert len(records) > 500
    assert {reason for _, reason in dropped} <= {"not there"}  # the folder holds the first part of the problems
    assert all(said(record)[1].rsplit(" ", 1)[1] in {f"{x}." for x in "ABCDE"} for record in records)


# ---- LLaVA JSON ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llava_instruct", "records"])
def test_llava_json_passes_through(tmp_path: Path, name: str) -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    first = {"id": 7, "image": "1.jpg", "conversations": turns, "meta": {"kind": "detail"}}
    (tmp_path / "mine.jsonl").write_text(
        "\n".join(json.dumps(value) for value in (first, {"conversations": turns}, 5)) + '\n{"torn'
    )
    records, dropped, _ = convert(name, tmp_path, files={"records": "mine.jsonl"})
    assert records == [first, {"id": "mine-1", "conversations": turns}]
    assert dropped == [("record 2", "not a record"), ("record 3", "torn")]
