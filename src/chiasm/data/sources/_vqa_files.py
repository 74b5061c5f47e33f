"""The two files of VQA's format: questions and annotations, joined by question id and gathered by picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import SHORT_ANSWER, coco_name, first_question, in_folder, merged, short
from chiasm.data.sources._grouping import Groups
from chiasm.data.sources._reading import entries, number, words
from chiasm.data.sources._source import Record, Release


def by_picture(release: Release, answer_of: Callable[[Any], str]) -> Iterator[Record]:
    """One record a picture: its questions in the order of their ids, as published, each with its one answer."""
    answers: dict[int, str] = {}

    def note_answer(annotation: Any) -> None:
        identity = number(annotation, "question_id")
        if identity in answers:
            raise RecordError("twice", f"a second annotation of question {identity}")
        answers[identity] = sys.intern(short(answer_of(annotation)))  # few answers, each many times

    with Groups() as pictures:

        def note_question(question: Any) -> None:
            identity, image = number(question, "question_id"), number(question, "image_id")
            said = words(question, "question")
            if identity not in answers:
                raise RecordError("no answer", f"question {identity} has no usable annotation")
            pictures.add(image, identity, (said, answers.pop(identity)))

        release.take_in(entries(release.files["annotations"], "annotations", "annotation"), note_answer)
        release.take_in(entries(release.files["questions"], "questions", "question"), note_question)
        for identity in answers:
            release.drop(f"annotation of question {identity}", "no question", "no question has this id")
        for image, pairs in pictures:
            name = coco_name(int(image))
            yield merged(pairs, name, f"{name}.jpg", SHORT_ANSWER)


def asks_briefly_about_coco(record: Mapping[str, Any]) -> bool:
    """Whether a record has the shape VQAv2 and OK-VQA share in the published mixture."""
    return in_folder(record, "coco/train2017") and first_question(record).endswith(SHORT_ANSWER)
