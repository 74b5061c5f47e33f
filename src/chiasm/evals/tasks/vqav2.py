"""VQA v2 (Goyal et al. 2017): short questions about COCO pictures, each answered by ten people.

Questions with answers are scored here: the official `v2_OpenEnded_mscoco_val2014_questions.json` and
`v2_mscoco_val2014_annotations.json`, gzipped or not, sets of the same form, and `vqav2.jsonl` with the answers inside.
Where there are none, LLaVA's `llava_vqav2_mscoco_test-dev2015.jsonl` or the official test-dev questions are asked, and
only the server can score them: a file for it is written.

Published rule: LLaVA brings the answer to MMF's form (`chiasm.evals.vqa_normalise`) before it submits; the official
VQAEval then brings answer and people's answers to its own form, but only where the ten are not all alike, and lets the
people vote. So "two dogs" misses ten people's "2 dogs." at the server, and here. Strict rule: one form for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import find_path, read_records
from chiasm.evals.large_json import list_of, read_large_json
from chiasm.evals.prompts import short_question
from chiasm.evals.soft_vote import accuracies, category, human_answers, vote
from chiasm.evals.submissions import reader, write_submission
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.vqa_normalise import normalise, vqa_eval_form

_FOLDERS = ("vqav2", "VQAv2")
# Questions, and the file of answers that belongs to them.
_LABELLED = (
    ("v2_OpenEnded_*val*_questions.json", "v2_{}_annotations.json"),
    ("v2_OpenEnded_drawn_*_questions.json", "v2_{}_annotations.json"),  # of a drawn world, whose test has answers
    ("questions_valid.json", "annotations_valid.json"),
)
_INSIDE = ("vqav2.jsonl", "qa/vqav2.jsonl")
_TEST_DEV = ("llava_vqav2_mscoco_test-dev2015.jsonl", "v2_OpenEnded_mscoco_test-dev2015_questions.json")
_TEST = ("llava_vqav2_mscoco_test2015.jsonl", "v2_OpenEnded_mscoco_test2015_questions.json")
_WHERE = ("", "images", "coco", "coco/images", "mscoco")  # pictures, below a root or with the subset's name behind
_SUBSET = "val2014"  # of COCO, where a question file does not say which


@dataclass(frozen=True, slots=True)
class OnServer:
    """The truth is with the server, which wants an answer to every question of `all_questions`, if it is there."""

    all_questions: Path | None


def _questions(data: Path) -> list[Question]:
    for asked, answered in _LABELLED:
        if path := find_path(data, (asked, f"{asked}.gz", f"*/{asked}", f"*/{asked}.gz"), folders=_FOLDERS):
            return _with_answers(data, path, _annotation_file(path, answered))
    if path := find_path(data, _INSIDE, folders=_FOLDERS):
        return _built(data, path, read_records(path), "", answers=None)
    if path := find_path(data, _TEST_DEV, folders=_FOLDERS):
        records = read_records(path) if path.suffix == ".jsonl" else _list_in(path, "questions")
        return _built(data, path, records, "test2015", {}, OnServer(find_path(path.parent, _TEST)))
    raise UserError(
        f"vqav2: none of {', '.join((*(asked for asked, _ in _LABELLED), *_INSIDE, *_TEST_DEV))} (or .gz) is in {data} "
        f"or its {_FOLDERS[0]}. Name with --data the folder of VQA v2, or of LLaVA's evaluation bundle"
    )


def _annotation_file(questions: Path, answered: str) -> Path:
    name = questions.name.removesuffix(".gz").removesuffix(".json")
    name = answered.format(name.removeprefix("v2_OpenEnded_").removesuffix("_questions"))
    for path in (questions.with_name(name), questions.with_name(f"{name}.gz")):
        if path.is_file():
            return path
    raise UserError(
        f"vqav2: {questions} is there, its answers {name} (or .gz) are not. Fetch them, or name another --data"
    )


def _with_answers(data: Path, asked: Path, answered: Path) -> list[Question]:
    whole = read_large_json(asked)
    subset = whole.get("data_subtype") if isinstance(whole, dict) else None
    annotations = {str(each.get("question_id")): each for each in _list_in(answered, "annotations", _only_the_answer)}
    return _built(data, asked, list_of(whole, "questions", asked), str(subset or _SUBSET), annotations)


def _built(
    data: Path,
    path: Path,
    records: Sequence[Mapping[str, Any]],
    subset: str,
    answers: Mapping[str, Mapping[str, Any]] | None,
    server: OnServer | None = None,
) -> list[Question]:
    """`answers` by question id; None where each record holds its own."""
    wrong = [number for number, each in enumerate(records) if not _is_question(each)]
    ids = [str(each.get("question_id")) for each in records]
    if wrong or len(set(ids)) != len(ids):
        raise UserError(
            f"{path}: {len(wrong):,} of {len(records):,} records are no questions, {len(ids) - len(set(ids)):,} ids "
            "come again. Each needs a question_id of its own, a question and its picture; fetch the file again"
        )
    about = list(records) if answers is None else [answers.get(key, {}) for key in ids]
    human = [human_answers(each) for each in about]
    if server is None and None in human:
        raise UserError(
            f"vqav2: {human.count(None):,} of {len(ids):,} questions of {path.name} have no answers "
            f"(first: {ids[human.index(None)]}). The two files are not of the same set: fetch both again"
        )
    pictures = _pictures(data, path, records, subset)
    return [
        Question(
            id=each["question_id"],
            key=key,
            text=str(each["text"]) if "text" in each else short_question(str(each["question"])),
            images=(picture,),
            reference=said if server is None else server,
            category=category(notes.get("answer_type")),
            group=picture.name,
        )
        for key, each, said, notes, picture in zip(ids, records, human, about, pictures, strict=True)
    ]


def _is_question(record: Mapping[str, Any]) -> bool:
    return (
        isinstance(record.get("question_id"), int | str)
        and isinstance(record.get("question", record.get("text")), str)
        and (isinstance(record.get("image"), str) or isinstance(record.get("image_id"), int))
    )


def _pictures(data: Path, path: Path, records: Sequence[Mapping[str, Any]], subset: str) -> Iterator[Path]:
    """One a question: under the name it says, or COCO's of 2014, or COCO's of 2017."""
    names = [_names(record, subset) for record in records]
    subset = subset or _SUBSET
    places = [place for where in _WHERE for place in (f"{where}/{subset}".lstrip("/"), where) if place]
    roots = dict.fromkeys((path.parent, data, path.parent.parent))
    folder = picture_folder(roots, places, (name for forms in names for name in forms))
    known: dict[str, Path] = {}  # a picture has some five questions, and 40,000 pictures are looked for
    for forms in names:
        if forms[0] not in known:
            known[forms[0]] = next((folder / name for name in forms if (folder / name).is_file()), folder / forms[0])
        yield known[forms[0]]


def _names(record: Mapping[str, Any], subset: str) -> list[str]:
    if isinstance(record.get("image"), str):
        return [record["image"]]
    return [f"COCO_{subset or _SUBSET}_{record['image_id']:012d}.jpg", f"{record['image_id']:012d}.jpg"]


def _only_the_answer(value: dict[str, Any]) -> object:
    """Of ten answers each with its id and confidence, the text: two million objects would not fit into memory well."""
    return value["answer"] if "answer_id" in value and "answer" in value else value


def _list_in(path: Path, name: str, thin: Callable[[dict[str, Any]], object] | None = None) -> list[dict[str, Any]]:
    return list_of(read_large_json(path, thin), name, path)


def agreement(text: str, human: Sequence[str], rule: Rule) -> tuple[str, float]:
    """The answer as it is compared, and how right it is: the whole rule, without a task around it."""
    answer = normalise(text, rule)
    if rule == "strict":
        return answer, vote(answer, [normalise(each, rule) for each in human])
    people = [each.replace("\n", " ").replace("\t", " ").strip() for each in human]
    if len(set(people)) > 1:
        answer, people = vqa_eval_form(answer), [vqa_eval_form(each) for each in people]
    return answer, vote(answer, people)


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    human = question.reference if isinstance(question.reference, tuple) else ()
    read, value = agreement(text, human, rule)
    return Mark(question, text, value, read, invalid=not read)


def _submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
    """What EvalAI takes: an answer to every question of the whole test set, empty where it was not asked.

    Source: LLaVA's `convert_vqav2_for_submission.py`.
    """
    answers = {question.key: normalise(texts[question.key]) for question in questions}
    ids = _all_ids(questions)
    if unknown := [key for key in answers if key not in ids]:
        raise UserError(
            f"vqav2: {len(unknown):,} of {len(answers):,} answered questions are not in the whole test set "
            f"(first: {unknown[0]}). The two question files are not of one release: fetch both again"
        )
    records = ({"question_id": identity, "answer": answers.get(key, "")} for key, identity in ids.items())
    return write_submission(folder / "vqav2_submission.json", records)


def _all_ids(questions: Sequence[Question]) -> dict[str, object]:
    server = questions[0].reference if questions else None
    if not isinstance(server, OnServer):
        return {question.key: question.id for question in questions}
    path = server.all_questions
    if path is None:
        raise UserError(
            f"vqav2: the server wants an answer to every test question, and the whole set is not there: put {_TEST[0]} "
            "(or the official file) beside the questions that were asked"
        )
    records = read_records(path) if path.suffix == ".jsonl" else _list_in(path, "questions")
    return {str(record.get("question_id")): record.get("question_id") for record in records}


TASK = Task(
    about="VQA v2: short questions about photographs, ten people's answers each",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=accuracies,
    headline="accuracy",
    rules=("published", "strict"),
    submit=_submit,
    read_answers=reader("question_id", "answer"),
)
