"""MMBench: prompts, circular evaluation, categories, tables that are cut off, and the server's spreadsheet."""

from __future__ import annotations

import base64
import csv
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.task import Mark, Question, Rule, Task
from chiasm.evals.tasks import mmbench, mmbench_cn
from chiasm.evals.tasks._mmbench import Reference

TASK = mmbench.TASK
PICTURE = b"\x89PNG" + bytes(range(200))
COLUMNS = ("index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image", "source", "l2-category")
LAST = ("comment", "split")


def write_table(folder: Path, rows: Sequence[Mapping[str, str]], name: str = "mmbench_dev_20230712.tsv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *LAST], delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def rotations(index: int, options: Sequence[str], right: str, **more: str) -> list[dict[str, str]]:
    """A question with its options rotated, as the release has it: k places to the right in row index + 1000000 k."""
    rows = []
    for k in range(len(options)):
        turned = [options[(place - k) % len(options)] for place in range(len(options))]
        row = {"index": str(index + k * 1_000_000), "question": f"What is in {index}?", "split": "dev"}
        rows.append({**row, **dict(zip("ABCD", turned, strict=False)), "answer": "ABCD"[turned.index(right)], **more})
    return rows


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two questions: three options in three rotations, two options in two."""
    image = base64.b64encode(PICTURE).decode()
    first = rotations(
        5, ["dog", "cat", "fox"], "cat", hint="It purrs.", image=image, category="animals", **{"l2-category": "coarse"}
    )
    second = rotations(9, ["one", "two"], "one", image="5", category="counting", **{"l2-category": "coarse"})
    return write_table(tmp_path / "mmbench", [first[0], second[0], *first[1:], *second[1:]])


def marks(task: Task, folder: Path, answers: Mapping[str, str], rule: Rule = "published") -> list[Mark]:
    questions = task.questions(folder)
    return task.mark(questions, {q.key: answers.get(q.key, right(q)) for q in questions}, rule)


def right(question: Question) -> str:
    assert isinstance(question.reference, Reference)
    return str(question.reference.answer)


def test_prompt_is_llavas(release: Path, check_golden: Callable[[str, str], None]) -> None:
    (release / "mmbench_dev_20230712.tsv").rename(release / "mmbench_dev_cn_20231003.tsv")
    chinese = mmbench_cn.TASK.questions(release)
    (release / "mmbench_dev_cn_20231003.tsv").rename(release / "mmbench_dev_20230712.tsv")
    shown = [*TASK.questions(release)[:3], chinese[0]]
    check_golden("evals/mmbench.txt", "".join(f"{q.id} {q.options}\n{q.text}\n\n" for q in shown))


def test_pictures_are_bytes_and_shared(release: Path) -> None:
    assert {question.images for question in TASK.questions(release)} == {(PICTURE,)}


def test_a_table_without_pictures_names_where_they_should_be(tmp_path: Path) -> None:
    questions = TASK.questions(write_table(tmp_path, rotations(7, ["a", "b"], "a")))
    assert {question.images for question in questions} == {(tmp_path / "images/mmbench_dev_20230712/7.jpg",)}


def test_a_question_counts_when_all_its_rotations_are_right(release: Path) -> None:
    assert TASK.metrics(marks(TASK, release, {})) == {
        **{"accuracy_circular": 100, "accuracy": 100, "accuracy_circular_animals": 100},
        **{"accuracy_circular_coarse": 100, "accuracy_circular_counting": 100},
    }
    rotated = TASK.metrics(marks(TASK, release, {"2000005": "C"}))  # cat, fox, dog: A is right
    assert (rotated["accuracy_circular"], rotated["accuracy"]) == (50, 100)
    assert (rotated["accuracy_circular_animals"], rotated["accuracy_circular_counting"]) == (0, 100)
    plain = TASK.metrics(marks(TASK, release, {"9": "B"}))
    assert (plain["accuracy_circular"], plain["accuracy"]) == (50, 50)


def test_resampled_questions_count_as_often_as_they_were_drawn(release: Path) -> None:
    all_marks = marks(TASK, release, {"9": "B"})
    good = [mark for mark in all_marks if mark.question.group == "5"]
    bad = [mark for mark in all_marks if mark.question.group == "9"]
    assert TASK.metrics([*good, *bad, *good])["accuracy_circular"] == pytest.approx(200 / 3)
    assert TASK.metrics([*good, *good])["accuracy_circular"] == 100


def test_a_part_of_the_rotations_is_no_circular_score(release: Path) -> None:
    first = marks(TASK, release, {})[:3]  # as --limit 3 leaves them: no question is whole
    assert TASK.metrics(first) == {"accuracy": 100}


def test_answers_are_read_by_both_rules(release: Path) -> None:
    answers = {"5": "B. cat", "1000005": "c", "2000005": "The answer is A."}
    read = {rule: marks(TASK, release, answers, rule) for rule in TASK.rules}
    by_key = {rule: {mark.question.key: mark for mark in each} for rule, each in read.items()}
    assert by_key["published"]["5"].value == by_key["strict"]["5"].value == 1
    assert (by_key["published"]["1000005"].invalid, by_key["strict"]["1000005"].value) == (True, 1)
    assert by_key["published"]["2000005"].value == by_key["strict"]["2000005"].value == 1


def test_a_table_without_rotations_has_a_plain_score_only(tmp_path: Path) -> None:
    folder = write_table(tmp_path, [rotations(index, ["yes", "no"], "no")[0] for index in (1, 2)])
    assert TASK.metrics(marks(TASK, folder, {"1": "A"})) == {"accuracy": 50}


def test_an_option_pandas_takes_for_empty_ends_the_options(tmp_path: Path) -> None:
    folder = write_table(tmp_path, rotations(1, ["dog", "NA", "fox"], "dog")[:1])
    with pytest.raises(UserError, match="row 1 has 1 options"):
        TASK.questions(folder)
    folder = write_table(tmp_path, rotations(1, ["dog", "cat", "None"], "dog")[:1])
    assert TASK.questions(folder)[0].options == ("A", "B")


# ---- the real table --------------------------------------------------------------------------------------------------


def real_rows(shared_data: Path) -> list[dict[str, str]]:
    path = shared_data / "eval/mmbench/mmbench_dev_20230712_quarter.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_real_table_is_scored_as_counted_by_hand(shared_data: Path) -> None:
    rows = real_rows(shared_data)
    task_marks = marks(TASK, shared_data / "eval", {row["index"]: "B" for row in rows})
    plain = [row["answer"] == "B" for row in rows if int(row["index"]) < 1_000_000]
    assert len(task_marks) == len(rows) == 1089
    assert TASK.metrics(task_marks) == pytest.approx(
        {"accuracy_circular": 0, "accuracy": 100 * sum(plain) / len(plain)}
    )
    # The right answer everywhere but in one rotation of every tenth question.
    groups = Counter(int(row["index"]) % 1_000_000 for row in rows)
    spoilt = {str(1_000_000 + group): "E" for group in sorted(groups)[::10]}
    assert TASK.metrics(marks(TASK, shared_data / "eval", spoilt)) == pytest.approx(
        {"accuracy_circular": 100 * (1 - len(spoilt) / len(groups)), "accuracy": 100}
    )


def test_the_real_prompts_are_built_by_llavas_rule(shared_data: Path) -> None:
    suffix = "Answer with the option's letter from the given choices directly."
    for row, question in zip(real_rows(shared_data), TASK.questions(shared_data / "eval/mmbench"), strict=True):
        options = [f"{letter}. {row[letter]}" for letter in "ABCD" if row[letter]]
        assert question.text == "\n".join([row["question"], *options, suffix])


# ---- broken input ----------------------------------------------------------------------------------------------------


def test_a_question_that_lost_its_rotations_is_noticed(tmp_path: Path) -> None:
    folder = write_table(tmp_path, [*rotations(1, ["a", "b"], "a"), *rotations(2, ["c", "d"], "c")[:1]])
    with pytest.raises(UserError, match=r"1 of 2 questions lack some of their rotations \(first: 2\)"):
        TASK.questions(folder)


def test_the_real_table_cut_off_is_noticed(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "eval/mmbench/mmbench_dev_20230712_quarter.tsv").read_text(encoding="utf-8").splitlines(True)
    for kept in (1000, 700, 400):
        (tmp_path / "mmbench_dev_20230712.tsv").write_text("".join(lines[:kept]), encoding="utf-8")
        with pytest.raises(UserError, match="questions lack some of their rotations"):
            TASK.questions(tmp_path)
    (tmp_path / "mmbench_dev_20230712.tsv").write_text("".join(lines)[:-30], encoding="utf-8")
    with pytest.raises(UserError, match=r"row 1089 has \d fields, the header 8, after 1,088 whole"):
        TASK.questions(tmp_path)


def test_a_last_option_that_stays_lacks_one_rotation(tmp_path: Path) -> None:
    rows = []
    for k, options in enumerate((("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a"))):
        cells = dict(zip("ABCD", [*options, "All of the above"], strict=True))
        rows.append({"index": str(1 + k * 1_000_000), "question": "Which?", "answer": "D", **cells})
    folder = write_table(tmp_path, [*rows, *rotations(2, ["a", "b", "c", "d"], "a")])
    assert len(TASK.questions(folder)) == 7
    write_table(tmp_path, [*rows[:1], *rows[2:], *rotations(2, ["a", "b", "c", "d"], "a")])
    with pytest.raises(UserError, match=r"1 of 2 questions lack"):
        TASK.questions(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"index": "x1", "question": "?", "A": "a", "B": "b", "answer": "A"}, r"the index 'x1' is no number"),
        ({"index": "1", "question": "?", "A": "a", "answer": "A"}, r"row 1 has 1 options"),
        ({"index": "1", "question": "?", "A": "a", "B": "b", "answer": "a"}, r"row 1 has the answer 'a'"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, row: Mapping[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TASK.questions(write_table(tmp_path, [row]))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mmbench_dev_20230712\.tsv"):
        TASK.questions(tmp_path)


# ---- the test split --------------------------------------------------------------------------------------------------

_CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_spreadsheet(path: Path) -> list[dict[str, str | int]]:
    """Rows by column letter, read by the standard's rules and not by the writer's."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows: list[dict[str, str | int]] = []
    for row in sheet.iter(f"{_CELL}row"):
        cells: dict[str, str | int] = {}
        for cell in row.iter(f"{_CELL}c"):
            column = cell.attrib["r"].removesuffix(row.attrib["r"])
            if cell.get("t") == "inlineStr":
                cells[column] = "".join(text.text or "" for text in cell.iter(f"{_CELL}t"))
            else:
                cells[column] = int(cell.findtext(f"{_CELL}v") or "")
        rows.append(cells)
    return rows


def test_the_submission_is_the_table_with_predictions(release: Path, tmp_path: Path) -> None:
    table = (release / "mmbench_dev_20230712.tsv").read_text(encoding="utf-8").splitlines()
    answer = table[0].split("\t").index("answer")
    cut = ["\t".join(cell for place, cell in enumerate(line.split("\t")) if place != answer) for line in table]
    (release / "mmbench_dev_20230712.tsv").unlink()
    (release / "mmbench_test_20230712.tsv").write_text("\n".join(cut) + "\n", encoding="utf-8")
    questions = TASK.questions(release)
    texts = {question.key: f"B & <{question.key}>\x00" for question in questions}
    assert TASK.metrics(TASK.mark(questions, texts, "published")) == {}
    assert TASK.submit is not None
    path = TASK.submit(questions, texts, tmp_path / "out")
    header, *rows = read_spreadsheet(path)
    # LLaVA's converter: without hint, category, source, image, comment and l2-category, `prediction` in place 6.
    assert list(header.values()) == ["index", "question", "A", "B", "C", "D", "prediction", "split"]
    assert len(rows) == 5
    assert rows[0] == {
        **{"A": 5, "B": "What is in 5?", "C": "dog", "D": "cat", "E": "fox"},
        **{"G": "B & <5> ", "H": "dev"},
    }
    assert [row["A"] for row in rows] == [question.id for question in questions]


def test_a_cell_too_long_for_a_spreadsheet_is_refused(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    assert TASK.submit is not None
    with pytest.raises(UserError, match=r"row 1 has a cell of 40,000 characters"):
        TASK.submit(questions, {question.key: "B" * 40_000 for question in questions}, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_answers_of_llavas_script_are_matched(release: Path, tmp_path: Path) -> None:
    questions = TASK.questions(release)
    # model_vqa_mmbench.py writes the prompt without the last line.
    lines = [
        f'{{"question_id": {q.id}, "round_id": 0, "prompt": "What is in {q.group}?", "text": "{right(q)}"}}\n'
        for q in questions
    ]
    (tmp_path / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
    found = read_answers(tmp_path / "answers.jsonl", "mmbench", TASK, questions)
    assert TASK.metrics(TASK.mark(questions, found.texts, "published"))["accuracy_circular"] == 100
