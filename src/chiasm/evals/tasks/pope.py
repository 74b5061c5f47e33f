"""POPE (Li et al., arXiv 2305.10355): is there such an object in the picture? Random, popular, adversarial objects.

Both published versions of `coco_pope_{random,popular,adversarial}.json` are read: that of August 2023, which LLaVA-1.5
was measured on (2,910 random questions), and that of November 2023 (3,000). Their ids start anew in each file; answers
are matched by the ids of LLaVA's `llava_pope_test.jsonl`, or, where it is absent, by the same numbers made by its rule.

Published rule: `eval_pope.py` of LLaVA, where whatever does not say no is a yes, an empty answer too. Strict rule: an
answer is yes or no (`chiasm.evals.yes_no`) or neither; neither is wrong, counts as missed where the truth is yes, and
never as a yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import find_path, read_records
from chiasm.evals.prompts import short_question
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.yes_no import YES_NO, read_yes_no

# The order and the first ids of llava_pope_test.jsonl: 1, 10000001 and 20000001.
_FIRST_ID = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}
CATEGORIES = ("random", "popular", "adversarial")  # as the paper's tables have them
_FOLDERS = ("pope", "POPE")  # in LLaVA's evaluation bundle, and in a drawn world
_PLACES = ("coco", "output/coco", "")
_QUESTIONS = "llava_pope_test.jsonl"
_PICTURES = ("val2014", "images/val2014", "images", "../images", "coco/val2014", "../val2014", "../coco/val2014")


def _questions(data: Path) -> list[Question]:
    asked_path = find_path(data, (_QUESTIONS,), folders=_FOLDERS)
    asked = read_records(asked_path) if asked_path else None
    folder = _label_folder(data, asked)
    records = _from_one_file(folder) if folder.is_file() else _from_three_files(folder)
    ids = _made_ids(records) if asked is None or asked_path is None else _given_ids(asked, asked_path, records, folder)
    roots = [data, *(data / name for name in _FOLDERS)]
    nearest = max((root for root in roots if root in (folder, *folder.parents)), key=lambda root: len(root.parts))
    names = [str(record["image"]) for record in records]
    pictures = picture_folder(
        [nearest, *roots], _PICTURES, (form for name in names for form in (name, _plain_name(name)))
    )
    order = {category: place for place, category in enumerate(_FIRST_ID)}
    rows = sorted(zip(ids, records, strict=True), key=lambda row: order[row[1]["category"]])
    return [
        Question(
            id=identity,
            key=str(identity),
            text=short_question(record["text"]),
            images=(_picture(pictures, str(record["image"])),),
            reference=record["label"],
            category=record["category"],
            group=str(record["image"]),
            options=YES_NO,
        )
        for identity, record in rows
    ]


def _label_folder(data: Path, asked: Sequence[Mapping[str, Any]] | None) -> Path:
    """The folder of the three files, or one file that holds all categories.

    Of several versions side by side, the one LLaVA's question file asks.
    """
    for place in _PLACES:
        found = find_path(data, (f"{place}/coco_pope_random.json".lstrip("/"),), folders=_FOLDERS)
        if found:
            return found.parent
    if one := find_path(data, ("pope.jsonl", "qa/pope.jsonl"), folders=_FOLDERS):
        return one
    versions = [
        found.parent
        for root in (data, *(data / name for name in _FOLDERS))
        for found in sorted(root.glob("*/coco_pope_random.json"))
    ]
    if asked is not None:
        num = sum(record.get("category") == "random" for record in asked)
        versions = [each for each in versions if len(read_records(each / "coco_pope_random.json")) == num] or versions
    if len(versions) == 1:
        return versions[0]
    if versions:
        raise UserError(
            f"pope: {data} holds {len(versions)} versions of POPE ({', '.join(each.name for each in versions)}). "
            "Name one of these folders with --data"
        )
    raise UserError(
        f"pope: no coco_pope_{{random,popular,adversarial}}.json in {data}, nor in its coco, output/coco or pope. "
        "Name with --data the folder of POPE's release, or of LLaVA's evaluation bundle"
    )


def _from_three_files(folder: Path) -> list[dict[str, Any]]:
    """The records of the three files in the order LLaVA asks them, each with its category."""
    records: list[dict[str, Any]] = []
    for category in _FIRST_ID:
        path = folder / f"coco_pope_{category}.json"
        if not path.is_file():
            there = [each.name for each in sorted(folder.glob("coco_pope_*.json"))]
            raise UserError(f"pope: {path} is missing, {len(there)} of 3 files are there: {', '.join(there)}. Fetch it")
        records += [
            {**_checked(record, path, number), "category": category} for number, record in enumerate(read_records(path))
        ]
    return records


def _from_one_file(path: Path) -> list[dict[str, Any]]:
    records = [_checked(record, path, number) for number, record in enumerate(read_records(path))]
    if wrong := [record for record in records if record.get("category") not in _FIRST_ID]:
        raise UserError(
            f"{path}: {len(wrong):,} of {len(records):,} questions have no category. "
            f"Each must be one of: {', '.join(CATEGORIES)}"
        )
    return records


def _checked(record: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    label = record.get("label")
    if not (isinstance(record.get("image"), str) and isinstance(record.get("text"), str) and label in ("yes", "no")):
        raise UserError(f"{path}: record {number} needs an image, a text and a label yes or no. Fetch the file again")
    return record


def _made_ids(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """The ids LLaVA's question file would have: numbered from 1 in each category, 10 or 20 million on."""
    counts = dict.fromkeys(_FIRST_ID, 0)
    ids = []
    for record in records:
        counts[record["category"]] += 1
        ids.append(_FIRST_ID[record["category"]] + counts[record["category"]])
    return ids


def _given_ids(
    asked: Sequence[Mapping[str, Any]], asked_path: Path, records: Sequence[Mapping[str, Any]], labels: Path
) -> list[int | str]:
    """The id of each record in LLaVA's question file, which must ask exactly these questions."""
    ids: dict[tuple[object, ...], int | str] = {}
    for line in asked:
        question = str(line.get("text")).partition("\n")[0]
        ids[line.get("category"), line.get("image"), question] = line.get("question_id", "")
    keys = [(record["category"], record["image"], record["text"]) for record in records]
    absent = [key for key in keys if key not in ids]
    if absent or len(ids) != len(keys):
        counts = ", ".join(
            f"{sum(key[0] == each for key in ids):,} against {sum(key[0] == each for key in keys):,} {each}"
            for each in CATEGORIES
        )
        raise UserError(
            f"pope: {asked_path} asks another version than {labels} labels: {counts}, "
            f"{len(absent):,} labelled ones are not asked. Put the version it asks here, or move that file away"
        )
    return [ids[key] for key in keys]


def _picture(folder: Path, name: str) -> Path:
    path = folder / name
    plain = folder / _plain_name(name)
    return plain if plain != path and not path.is_file() and plain.is_file() else path


def _plain_name(name: str) -> str:
    """COCO's file name of 2017 for that of 2014: COCO_val2014_000000310196.jpg is 000000310196.jpg."""
    return name.removeprefix("COCO_val2014_")


def said(answer: str) -> str:
    """Yes or no as LLaVA's `eval_pope.py` reads it."""
    words = answer.partition(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "not", "no"}.intersection(words) else "yes"


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    read = said(text) if rule == "published" else read_yes_no(text)
    return Mark(question, text, float(read == question.reference), read or "neither", invalid=read is None)


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    counts: dict[str, dict[tuple[object, str], int]] = {}
    for mark in marks:
        of_category = counts.setdefault(mark.question.category, {})
        pair = mark.question.reference, mark.read_as
        of_category[pair] = of_category.get(pair, 0) + 1
    metrics: dict[str, float] = {}
    there = [category for category in CATEGORIES if category in counts]
    for category in there:
        metrics |= {f"{name}_{category}": value for name, value in _of_category(counts[category]).items()}
    f1 = [metrics[f"f1_{category}"] for category in there]
    return {"f1": sum(f1) / len(f1) if f1 else 0.0, **metrics}


def _of_category(counts: Mapping[tuple[object, str], int]) -> dict[str, float]:
    """Yes is the positive class. Without any yes, said or true, what would divide by it is 0."""
    hits, false_alarms = counts.get(("yes", "yes"), 0), counts.get(("no", "yes"), 0)
    num = sum(counts.values())
    num_true = sum(count for (label, _), count in counts.items() if label == "yes")
    precision, recall = percent(hits, hits + false_alarms), percent(hits, num_true)
    return {
        "f1": 2 * precision * recall / (precision + recall) if hits else 0.0,
        "accuracy": percent(hits + counts.get(("no", "no"), 0), num),
        "precision": precision,
        "recall": recall,
        "yes_ratio": percent(hits + false_alarms, num),
    }


TASK = Task(
    about="POPE: is there such an object? 3 x 3,000 questions, whether a model sees what is not there",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="f1",
    rules=("published", "strict"),
)
