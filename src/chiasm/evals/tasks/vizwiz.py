"""VizWiz-VQA (Gurari et al. 2018): pictures and questions of blind people; many cannot be answered from the picture.

The validation set (`val.json`, in the release's Annotations.zip) is scored here. Where it is absent, LLaVA's
`llava_test.jsonl` or the release's `test.json` is asked, which only the server can score: a file for it is written.

Published rule: LLaVA brings the answer to MMF's form (`chiasm.evals.vqa_normalise`) before it submits; the challenge's
`vqaEval.py` brings it to its own form, leaves the people's answers as they are, and lets them vote. So nobody's "2." is
ever met. Strict rule: one form for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import find_path, read_records
from chiasm.evals.prompts import SHORT_ANSWER, UNANSWERABLE
from chiasm.evals.soft_vote import accuracies, category, human_answers, vote
from chiasm.evals.submissions import reader, write_submission
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.vqa_normalise import normalise, vqa_eval_form

_FOLDERS = ("vizwiz", "VizWiz", "Annotations", "vizwiz/Annotations")
_VAL = ("val.json", "Annotations/val.json")
_TEST = ("llava_test.jsonl", "test.json", "Annotations/test.json")


def _questions(data: Path) -> list[Question]:
    val = find_path(data, _VAL, folders=_FOLDERS)
    path = val or find_path(data, _TEST, folders=_FOLDERS)
    if path is None:
        raise UserError(
            f"vizwiz: none of {', '.join((*_VAL, *_TEST))} is in {data} or its {_FOLDERS[0]}. "
            "Name with --data the folder of VizWiz-VQA, or of LLaVA's evaluation bundle"
        )
    records = read_records(path)
    ids = [str(record.get("question_id", record.get("image"))) for record in records]
    wrong = [number for number, record in enumerate(records) if not _is_question(record)]
    if wrong or len(set(ids)) != len(ids):
        raise UserError(
            f"{path}: {len(wrong):,} of {len(ids):,} records are no questions about a picture, "
            f"{len(ids) - len(set(ids)):,} pictures come again. Fetch the file again"
        )
    human = [human_answers(record) for record in records]
    if val and None in human:
        raise UserError(
            f"{path}: {human.count(None):,} of {len(ids):,} questions have no answers. Fetch the file again, or take "
            "it away to write answers to the test set for the server"
        )
    roots = dict.fromkeys((path.parent, data, path.parent.parent))
    pictures = picture_folder(roots, ("val" if val else "test", "images", ""), (str(each["image"]) for each in records))
    return [
        Question(
            id=record.get("question_id", record["image"]),
            key=key,
            text=_text(record),
            images=(pictures / str(record["image"]),),
            reference=said,
            category=category(record.get("answer_type")) if said else "",
        )
        for key, record, said in zip(ids, records, human, strict=True)
    ]


def _is_question(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("image"), str) and isinstance(record.get("question", record.get("text")), str)


def _text(record: Mapping[str, Any]) -> str:
    """LLaVA's question file holds the whole prompt, the release the question alone."""
    if isinstance(record.get("text"), str):
        return str(record["text"])
    return f"{record['question']}\n{UNANSWERABLE}\n{SHORT_ANSWER}"


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    human = question.reference if isinstance(question.reference, tuple) else ()
    read = normalise(text, rule)
    if rule == "strict":
        return Mark(question, text, vote(read, [normalise(each, rule) for each in human]), read, invalid=not read)
    read = vqa_eval_form(read)
    return Mark(question, text, vote(read, human), read, invalid=not read)


def _submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
    """What EvalAI takes, one answer a picture. Source: LLaVA's `convert_vizwiz_for_submission.py`."""
    records = ({"image": _picture(each), "answer": normalise(texts[each.key])} for each in questions)
    return write_submission(folder / "vizwiz_submission.json", records)


def _picture(question: Question) -> str:
    return Path(str(question.images[0])).name


def _read_answers(path: Path, questions: Sequence[Question]) -> Mapping[str, str] | None:
    """A file for the server, by picture."""
    keys = {_picture(question): question.key for question in questions}
    return reader("image", "answer", lambda image: keys.get(str(image), str(image)))(path, questions)


TASK = Task(
    about="VizWiz: questions of blind people about their pictures, many of them unanswerable",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=accuracies,
    headline="accuracy",
    rules=("published", "strict"),
    submit=_submit,
    read_answers=_read_answers,
)
