"""What MMBench and its Chinese twin share: their table, circular evaluation, and the server's spreadsheet.

A question stands in the table several times, its options rotated: row `i + 1000000 * k` is rotation k of row i.
Circular evaluation (Liu et al., arXiv 2307.06281, section 4.1) counts a question as right when all its rotations are;
`accuracy` is over the rows that are not rotated, what a single pass would report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.choices import LETTERS, option_lines, read_choice
from chiasm.evals.files import find_file
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._spreadsheet import write_spreadsheet
from chiasm.evals.vlmevalkit import Row, Table, matched_option, options_of, read_table

_ROTATION = 1_000_000
# What LLaVA's converter leaves out of the spreadsheet, and where it puts the predictions
# (scripts/convert_mmbench_for_submission.py).
_LEFT_OUT = ("hint", "category", "source", "image", "comment", "l2-category")
_PREDICTION_COLUMN = 6


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known about a row. `answer` is None in the test split; `num_rotations` are the rows of its question.

    `categories` are the row's abilities, the finer first. `cells` is what the submission repeats.
    """

    answer: str | None
    options: Mapping[str, str]
    rotation: int
    num_rotations: int
    categories: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]


def mmbench(about: str, name: str, places: Sequence[str], suffix: str) -> Task:
    """MMBench in one language: `places` are file names, `suffix` is the line LLaVA-1.5 was asked with at the end."""

    def questions(data: Path) -> list[Question]:
        table = read_table(find_file(data, name, places, folders=(name, "mmbench", "MMBench")))
        sizes = _rotations(table)
        return [_question(row, table, sizes, suffix) for row in table.rows]

    return Task(
        about=about,
        questions=questions,
        mark=one_by_one(_mark),
        metrics=_metrics,
        headline="accuracy_circular",
        max_tokens=1024,  # model_vqa_mmbench.py's
        rules=("published", "strict"),
        submit=_submit(f"{name}.xlsx"),
    )


def _question(row: Row, table: Table, sizes: Mapping[int, int], suffix: str) -> Question:
    cells, options = row.cells, options_of(row.cells)
    first, rotation = _position(row, table.path)
    if len(options) < 2:
        raise UserError(f"{table.path}: row {row.number} has {len(options)} options, expected 2 to 4. Fetch it again")
    answer = cells.get("answer")
    if answer is not None and answer not in tuple(LETTERS):
        raise UserError(f"{table.path}: row {row.number} has the answer {answer!r}, expected a letter. Fetch it again")
    hint = f"{cells['hint']}\n" if "hint" in cells else ""
    return Question(
        id=row.index,
        key=str(row.index),
        text=f"{hint}{cells['question']}\n{option_lines(options)}\n{suffix}",
        # A table without pictures can be scored; who is to answer it needs them where VLMEvalKit unpacks them.
        images=row.pictures or (table.path.parent / "images" / table.path.stem / f"{first}.jpg",),
        reference=Reference(
            answer=answer,
            options=options,
            rotation=rotation,
            num_rotations=sizes[first],
            categories=tuple(dict.fromkeys(cells[name] for name in ("category", "l2-category") if name in cells)),
            cells=tuple((name, cells.get(name, "")) for name in table.columns if name not in _LEFT_OUT),
        ),
        category=cells.get("category", ""),
        group=str(first),
        options=tuple(options),
    )


def _position(row: Row, path: Path) -> tuple[int, int]:
    """Which question a row asks and in which rotation."""
    if not isinstance(row.index, int):
        raise UserError(f"{path}: row {row.number}: the index {row.index!r} is no number. Is it MMBench's table?")
    return row.index % _ROTATION, row.index // _ROTATION


def _rotations(table: Table) -> dict[int, int]:
    """How many rows each question has. Raises `UserError` when some have fewer than they should.

    As many as options, the release's tables say, or one fewer where the last option ("All of the above") stays in its
    place; a table without any rotated row is whole too.
    """
    rotations: dict[int, list[int]] = {}
    last: dict[int, set[str]] = {}
    num_options: dict[int, int] = {}
    for row in table.rows:
        first, rotation = _position(row, table.path)
        options = options_of(row.cells)
        rotations.setdefault(first, []).append(rotation)
        last.setdefault(first, set()).add(list(options.values())[-1] if options else "")
        num_options[first] = len(options)
    most: dict[int, int] = {}
    for first, found in rotations.items():
        most[num_options[first]] = max(most.get(num_options[first], 0), len(found))
    cut = [
        first
        for first, found in rotations.items()
        if sorted(found) != list(range(len(found)))
        or (len(found) < most[num_options[first]] and (len(found) == 1 or len(last[first]) > 1))
    ]
    if cut:
        raise UserError(
            f"{table.path}: {len(cut):,} of {len(rotations):,} questions lack some of their rotations "
            f"(first: {cut[0]}). The file is cut off or was filtered: fetch it again"
        )
    return {first: len(found) for first, found in rotations.items()}


def _reference(question: Question) -> Reference:
    assert isinstance(question.reference, Reference)
    return question.reference


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    reference = _reference(question)
    read = (matched_option if rule == "published" else read_choice)(text, reference.options)
    return Mark(question, text, float(read is not None and read == reference.answer), read or "", invalid=read is None)


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    """Nothing for the test split; circular accuracy only over questions of which all rotations were asked."""
    marks = [mark for mark in marks if _reference(mark.question).answer is not None]
    plain = [mark.value for mark in marks if not _reference(mark.question).rotation]
    if not marks:
        return {}
    circular: dict[str, tuple[int, int]] = {}  # by category, "" for all: how many questions, how many right
    for group in _groups(marks):
        for category in ("", *group.categories):
            num, num_right = circular.get(category, (0, 0))
            circular[category] = num + group.copies, num_right + (group.copies if group.all_right else 0)
    values = {category: percent(right, num) for category, (num, right) in sorted(circular.items())}
    of_all = {"accuracy_circular": values.pop("")} if values else {}
    of_each = {f"accuracy_circular_{category}": value for category, value in values.items()}
    return {**of_all, "accuracy": percent(sum(plain), len(plain)), **of_each}


@dataclass(slots=True)
class _Group:
    """The rotations of a question, all of them as often as a resample drew the question: `copies` times."""

    first: str
    size: int
    categories: tuple[str, ...]
    num: int = 0
    copies: int = 0
    all_right: bool = True


def _groups(marks: Sequence[Mark]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for mark in marks:
        question = mark.question
        group = groups.get(question.group)
        if group is None:
            reference = _reference(question)
            group = groups[question.group] = _Group(question.key, reference.num_rotations, reference.categories)
        group.num += 1
        group.copies += question.key == group.first
        group.all_right = group.all_right and mark.value == 1
    return [group for group in groups.values() if group.size > 1 and group.num == group.size * group.copies]


def _submit(file: str) -> Callable[[Sequence[Question], Mapping[str, str], Path], Path]:
    def submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
        """The spreadsheet of LLaVA's converter: the table without pictures and categories, and `prediction`."""
        columns = [name for name, _ in _reference(questions[0]).cells] if questions else []
        place = min(_PREDICTION_COLUMN, len(columns))
        rows: list[list[str | int]] = [[*columns[:place], "prediction", *columns[place:]]]
        for question in questions:
            cells: list[str | int] = [value for _, value in _reference(question).cells]
            if "index" in columns and isinstance(question.id, int):
                cells[columns.index("index")] = question.id
            rows.append([*cells[:place], texts[question.key], *cells[place:]])
        return write_spreadsheet(folder / file, rows)

    return submit
