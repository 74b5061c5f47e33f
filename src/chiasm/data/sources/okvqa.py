"""OK-VQA: questions about COCO pictures that need knowledge from outside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import SHORT_ANSWER, questions
from chiasm.data.sources._reading import words
from chiasm.data.sources._source import Needed, Record, Release, Source
from chiasm.data.sources._vqa_files import asks_briefly_about_coco, by_picture


def _most_frequent(annotation: Any) -> str:
    """The answer most people gave, of equals the first; in the set's reduced form (`answer`, not `raw_answer`)."""
    given = annotation.get("answers") if isinstance(annotation, dict) else None
    if not isinstance(given, list) or not given:
        raise RecordError("missing field", "expected a list under 'answers'")
    return Counter(words(answer, "answer") for answer in given).most_common(1)[0][0]


def _records(release: Release) -> Iterator[Record]:
    return by_picture(release, _most_frequent)


SOURCE = Source(
    about="questions about COCO pictures that need outside knowledge",
    files=(
        Needed("questions", ("OpenEnded_mscoco_train2014_questions.json",)),
        Needed("annotations", ("mscoco_train2014_annotations.json",)),
    ),
    records=_records,
    images="coco/train2017",
    folders=("okvqa", "ok-vqa"),
    published_count=8_998,
    format_prompts=(SHORT_ANSWER,),
    recognises=lambda record: asks_briefly_about_coco(record) and len(questions(record)) <= 2,
)
