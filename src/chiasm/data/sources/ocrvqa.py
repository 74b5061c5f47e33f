"""OCR-VQA: author, title and genre of books, read from their covers."""

from __future__ import annotations

from collections.abc import Iterator

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import SHORT_ANSWER, in_folder, merged
from chiasm.data.sources._reading import members, number, texts
from chiasm.data.sources._source import Needed, Record, Release, Source

_TRAIN = 1  # the set's own numbers: 1 train, 2 validation, 3 test


def _records(release: Release) -> Iterator[Record]:
    """One record a cover, questions and answers as the set writes them. Pictures are `.jpg` whatever their URL says."""

    def convert(named: tuple[str, object]) -> list[Record]:
        name, book = named
        if number(book, "split") != _TRAIN:
            release.left_out["another split"] += 1
            return []
        asked, answers = texts(book, "questions"), texts(book, "answers")
        if len(asked) != len(answers) or not asked:
            raise RecordError("bad choices", f"{len(asked)} questions but {len(answers)} answers")
        if not all(text.strip() for text in (*asked, *answers)):
            raise RecordError("missing field", "an empty question or answer")
        return [merged(list(zip(asked, answers, strict=True)), name, f"{name}.jpg", SHORT_ANSWER)]

    books = ((f"book {name}", (name, book)) for name, book in members(release.files["dataset"]))
    return release.each(books, convert)


SOURCE = Source(
    about="questions about book covers",
    files=(Needed("dataset", ("dataset.json",)),),
    records=_records,
    images="ocr_vqa/images",
    folders=("ocr_vqa", "ocrvqa", "OCR-VQA-200K"),
    published_count=80_000,
    format_prompts=(SHORT_ANSWER,),
    recognises=lambda record: in_folder(record, "ocr_vqa/images"),
)
