"""LLaVA-Interleave-Bench (Li et al. 2024, arXiv 2407.07895): questions about several pictures at once.

Reads `multi_image_in_domain.json`, `multi_image_out_domain.json` and `multi_view_in_domain.json` as released
(`sample_id`, `image`: a list, `conversations`, `metadata` with `dataset` and `question_type`), and any other
`multi_image*.json` in LLaVA's layout (`id`, `images`), of which the first question is asked and a question is multiple
choice when its answer is a letter. The record's text is the whole prompt; pictures stand where it says `<image>`.

Published rule: `evaluate_interleave.py` of LLaVA-NeXT. Multiple choice is right when answer and truth are one after
punctuation, or the answer has the letter alone between colons; open answers score ROUGE-L of their first 512
characters. `score` is the mean over data sets. Strict rule: letters are read by `chiasm.evals.choices`, open answers
are not cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.conversation import IMAGE_MARKER
from chiasm.data.records import RecordFile
from chiasm.errors import UserError
from chiasm.evals.captions.rouge_summary import rouge_l_of_texts
from chiasm.evals.choices import read_choice
from chiasm.evals.files import find_path, read_records
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.vqa_normalise import normalise, without_punctuation

_FOLDERS = ("interleave_bench", "llava-interleave-bench", "interleave_data", "mantis")
_RELEASED = ("multi_image_in_domain.json", "multi_image_out_domain.json", "multi_view_in_domain.json")
_OTHER = "multi_image*.json"
_CHOICE, _OPEN = "multi-choice", "open-ended"  # of `question_type`
_CHOICE_LETTERS = "abcdefgh"  # those evaluate_interleave.py looks for
_LONGEST = 512  # characters of an open answer it scores
_OPTION = re.compile(r"(?:^|\n|\s)\(?([A-H])[.):：]\s")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the record answers. `letters` are the options offered; "True or False?", a choice too, has none."""

    answer: str
    is_choice: bool
    letters: str = ""


def _questions(data: Path) -> list[Question]:
    found = [path for name in _RELEASED if (path := find_path(data, (name,), folders=_FOLDERS))]
    if not found and (path := find_path(data, (_OTHER,), folders=_FOLDERS)):
        found = [path]
    if not found:
        raise UserError(
            f"interleave_bench: none of {', '.join((*_RELEASED, _OTHER))} is in {data} or its {_FOLDERS[0]}. "
            "Name with --data the folder of LLaVA-Interleave-Bench"
        )
    questions = [question for path in found for question in _of_file(path)]
    if again := len(questions) - len({question.key for question in questions}):
        raise UserError(
            f"interleave_bench: {again:,} of {len(questions):,} samples of {', '.join(path.name for path in found)} "
            "come again. Fetch the files again"
        )
    return questions


def _of_file(path: Path) -> list[Question]:
    records = read_records(path)
    wrong = [number for number, record in enumerate(records) if not _is_sample(record)]
    if wrong:
        raise UserError(
            f"{path}: {len(wrong):,} of {len(records):,} records are no samples (first: {wrong[0]}). Each needs an id, "
            "a list of pictures, a question with as many <image> (or none), and an answer"
        )
    folder = picture_folder((path.parent,), ("", "images", "eval_images"), (_pictures(each)[0] for each in records))
    return [_question(record, folder) for record in records]


def _identity(record: Mapping[str, Any]) -> object:
    return record.get("sample_id", record.get("id"))


def _pictures(record: Mapping[str, Any]) -> list[str]:
    pictures = record.get("image", record.get("images"))
    return pictures if isinstance(pictures, list) else []


def _turns(record: Mapping[str, Any]) -> list[str]:
    turns = record.get("conversations")
    said = turns[:2] if isinstance(turns, list) else []
    return [each["value"] for each in said if isinstance(each, dict) and isinstance(each.get("value"), str)]


def _is_sample(record: Mapping[str, Any]) -> bool:
    pictures, turns = _pictures(record), _turns(record)
    return (
        isinstance(_identity(record), int | str)
        and bool(pictures)
        and all(isinstance(each, str) for each in pictures)
        and len(turns) == 2
        and turns[0].count(IMAGE_MARKER) in (0, len(pictures))
    )


def _about(record: Mapping[str, Any], name: str) -> str:
    metadata = record.get("metadata")
    value = metadata.get(name) if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else ""


def _question(record: Mapping[str, Any], folder: Path) -> Question:
    text, answer = _turns(record)
    dataset = _about(record, "dataset")
    identity = _name(dataset, _identity(record))
    kind = _about(record, "question_type") or (_CHOICE if _plain(answer) in tuple(_CHOICE_LETTERS) else _OPEN)
    offered = {*_OPTION.findall(text), _plain(answer).upper()} if _plain(answer) in tuple(_CHOICE_LETTERS) else set()
    return Question(
        id=identity,
        key=identity,
        text=text.strip(),
        images=tuple(folder / name for name in _pictures(record)),
        reference=Truth(answer, kind == _CHOICE, "".join(sorted(offered))),
        category=dataset,
        in_place=IMAGE_MARKER in text,
    )


def _name(dataset: str, identity: object) -> str:
    """Samples are numbered anew in each data set."""
    return f"{dataset}/{identity}" if dataset else str(identity)


def _plain(answer: str) -> str:
    return without_punctuation(answer).strip("'").strip('"').strip(")").strip("(").strip().lower()


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    truth = question.reference
    assert isinstance(truth, Truth)
    expected = {"expected": truth.answer}
    if not truth.is_choice:
        read = _plain(text)[:_LONGEST] if rule == "published" else _plain(text)
        return Mark(question, text, rouge_l_of_texts(read, _plain(truth.answer)), read, not read, expected)
    if rule == "strict" and truth.letters:
        letter = read_choice(text, truth.letters)
        is_right = letter is not None and letter.lower() == _plain(truth.answer)
        return Mark(question, text, float(is_right), letter or "", letter is None, expected)
    read = _between_colons(_plain(text)) if rule == "published" else normalise(text, rule)
    right = _plain(truth.answer) if rule == "published" else normalise(truth.answer, rule)
    return Mark(question, text, float(read == right), read, not read, expected)


def _between_colons(answer: str) -> str:
    parts = [part.strip() for part in answer.split(":")] if ":" in answer else []
    return next((part for part in reversed(parts) if len(part) == 1 and part in _CHOICE_LETTERS), answer)


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    """`accuracy` of choices and `rouge_l` of open answers, also by data set; `score` is the mean over data sets."""
    counts: dict[tuple[str, str], list[float]] = {}
    for mark in marks:
        truth = mark.question.reference
        assert isinstance(truth, Truth)
        metric = "accuracy" if truth.is_choice else "rouge_l"
        for dataset in {"", mark.question.category}:
            count = counts.setdefault((metric, dataset), [0.0, 0])
            count[0] += mark.value
            count[1] += 1
    values = {key: percent(*count) for key, count in sorted(counts.items())}
    of_sets = [value for (_, dataset), value in values.items() if dataset] or list(values.values())
    named = {f"{metric}_{dataset}".rstrip("_"): value for (metric, dataset), value in values.items()}
    return {"score": sum(of_sets) / len(of_sets), **named} if of_sets else {}


def _read_answers(path: Path, questions: Sequence[Question]) -> Mapping[str, str] | None:
    """The lines LLaVA-NeXT's `model_vqa.py` writes for this set: `dataset`, `sample_id`, `pred_response`."""
    if not path.is_file():
        return None
    file = RecordFile(path)
    first = file[0] if len(file) else None
    if not (isinstance(first, dict) and "pred_response" in first and "sample_id" in first):
        return None
    texts: dict[str, str] = {}
    twice = no_text = 0
    for record in file:
        key = _name(str(record.get("dataset") or ""), record.get("sample_id")) if isinstance(record, dict) else ""
        text = record.get("pred_response") if isinstance(record, dict) else None
        no_text += not isinstance(text, str)
        twice += key in texts
        texts[key] = str(text)
    if file.torn or twice or no_text:
        raise UserError(
            f"{path}: {no_text:,} of {len(file):,} lines hold no pred_response, {twice:,} answer a sample again"
            f"{', and the last is torn off' if file.torn else ''}. Expected one whole line a sample: run it again"
        )
    return texts


TASK = Task(
    about="LLaVA-Interleave-Bench: questions about several pictures at once",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="score",
    max_tokens=1024,
    rules=("published", "strict"),
    read_answers=_read_answers,
)
