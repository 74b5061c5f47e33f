"""GQA testdev_balanced (Hudson and Manning 2019): compositional questions about scenes, one right answer each.

Read from the release's `testdev_balanced_questions.json`, wherever its folders or LLaVA's bundle have it.

Published rule: LLaVA's `convert_gqa_for_eval.py` lower-cases the answer and drops periods at its end; the release's
`eval.py` compares exactly. Its accuracies by structural and by semantic type are here too; consistency, validity,
plausibility and the like need files the balanced release does not have. Strict rule: both sides in one form
(`chiasm.evals.vqa_normalise`), so that articles and spaces do not make an answer wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import find_file, read_json
from chiasm.evals.prompts import short_question
from chiasm.evals.submissions import reader, write_submission
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.vqa_normalise import normalise

_FOLDERS = ("gqa", "gqa/data", "GQA")
_FILE = "testdev_balanced_questions.json"
_PLACES = (_FILE, f"questions1.2/{_FILE}", f"questions/{_FILE}", f"data/{_FILE}", f"data/questions1.2/{_FILE}")
_PICTURES = ("images", "images/images", "../images", "../data/images")
_OPEN = "query"  # the structural type whose answer is a word; of all others it is a choice (eval.py)


@dataclass(frozen=True, slots=True)
class Truth:
    """The answer, and what the question is about: an object, an attribute, a relation, ... "" where nobody says."""

    answer: str
    semantic: str


def _questions(data: Path) -> list[Question]:
    path = find_file(data, "gqa", _PLACES, folders=_FOLDERS)
    whole = read_json(path)
    if not isinstance(whole, dict) or not whole or not all(_is_question(each) for each in whole.values()):
        held = len(whole) if isinstance(whole, dict | list) else 0
        raise UserError(
            f"{path}: expected an object of questions by id, each with imageId, question and answer; {held:,} records "
            "came and some are none. Fetch the release's questions1.2 again (its submission sets have no answers)"
        )
    names = [f"{record['imageId']}.jpg" for record in whole.values()]
    pictures = picture_folder(dict.fromkeys((path.parent, data, path.parent.parent)), _PICTURES, names)
    return [
        Question(
            id=key,
            key=key,
            text=short_question(record["question"]),
            images=(pictures / name,),
            reference=Truth(record["answer"], _type(record, "semantic")),
            category=_type(record, "structural"),
            group=str(record["imageId"]),
        )
        for (key, record), name in zip(whole.items(), names, strict=True)
    ]


def _is_question(record: object) -> bool:
    return isinstance(record, dict) and all(isinstance(record.get(n), str) for n in ("imageId", "question", "answer"))


def _type(record: Mapping[str, Any], kind: str) -> str:
    types = record.get("types")
    found = types.get(kind) if isinstance(types, dict) else None
    return found if isinstance(found, str) else ""


def _prediction(text: str) -> str:
    return text.rstrip(".").lower()


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    truth = question.reference
    assert isinstance(truth, Truth)
    if rule == "strict":
        read, right = normalise(text, rule), normalise(truth.answer, rule)
    else:
        read, right = _prediction(text), truth.answer
    return Mark(question, text, float(read == right), read, not read.strip(), {"expected": truth.answer})


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    counts: dict[str, list[float]] = {"": [0.0, 0]}
    for mark in marks:
        truth, structural = mark.question.reference, mark.question.category
        assert isinstance(truth, Truth)
        kinds = {"", structural, truth.semantic}
        if structural:
            kinds.add("open" if structural == _OPEN else "binary")
        for kind in kinds:
            of_kind = counts.setdefault(kind, [0.0, 0])
            of_kind[0] += mark.value
            of_kind[1] += 1
    total, num = counts.pop("")
    return {"accuracy": percent(total, num)} | {f"accuracy_{name}": percent(*counts[name]) for name in sorted(counts)}


def _submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
    """What eval.py takes as predictions."""
    records = ({"questionId": each.key, "prediction": _prediction(texts[each.key])} for each in questions)
    return write_submission(folder / "testdev_balanced_predictions.json", records)


TASK = Task(
    about="GQA testdev_balanced: 12,578 compositional questions about scenes",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="accuracy",
    rules=("published", "strict"),
    submit=_submit,
    read_answers=reader("questionId", "prediction"),
)
