"""CHAIR (Rohrbach et al. 2018): which of the objects a description mentions are not in the picture?

Needs COCO's `instances_*.json` and the `captions_*.json` of the same pictures. What is in a picture is what is boxed
in it and what people mention in their captions of it. `chair_i`: mentions of absent objects, in percent of all mentions
of COCO's 80 categories; `chair_s`: descriptions with at least one, in percent; lower is better, and a model that says
nothing scores 0, so `recall` stands beside them: objects mentioned, in percent of those there.

The definitions are the paper's; the words by which objects are found are ours (`chiasm.data.object_names`), so numbers
differ a little from those of the authors' list. LLaVA's papers have no CHAIR numbers; the prompt and the 512 tokens are
those of later work on LLaVA-1.5 (Huang et al., "OPERA", arXiv 2311.17911), which asks for 500 random pictures of
val2014, where this asks for all unless `--limit` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.data.object_names import CATEGORIES, mentioned
from chiasm.errors import UserError
from chiasm.evals.files import find_file
from chiasm.evals.large_json import list_of, read_large_json
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._caption_sets import COCO, COCO_FOLDERS, coco_set
from chiasm.evals.tasks._captioning import read_captions

PROMPT = "Please describe this image in detail."
_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Found:
    """What one description mentions: mentions in all, mentions of what is absent; objects there, those mentioned."""

    num_mentions: int
    num_absent: int
    num_there: int
    num_recalled: int


def _questions(data: Path) -> list[Question]:
    path = find_file(data, "chair", COCO, folders=COCO_FOLDERS)
    boxed = _boxed(path.with_name(path.name.replace("captions_", "instances_", 1)))
    pictures = coco_set(data, path)
    if unlisted := [each for each in pictures if each.id not in boxed]:
        raise UserError(
            f"chair: {len(unlisted):,} of {len(pictures):,} pictures of {path.name} are not in its instances file "
            f"(first: {unlisted[0].id}). The two are not of one set: fetch both again"
        )
    return [
        Question(
            id=each.id,
            key=str(each.id),
            text=PROMPT,
            images=(each.picture,),
            reference=_in_order(boxed[each.id].union(*map(mentioned, each.captions))),
        )
        for each in pictures
    ]


def _boxed(path: Path) -> dict[object, set[str]]:
    """The categories with a box in each picture."""
    if not path.is_file():
        raise UserError(f"chair: {path} is missing, which says what is in the pictures. Put it beside the captions")
    whole = read_large_json(path, _without_outline)
    names = {each.get("id"): str(each.get("name")) for each in list_of(whole, "categories", path)}
    if foreign := sorted(set(names.values()) - set(CATEGORIES)):
        raise UserError(
            f"{path}: {len(foreign)} of {len(names)} categories are not COCO's (first: {foreign[0]}). "
            "Only COCO's 80 can be found in text: name the folder of COCO's annotations"
        )
    boxed: dict[object, set[str]] = {each.get("id"): set() for each in list_of(whole, "images", path)}
    for annotation in list_of(whole, "annotations", path):
        there, name = boxed.get(annotation.get("image_id")), names.get(annotation.get("category_id"))
        if there is None or name is None:
            raise UserError(f"{path}: a box is in no listed picture or category. The file is cut: fetch it again")
        there.add(name)
    return boxed


def _without_outline(value: dict[str, Any]) -> object:
    """Outlines are most of the file and not needed."""
    value.pop("segmentation", None)
    return value


def _in_order(names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in CATEGORIES if name in names)


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    there = set(question.reference) if isinstance(question.reference, tuple) else set()
    mentions = mentioned(text)
    absent = {name: count for name, count in mentions.items() if name not in there}
    found = Found(
        num_mentions=sum(mentions.values()),
        num_absent=sum(absent.values()),
        num_there=len(there),
        num_recalled=len(there & mentions.keys()),
    )
    said = ", ".join(f"{name} (absent)" if name in absent else name for name in mentions)
    return Mark(question, text, float(not absent), said, invalid=not text.strip(), detail={"found": found})


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    found = [_found(mark) for mark in marks]
    return {
        "chair_i": percent(sum(each.num_absent for each in found), sum(each.num_mentions for each in found)),
        "chair_s": percent(sum(each.num_absent > 0 for each in found), len(found)),
        "recall": percent(sum(each.num_recalled for each in found), sum(each.num_there for each in found)),
    }


def _found(mark: Mark) -> Found:
    found = mark.detail["found"]
    assert isinstance(found, Found)
    return found


TASK = Task(
    about="CHAIR: descriptions that mention objects the picture does not show (lower is better)",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="chair_i",
    max_tokens=_MAX_TOKENS,
    read_answers=read_captions,
)
