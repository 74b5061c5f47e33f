"""VLMEvalKit's tables, however they say where a picture is, its two reading rules, and the task that asks any table."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.tasks.vlmevalkit import TASK
from chiasm.evals.vlmevalkit import matched_option, matched_yes_no, options_of, read_table

PICTURE = bytes(range(256)) * 2
OTHER = b"another picture, as long as an index never is" * 2
ANIMALS = {"A": "dog", "B": "cat", "C": "red fox"}


def encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def choice(index: int, answer: str, **more: object) -> dict[str, object]:
    return {"index": index, "question": f"What is it in {index}?", **ANIMALS, "answer": answer, **more}


# ---- the table -------------------------------------------------------------------------------------------------------


def test_pictures_inside_lists_and_references(tmp_path: Path) -> None:
    rows = [
        choice(1, "A", image=encoded(PICTURE)),
        choice(2, "A", image="1"),
        choice(3, "A", image=str([encoded(PICTURE), encoded(OTHER)])),
        choice(4, "A", image=encoded(PICTURE)),
        choice(5, "A"),
    ]
    table = read_table(write_table(tmp_path / "t.tsv", rows))
    pictures = [row.pictures for row in table.rows]
    assert pictures == [(PICTURE,), (PICTURE,), (PICTURE, OTHER), (PICTURE,), ()]
    # However many rows show it, a picture is in memory once.
    assert pictures[0][0] is pictures[1][0] is pictures[2][0] is pictures[3][0]


def test_pictures_beside_the_table(tmp_path: Path) -> None:
    rows = [choice(1, "A", image_path="one.jpg"), choice(2, "A", image_path="['one.jpg', 'two.jpg']")]
    path = write_table(tmp_path / "Set.tsv", rows)
    assert read_table(path).rows[0].pictures == (tmp_path / "one.jpg",)
    (tmp_path / "images/Set").mkdir(parents=True)
    for name in ("one.jpg", "two.jpg"):
        (tmp_path / "images/Set" / name).touch()
    folder = tmp_path / "images/Set"
    assert [row.pictures for row in read_table(path).rows] == [
        (folder / "one.jpg",),
        (folder / "one.jpg", folder / "two.jpg"),
    ]


def test_cells_are_read_as_pandas_reads_them(tmp_path: Path) -> None:
    row = {"index": "a7", "question": 'He said "no",\nthen\tleft', "A": "1", "B": "None", "C": "x", "hint": "nan"}
    read = read_table(write_table(tmp_path / "t.tsv", [row])).rows[0]
    assert read.cells == {"index": "a7", "question": 'He said "no",\nthen\tleft', "A": "1", "C": "x"}
    assert (read.index, read.number) == ("a7", 1)
    assert options_of(read.cells) == {"A": "1"}  # up to the first that is missing


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("index\tquestion\tA\n1\tq\ta\n2\tq\n", r"row 2 has 2 fields, the header 3, after 1 whole"),
        ("index\tquestion\tA\n1\tq\ta\tb\n", r"row 1 has 4 fields"),
        ('index\tquestion\tA\n1\t"q\ta\n2\tq\ta\n', r"row 1 has 2 fields"),
        ("index\tquestion\tA\n1\tq\ta\n1\tq\ta\n", r"row 2: the index 1 stands there twice"),
        ("index\tA\n1\ta\n", r"name each column once, index and question among them; it has index, A"),
        ("index\tquestion\tquestion\n1\ta\tb\n", r"name each column once"),
        ("index\tquestion\n", r"holds no rows"),
        ("", r"holds no rows"),
        ("index\tquestion\n1\t\n", r"row 1 has no question"),
        ("index\tquestion\timage\n1\tq\t9\n", r"row 1 shows the picture of row index 9, which is not there"),
        ("index\tquestion\timage\n1\tq\t2\n2\tq\t\n", r"which has none"),
        ("index\tquestion\timage\n1\tq\t2\n2\tq\t1\n", r"which has none"),
        (f"index\tquestion\timage\n1\tq\t{encoded(PICTURE)[:-3]}\n", r"row 1: the picture is no base64"),
        (f"index\tquestion\timage\n1\tq\t['{encoded(PICTURE)}\n", r"a list of pictures is expected"),
        ("index\tquestion\timage\n1\tq\t[1, 2]\n", r"a list of pictures is expected"),
        ("index\tquestion\timage\n1\tq\t[" + "[" * 5000 + "\n", r"a list of pictures is expected"),
    ],
)
def test_broken_tables_are_refused_with_counts(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.tsv")


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"index\tquestion\n1\t\xff\n")
    with pytest.raises(UserError, match="is no TSV"):
        read_table(tmp_path / "t.tsv")
    with pytest.raises(UserError, match="cannot read"):
        read_table(tmp_path / "absent.tsv")


def test_the_limit_of_the_csv_module_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    large = bytes(300_000)
    table = read_table(write_table(tmp_path / "t.tsv", [choice(1, "A", image=encoded(large))]))
    assert table.rows[0].pictures == (large,)
    assert csv.field_size_limit() == before


# ---- reading answers as VLMEvalKit does ------------------------------------------------------------------------------

MATCHED = [
    ("B", "B"),
    ("B.", "B"),
    ("(B)", "B"),
    ("B. cat", "B"),
    ("The answer is B.", "B"),
    ("b", None),
    ("", None),
    ("A or B", None),
    ("B it is I think so", None),  # more than five words from the end
    ("I think that it must be option B", "B"),
    ("cat", "B"),
    ("A cat", "A"),  # one letter stands alone: an article is taken for an option
    ("It is a CAT.", "B"),
    ("dog cat", None),
    ("certainly it is a cat, what else could it be", None),  # longer than all options twice
    ("Z", None),
    ("Cannot determine the answer B", None),
    ("答案是B", None),
]


@pytest.mark.parametrize(("answer", "letter"), MATCHED)
def test_options_are_matched(answer: str, letter: str | None) -> None:
    assert matched_option(answer, ANIMALS) == letter


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("Yes", "yes"),
        ("yes, there is", "yes"),
        ("No.", "no"),
        ("There is no dog.", "no"),
        ("yes and no", None),
        ("", None),
        ("Nope", None),
        ("yes: it is", None),  # a colon is no punctuation of VQA's
        ("yes/maybe", "yes"),
        ("not sure", None),
    ],
)
def test_yes_and_no_are_matched(answer: str, read: str | None) -> None:
    assert matched_yes_no(answer) == read


# ---- the task that asks any table ------------------------------------------------------------------------------------


def test_asked_as_vlmevalkit_asks_llava(tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
    rows = [
        choice(1, "B", hint="Look at the tail.", category="animals", image=encoded(PICTURE)),
        {**choice(2, "B"), "question": "这是什么？"},
        {"index": 3, "question": "Is it a dog? Please answer yes or no.", "answer": "Yes"},
    ]
    questions = TASK.questions(write_table(tmp_path / "t.tsv", rows).parent)
    check_golden("evals/vlmevalkit.txt", "".join(f"{q.id} {q.options}\n{q.text}\n\n" for q in questions))
    assert [question.images for question in questions] == [(PICTURE,), (), ()]


def test_scores_by_category(tmp_path: Path) -> None:
    rows = [
        *(choice(index, "B", category="animals") for index in (1, 2)),
        {"index": 3, "question": "Is it?", "answer": "No", "category": "existence"},
    ]
    questions = TASK.questions(write_table(tmp_path / "t.tsv", rows).parent)
    texts = {"1": "B. cat", "2": "b", "3": "Nope"}
    published, strict = (TASK.mark(questions, texts, rule) for rule in ("published", "strict"))
    assert TASK.metrics(published) == pytest.approx(
        {"accuracy": 100 / 3, "accuracy_animals": 50, "accuracy_existence": 0}
    )
    assert [mark.invalid for mark in published] == [False, True, True]
    assert TASK.metrics(strict)["accuracy"] == 100
    assert TASK.metrics([]) == {}


def test_a_table_without_answers_has_no_score(tmp_path: Path) -> None:
    row = choice(1, "")
    questions = TASK.questions(write_table(tmp_path / "t.tsv", [row]).parent)
    assert TASK.metrics(TASK.mark(questions, {"1": "A"}, "published")) == {}


def test_free_answers_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t.tsv", [{"index": 1, "question": "What?", "answer": "a dog"}])
    with pytest.raises(UserError, match=r"row 1 has the answer 'a dog', expected Yes or No"):
        TASK.questions(tmp_path)
    write_table(tmp_path / "t.tsv", [choice(1, "dog")])
    with pytest.raises(UserError, match=r"row 1 has the answer 'dog', expected the letter"):
        TASK.questions(tmp_path)


def test_exactly_one_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="0 tables"):
        TASK.questions(tmp_path)
    for name in ("a", "b"):
        write_table(tmp_path / f"{name}.tsv", [choice(1, "A")])
    with pytest.raises(UserError, match=r"2 tables \(\*.tsv\): a.tsv, b.tsv"):
        TASK.questions(tmp_path)
