"""TextVQA validation (Singh et al. 2019) with reference OCR tokens: questions about text in pictures.

Asked as LLaVA-1.5 was: each line of `llava_textvqa_val_v051_ocr.jsonl` holds a question and the words that the Rosetta
OCR found in the picture. The ten people's answers are in `TextVQA_0.5.1_val.json`. Without the words: task
`textvqa_plain`. Answers files know a question by its picture, so the key is the picture and the question's text; where
two are alike, both are asked and counted, against the last one's people, as the published script does.

Published rule: `eval_textvqa.py` and `m4c_evaluator.py` of LLaVA: answer and people's answers in MMF's form
(`chiasm.evals.vqa_normalise`), then the people vote. Strict rule: the same without the form's quirks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import find_file, read_json, read_records
from chiasm.evals.soft_vote import accuracies, human_answers, vote
from chiasm.evals.task import Mark, Question, Rule, Task, numbered, one_by_one
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.vqa_normalise import normalise

_FOLDERS = ("textvqa", "TextVQA")  # in LLaVA's evaluation bundle
_QUESTIONS = "llava_textvqa_val_v051_ocr.jsonl"
_ANNOTATIONS = "TextVQA_0.5.1_val.json"
_PICTURES = ("train_images", "images")  # of train and val together, in the release's train_val_images.zip
_OCR_LINE = "Reference OCR token:"
# How LLaVA's older runs asked: eval_textvqa.py still reads it.
_OLD_PROMPT = re.compile(r"Question: (.*?) Short answer:", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What TextVQA knows of a question."""

    image_id: str
    question: str
    answers: tuple[str, ...]


def _questions(data: Path) -> list[Question]:
    found = read_annotations(data, "textvqa")
    known = {key_of(each.image_id, each.question): each for each in found}
    path = find_file(data, "textvqa", (_QUESTIONS,), folders=_FOLDERS)
    records = read_records(path)
    keys = [answer_key({"question_id": each.get("question_id"), "prompt": each.get("text")}) for each in records]
    unknown = [number for number, key in enumerate(keys) if key not in known]
    if unknown or len(keys) != len(found) or len(set(keys)) != len(known):
        raise UserError(
            f"textvqa: {path} asks {len(keys):,} questions and {_ANNOTATIONS} answers {len(found):,}; {len(unknown):,} "
            f"of those asked have no answer. The two are not of one version (0.5.1): fetch both again"
        )
    names = [str(record.get("image")) for record in records]
    pictures = picture_folder((path.parent, data), _PICTURES, names)
    asked = [key for key in keys if key is not None]  # all: the others are unknown
    return [
        _question(key, str(record["text"]), pictures / name, known[once])
        for key, once, record, name in zip(numbered(asked), asked, records, names, strict=True)
    ]


def plain_questions(data: Path, task: str, ask: Callable[[str], str]) -> list[Question]:
    """The questions of the release itself, each worded by `ask`."""
    found = read_annotations(data, task)
    asked = [key_of(each.image_id, each.question) for each in found]
    known = dict(zip(asked, found, strict=True))
    pictures = picture_folder((data, *(data / name for name in _FOLDERS)), _PICTURES, (_file(each) for each in found))
    return [
        _question(key, ask(each.question), pictures / _file(each), known[once])
        for key, once, each in zip(numbered(asked), asked, found, strict=True)
    ]


def _question(key: str, text: str, picture: Path, annotation: Annotation) -> Question:
    return Question(annotation.image_id, key, text, (picture,), annotation.answers, group=annotation.image_id)


def _file(annotation: Annotation) -> str:
    return f"{annotation.image_id}.jpg"


def read_annotations(data: Path, task: str) -> list[Annotation]:
    """All of `TextVQA_0.5.1_val.json`, in its order."""
    path = find_file(data, task, (_ANNOTATIONS,), folders=_FOLDERS)
    whole = read_json(path)
    records = whole.get("data") if isinstance(whole, dict) else None
    if not isinstance(records, list) or not records:
        raise UserError(f"{path}: expected an object with a list 'data', as TextVQA's files have. Fetch it again")
    found = list(_annotations(records))
    if len(found) != len(records):
        raise UserError(
            f"{path}: {len(records) - len(found):,} of {len(records):,} records lack image_id, question or answers "
            "(TextVQA's test set has none). Fetch the validation set of version 0.5.1"
        )
    return found


def _annotations(records: Iterable[Any]) -> Iterable[Annotation]:
    for record in records:
        human = human_answers(record) if isinstance(record, dict) else None
        if human and isinstance(record.get("image_id"), str) and isinstance(record.get("question"), str):
            yield Annotation(record["image_id"], record["question"], human)


def key_of(image_id: str, question: str) -> str:
    """What eval_textvqa.py matches by."""
    return f"{image_id} {question.lower()}"


def answer_key(record: Mapping[str, object]) -> str | None:
    """The picture and the question, which stands in the prompt's first line that is not the OCR tokens'."""
    image_id, prompt = record.get("question_id"), record.get("prompt")
    if not isinstance(image_id, str) or not isinstance(prompt, str):
        return None
    if old := _OLD_PROMPT.search(prompt):
        return key_of(image_id, old[1])
    lines = prompt.removeprefix("<image>").lstrip("\n").split("\n")
    return key_of(image_id, lines[1] if lines[0].startswith(_OCR_LINE) and len(lines) > 1 else lines[0])


def mark_one(question: Question, text: str, rule: Rule) -> Mark:
    """One answer against the people's."""
    human = question.reference if isinstance(question.reference, tuple) else ()
    read = normalise(text, rule)
    return Mark(question, text, vote(read, [normalise(each, rule) for each in human]), read, invalid=not read)


def task(about: str, questions: Callable[[Path], list[Question]]) -> Task:
    """TextVQA with its questions worded one way or another."""
    return Task(
        about=about,
        questions=questions,
        mark=one_by_one(mark_one),
        metrics=accuracies,
        headline="accuracy",
        rules=("published", "strict"),
        answer_key=answer_key,
    )


TASK = task("TextVQA val: reading text in pictures, with the OCR tokens LLaVA-1.5 was given", _questions)
