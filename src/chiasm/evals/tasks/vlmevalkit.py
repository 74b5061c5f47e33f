"""Any question table of VLMEvalKit: the one TSV that lies in the folder, multiple choice or yes and no.

Asked as VLMEvalKit asks LLaVA: the hint, the question, the options, and a request for the letter in the language of the
question; yes-or-no questions as they stand. Published rule: VLMEvalKit's exact matching, before a judge. Strict rule:
`chiasm.evals.choices` and `chiasm.evals.yes_no`. Tables whose answers are free text are refused: they need a rule of
their own. MMBench has a task of its own, with circular evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.choices import LETTERS, option_lines, read_choice
from chiasm.evals.prompts import OPTION_LETTER
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.vlmevalkit import Row, Table, matched_option, matched_yes_no, read_table
from chiasm.evals.yes_no import YES_NO, read_yes_no

_OPTION_LETTER_CN = "请直接回答选项字母。"  # vlmeval/vlm/llava/llava.py, as LLaVA's model_vqa_mmbench.py
_CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Reference:
    """The right letter, or yes or no; None where the table does not tell. `options` are empty for yes and no."""

    answer: str | None
    options: Mapping[str, str]


def _questions(data: Path) -> list[Question]:
    paths = sorted(data.glob("*.tsv")) if data.is_dir() else []
    if len(paths) != 1:
        named = f": {', '.join(path.name for path in paths[:5])}" if paths else ""
        raise UserError(
            f"vlmevalkit: {data} holds {len(paths)} tables (*.tsv){named}. Name with --data a folder with exactly one"
        )
    table = read_table(paths[0])
    return [_question(row, table) for row in table.rows]


def _question(row: Row, table: Table) -> Question:
    cells = row.cells
    options = {letter: cells[letter] for letter in LETTERS if letter in cells}
    answer = cells.get("answer")
    if not options and answer is not None:
        answer = answer.lower()
    if (not options and answer not in ("yes", "no")) or (options and answer is not None and answer not in LETTERS):
        expected = "the letter of an option" if options else "Yes or No, or options A, B, ..."
        raise UserError(
            f"{table.path}: row {row.number} has the answer {answer!r}, expected {expected}. "
            "Tables with free answers are not read here"
        )
    text = "\n".join([*([cells["hint"]] if "hint" in cells else []), cells["question"]])
    if options:
        text = f"{text}\n{option_lines(options)}"
        text = f"{text}\n{_OPTION_LETTER_CN if _CHINESE.search(text) else OPTION_LETTER}"
    return Question(
        id=row.index,
        key=str(row.index),
        text=text,
        images=row.pictures,
        reference=Reference(answer, options),
        category=cells.get("category", ""),
        options=tuple(options) or YES_NO,
    )


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    reference = question.reference
    assert isinstance(reference, Reference)
    if reference.options:
        read = (matched_option if rule == "published" else read_choice)(text, reference.options)
    else:
        read = (matched_yes_no if rule == "published" else read_yes_no)(text)
    return Mark(question, text, float(read is not None and read == reference.answer), read or "", invalid=read is None)


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    """Accuracy, and that of each category where there are several; nothing where the table has no answers."""
    values: dict[str, list[float]] = {}
    for mark in marks:
        assert isinstance(mark.question.reference, Reference)
        if mark.question.reference.answer is not None:
            values.setdefault(mark.question.category, []).append(mark.value)
    everything = [value for each in values.values() for value in each]
    metrics = {"accuracy": percent(sum(everything), len(everything))} if everything else {}
    if any(values):
        metrics |= {f"accuracy_{name}": percent(sum(each), len(each)) for name, each in sorted(values.items()) if name}
    return metrics


TASK = Task(
    about="A question table of VLMEvalKit (*.tsv): multiple choice, or yes and no",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="accuracy",
    max_tokens=512,  # VLMEvalKit's for LLaVA
    rules=("published", "strict"),
)
