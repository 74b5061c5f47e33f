"""VQA v2: open questions about COCO pictures, the most frequent of ten answers."""

from __future__ import annotations

from collections.abc import Iterator

from chiasm.data.sources._dialogue import SHORT_ANSWER, questions
from chiasm.data.sources._reading import words
from chiasm.data.sources._source import Needed, Record, Release, Source
from chiasm.data.sources._vqa_files import asks_briefly_about_coco, by_picture


def _records(release: Release) -> Iterator[Record]:
    return by_picture(release, lambda annotation: words(annotation, "multiple_choice_answer"))


SOURCE = Source(
    about="open questions about COCO pictures",
    files=(
        Needed("questions", ("v2_OpenEnded_mscoco_train2014_questions.json", "questions_train.json")),
        Needed("annotations", ("v2_mscoco_train2014_annotations.json", "annotations_train.json")),
    ),
    records=_records,
    images="coco/train2017",
    folders=("vqav2", "vqa"),
    published_count=82_783,
    format_prompts=(SHORT_ANSWER,),
    recognises=lambda record: asks_briefly_about_coco(record) and len(questions(record)) > 2,
)
