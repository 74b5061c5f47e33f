"""LLaVA-Instruct: conversations, descriptions and reasoning GPT-4 wrote about COCO pictures; plain LLaVA JSON."""

from __future__ import annotations

from chiasm.data.sources._dialogue import (
    ONE_SENTENCE,
    OPTION_LETTER,
    SHORT_ANSWER,
    about_regions,
    first_question,
    in_folder,
)
from chiasm.data.sources._passing import passing_through
from chiasm.data.sources._source import Needed, Source

SOURCE = Source(
    about="conversations, descriptions and reasoning written by GPT-4 about COCO pictures",
    files=(Needed("records", ("llava_instruct_150k.json", "llava_instruct_80k.json")),),
    records=lambda release: passing_through(release.files["records"], release),
    images="coco/train2017",
    folders=("llava_instruct", "LLaVA-Instruct-150K"),
    published_count=157_712,
    recognises=lambda record: (
        in_folder(record, "coco/train2017")
        and not about_regions(record)
        and not any(prompt in first_question(record) for prompt in (SHORT_ANSWER, OPTION_LETTER, ONE_SENTENCE))
    ),
)
