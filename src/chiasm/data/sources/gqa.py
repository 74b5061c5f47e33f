"""GQA: questions made from scene graphs; the balanced training questions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from chiasm.data.sources._dialogue import SHORT_ANSWER, in_folder, merged, short
from chiasm.data.sources._grouping import Groups
from chiasm.data.sources._reading import members, words
from chiasm.data.sources._source import Needed, Record, Release, Source


def _records(release: Release) -> Iterator[Record]:
    """One record a picture, its questions in the order of the file."""
    with Groups() as pictures:
        place = count()

        def note(question: Any) -> None:
            image = words(question, "imageId")
            pair = words(question, "question"), short(words(question, "answer"))
            # Most pictures are Visual Genome's, called by a number; the published ids are numbers too.
            pictures.add(int(image) if image.isascii() and image.isdigit() else image, next(place), pair)

        named = ((f"question {name}", question) for name, question in members(release.files["questions"]))
        release.take_in(named, note)
        for image, pairs in pictures:
            yield merged(pairs, image, f"{image}.jpg", SHORT_ANSWER)


SOURCE = Source(
    about="compositional questions made from scene graphs",
    files=(Needed("questions", ("train_balanced_questions.json", "questions*/train_balanced_questions.json")),),
    records=_records,
    images="gqa/images",
    folders=("gqa",),
    published_count=72_140,
    format_prompts=(SHORT_ANSWER,),
    recognises=lambda record: in_folder(record, "gqa/images"),
)
