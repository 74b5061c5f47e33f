"""TextCaps: captions that need the text in the picture, with what an OCR system read there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import ONE_SENTENCE, in_folder, merged
from chiasm.data.sources._grouping import Groups
from chiasm.data.sources._reading import entries, texts, words
from chiasm.data.sources._source import Needed, Record, Release, Source

_OCR = "Reference OCR token: "


def _records(release: Release) -> Iterator[Record]:
    """One record a picture with one of its captions, drawn by the seed: which one was published is unknown.

    The tokens are TextVQA's Rosetta OCR, as read; where there are none the line stays, as published.
    """
    tokens: dict[str, str] = {}

    def note_tokens(entry: Any) -> None:
        tokens[words(entry, "image_id")] = ", ".join(texts(entry, "ocr_tokens"))

    with Groups() as pictures:
        place = count()

        def note_caption(entry: Any) -> None:
            image, caption = words(entry, "image_id"), words(entry, "caption_str")
            if image not in tokens:
                raise RecordError("no OCR tokens", f"picture {image} is not in the OCR file")
            pictures.add(image, next(place), caption)

        release.take_in(entries(release.files["ocr"], "data", "OCR entry"), note_tokens)
        release.take_in(entries(release.files["captions"], "data", "caption"), note_caption)
        for image, captions in pictures:
            caption = release.random("textcaps", image).choice(captions)
            question = f"{ONE_SENTENCE}\n{_OCR}{tokens[str(image)]}"
            yield merged([(question, caption)], image, f"{image}.jpg")


SOURCE = Source(
    about="captions that need the text in the picture, with OCR tokens",
    files=(
        Needed("captions", ("TextCaps_0.1_train.json",)),
        Needed("ocr", ("TextVQA_Rosetta_OCR_v0.2_train.json",)),
    ),
    records=_records,
    images="textvqa/train_images",
    folders=("textcaps", "textvqa"),
    published_count=21_953,
    format_prompts=(ONE_SENTENCE,),
    recognises=lambda record: in_folder(record, "textvqa/train_images"),
)
