"""A-OKVQA: four choices a question, asked once for each place the right one can stand at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import OPTION_LETTER, coco_name, first_question, in_folder, merged
from chiasm.data.sources._grouping import Groups
from chiasm.data.sources._reading import listed, number, texts, words
from chiasm.data.sources._source import Needed, Record, Release, Source

_LETTERS = "ABCDEFGHIJ"


def _records(release: Release) -> Iterator[Record]:
    """As many records a picture as its questions have choices: the choices turned round by one place each time.

    Source: LLaVA-1.5, appendix A ("augmented k times"); that they are turned, not shuffled, shows in the records. The
    published count is 4 times the 16,540 pictures, so a picture's questions are merged first.
    """
    with Groups() as pictures:
        place = iter(range(1 << 62))

        def note(entry: Any) -> None:
            if words(entry, "split") != "train":
                release.left_out["another split"] += 1
                return
            question, choices = words(entry, "question"), texts(entry, "choices")
            right = number(entry, "correct_choice_idx")
            if not 2 <= len(choices) <= len(_LETTERS) or not 0 <= right < len(choices):
                raise RecordError("bad choices", f"{len(choices)} choices, of which number {right} should be right")
            pictures.add(number(entry, "image_id"), next(place), (question, choices, right))

        named = ((f"question {n}", entry) for n, entry in enumerate(listed(release.files["questions"])))
        release.take_in(named, note)
        for image, asked in pictures:
            name = coco_name(int(image))
            for turn in range(max(len(choices) for _, choices, _ in asked)):
                pairs = [_turned(question, choices, right, turn) for question, choices, right in asked]
                yield merged(pairs, name, f"{name}.jpg", OPTION_LETTER)


def _turned(question: str, choices: list[str], right: int, turn: int) -> tuple[str, str]:
    """The question with its choices turned round by `turn` places, and the letter that is right now."""
    turn %= len(choices)
    turned = choices[turn:] + choices[:turn]
    lines = [f"{letter}. {choice}" for letter, choice in zip(_LETTERS, turned, strict=False)]
    return "\n".join([question, *lines]), _LETTERS[(right - turn) % len(choices)]


SOURCE = Source(
    about="multiple-choice questions about COCO pictures, once for each place of the right choice",
    files=(Needed("questions", ("aokvqa_v1p0_train.json",)),),
    records=_records,
    images="coco/train2017",
    folders=("aokvqa", "a-okvqa"),
    published_count=66_160,
    format_prompts=(OPTION_LETTER,),
    recognises=lambda record: in_folder(record, "coco/train2017") and first_question(record).endswith(OPTION_LETTER),
)
