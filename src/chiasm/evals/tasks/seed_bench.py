"""SEED-Bench (Li et al., arXiv 2307.16125): four choices about a picture, or about the middle frame of a video.

Read from `SEED-Bench.json`, with pictures where LLaVA's evaluation puts them: `SEED-Bench-image/<data_id>` and, for
videos, the frame `SEED-Bench-video-image/<type>_<question>.png`. Answers may also be JSON lines of `question_id` and
`prediction`, as LLaVA's converter uploads them, with or without a `gt_answer`; where SEED-Bench.json is absent, a file
in the folder that has it is itself the truth and can be scored, though not asked.

Published rule: LLaVA's `convert_seed_for_submission.py`: the answer is the letter and nothing else ("A." is wrong).
Strict rule: `chiasm.evals.choices`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.data.records import RecordFile
from chiasm.errors import UserError
from chiasm.evals.choices import lettered, option_lines, read_choice
from chiasm.evals.files import find_file, find_path, read_json, read_records
from chiasm.evals.prompts import OPTION_LETTER
from chiasm.evals.task import Mark, Question, Rule, Task, numbered, one_by_one, percent

_FILE = "SEED-Bench.json"
_FOLDERS = ("seed_bench", "SEED-Bench", "SEED-Bench-1")
_LETTERS = "ABCD"
_KINDS = ("image", "video")


@dataclass(frozen=True, slots=True)
class Reference:
    """The right letter and what it stands for; `subsets` are the metrics the question counts in."""

    answer: str
    options: Mapping[str, str]
    subsets: tuple[str, ...] = ()


def _questions(data: Path) -> list[Question]:
    if find_path(data, (_FILE,), folders=_FOLDERS) is None and (own := _own_truths(data)) is not None:
        return _from_truths(own)
    path = find_file(data, "seed_bench", (_FILE,), folders=_FOLDERS)
    content = read_json(path)
    records = content.get("questions") if isinstance(content, dict) else None
    if not isinstance(records, list) or not records:
        raise UserError(f"{path} must hold an object with a list 'questions'. Fetch SEED-Bench.json again")
    types = content.get("question_type", {})
    names = {number: str(name) for name, number in types.items()} if isinstance(types, dict) else {}
    questions = [_question(record, number, names, path) for number, record in enumerate(records)]
    if twice := len(questions) - len({question.key for question in questions}):
        raise UserError(f"{path}: {twice:,} of {len(questions):,} question ids stand there twice. Fetch the file again")
    return questions


def _question(record: Any, number: int, names: Mapping[object, str], path: Path) -> Question:
    needed = ("question_id", "question", "data_id", *(f"choice_{letter.lower()}" for letter in _LETTERS))
    if not isinstance(record, dict) or any(not isinstance(record.get(name), str | int) for name in needed):
        raise UserError(f"{path}: question {number} needs {', '.join(needed)}. Fetch the file again")
    answer, kind, kind_id = record.get("answer"), record.get("data_type"), record.get("question_type_id")
    if answer not in tuple(_LETTERS) or kind not in _KINDS:
        raise UserError(
            f"{path}: question {record['question_id']} has the answer {answer!r} and the data_type {kind!r}, expected "
            "a letter from A to D and image or video. Fetch the file again"
        )
    identity = str(record["question_id"])
    options = lettered([str(record[f"choice_{letter.lower()}"]) for letter in _LETTERS])
    if kind == "image":
        picture = path.parent / "SEED-Bench-image" / str(record["data_id"])
    else:
        picture = path.parent / "SEED-Bench-video-image" / f"{kind_id}_{identity}.png"
    ability = names.get(kind_id, "")
    subsets = (f"accuracy_{kind}", *([f"accuracy_{_metric_name(ability)}"] if ability else []))
    return Question(
        id=int(identity) if identity.isdecimal() else identity,  # as LLaVA's script writes it
        key=identity,
        text=f"{record['question']}\n{option_lines(options)}\n{OPTION_LETTER}",
        images=(picture,),
        reference=Reference(answer, options, subsets),
        category=ability,
        group=str(record["data_id"]) if kind == "image" else "",
        options=tuple(_LETTERS),
    )


def _metric_name(ability: str) -> str:
    """scene_understanding for Scene Understanding."""
    return re.sub(r"\W+", "_", ability).strip("_").lower()


def _own_truths(data: Path) -> Path | None:
    """The one file of answers in the folder that says what is right."""
    found = [
        path
        for root in (data, *(data / name for name in _FOLDERS))
        for path in sorted(root.glob("*.jsonl"))
        if _begins_with(path, "prediction", "gt_answer")
    ]
    if len(found) > 1:
        raise UserError(f"seed_bench: {data} holds {len(found)} files of answers with truths and no {_FILE}: leave one")
    return found[0] if found else None


def _begins_with(path: Path, *names: str) -> bool:
    """Whether the first line of a file has these fields."""
    with path.open("rb") as file:
        start = file.readline(65536)
    return all(f'"{name}"'.encode() in start for name in names)


def _keys(records: Sequence[Mapping[str, Any]], path: Path) -> list[str]:
    """A key for each record: the id, with a number behind where the id stood there before.

    Such files hold some questions twice, answered twice: the lines are what was counted.
    """
    ids = []
    for number, record in enumerate(records):
        identity = record.get("question_id")
        if not isinstance(identity, str | int) or not isinstance(record.get("prediction"), str):
            raise UserError(f"{path}: record {number} needs a question_id and a prediction. Write the file again")
        ids.append(str(identity))
    return list(numbered(ids))


def _from_truths(path: Path) -> list[Question]:
    """Questions of which only the truth is known."""
    records = read_records(path)
    if wrong := [record for record in records if record.get("gt_answer") not in tuple(_LETTERS)]:
        raise UserError(f"{path}: {len(wrong):,} of {len(records):,} records have no gt_answer from A to D")
    return [
        Question(
            id=key,
            key=key,
            text="",
            reference=Reference(record["gt_answer"], dict.fromkeys(_LETTERS, "")),
            options=tuple(_LETTERS),
        )
        for key, record in zip(_keys(records, path), records, strict=True)
    ]


def _read_answers(path: Path, questions: Sequence[Question]) -> dict[str, str] | None:
    """Answers from JSON lines of question_id and prediction; truths, where they say them, must be the benchmark's."""
    if not path.is_file() or not _begins_with(path, "question_id", "prediction") or _begins_with(path, "text"):
        return None
    if torn := RecordFile(path).torn:
        raise UserError(f"{torn}: answers must be whole. Let the run that wrote them go on, or fetch the file again")
    records = read_records(path)
    truths = {question.key: question.reference for question in questions}
    texts: dict[str, str] = {}
    num_others = 0
    for key, record in zip(_keys(records, path), records, strict=True):
        truth = truths.get(key)
        num_others += isinstance(truth, Reference) and truth.answer != record.get("gt_answer", truth.answer)
        texts[key] = record["prediction"]
    if num_others:
        raise UserError(
            f"{path}: {num_others:,} of {len(records):,} answers name another truth than the benchmark has. "
            "They belong to another version of SEED-Bench"
        )
    return texts


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    reference = question.reference
    assert isinstance(reference, Reference)
    if rule == "strict":
        read = read_choice(text, reference.options)
    else:
        read = text if text in tuple(_LETTERS) else None
    return Mark(question, text, float(read == reference.answer), read or "", invalid=read is None)


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    num: dict[str, int] = {}
    num_right: dict[str, float] = {}
    for mark in marks:
        assert isinstance(mark.question.reference, Reference)
        for name in ("accuracy", *mark.question.reference.subsets):
            num[name] = num.get(name, 0) + 1
            num_right[name] = num_right.get(name, 0) + mark.value
    first = ["accuracy", *(f"accuracy_{kind}" for kind in _KINDS)]
    order = [name for name in first if name in num] + sorted(num.keys() - set(first))
    return {name: percent(num_right[name], num[name]) for name in order}


TASK = Task(
    about="SEED-Bench: 19,242 questions with four choices about pictures and about frames of videos",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="accuracy",
    rules=("published", "strict"),
    read_answers=_read_answers,
)
