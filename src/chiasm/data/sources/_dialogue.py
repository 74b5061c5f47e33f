"""How the published mixture writes a conversation: where picture and format prompt stand, how boxes look.

Read from the released records of llava_v1_5_mix665k. The strings are what released checkpoints were trained with; table
7 of the LLaVA-1.5 paper has some of them in other words, and the records decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.conversation import IMAGE_MARKER, RecordError
from chiasm.data.sources._source import Record

SHORT_ANSWER = "Answer the question using a single word or phrase."
OPTION_LETTER = "Answer with the option's letter from the given choices directly."
ONE_SENTENCE = "Provide a one-sentence caption for the provided image."
DESCRIBE_REGION = "Please provide a short description for this region: "
FIND_REGION = "Please provide the bounding box coordinate of the region this sentence describes: "


def merged(pairs: Sequence[tuple[str, str]], identity: int | str, image: str | None, format_prompt: str = "") -> Record:
    """All questions and answers about a picture as one record.

    The first question carries the picture, and the format prompt on a line of its own; the others carry neither.
    """
    turns = []
    for number, (question, answer) in enumerate(pairs):
        if number == 0:
            question = f"{IMAGE_MARKER}\n{question}" if image is not None else question
            question = f"{question}\n{format_prompt}" if format_prompt else question
        turns += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    record: Record = {"id": identity}
    if image is not None:
        record["image"] = image
    return {**record, "conversations": turns}


def short(answer: str) -> str:
    """A short answer as the mixture has it: "us open" becomes "Us open"; what was capital inside becomes small."""
    return answer.strip().capitalize()


def coco_name(image_id: int) -> str:
    """The 12 digits that COCO's 2017 files are called by."""
    return f"{image_id:012d}"


def padded_box(box: Sequence[float], width: int, height: int) -> list[float]:
    """[x, y, width, height] in pixels -> [x1, y1, x2, y2] in 0-1 of the picture padded to a square, two decimals.

    The picture is centred as `chiasm.processing.policies.pad` centres it; what reaches outside it is cut off there.
    Raises `RecordError` ("bad box") where nothing is left. Source: LLaVA issues 606 and 822, and the records.
    """
    if width < 1 or height < 1:
        raise RecordError("bad box", f"a picture of {width} x {height} pixels has no inside")
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    x, y, w, h = box
    x1, x2 = max(0.0, x), min(float(width), x + w)
    y1, y2 = max(0.0, y), min(float(height), y + h)
    if x1 >= x2 or y1 >= y2:
        raise RecordError("bad box", f"the box {list(box)} leaves nothing inside {width} x {height} pixels")
    return [round(value / side, 2) for value in (x1 + left, y1 + top, x2 + left, y2 + top)]


def region_pair(phrase: str, box: list[float], describe: bool) -> tuple[str, str]:
    """A question and answer about a region: from its box to words (`describe`), or from words to its box."""
    phrase = " ".join(phrase.split()).rstrip(".").rstrip()
    if not phrase:
        raise RecordError("missing field", "the region has no words")
    if describe:
        return f"{DESCRIBE_REGION}{box}.", f"{phrase.capitalize()}."
    return f"{FIND_REGION}{phrase}.", str(box)


def questions(record: Mapping[str, Any]) -> list[str]:
    """What the human says in a record, empty where it is none."""
    turns = record.get("conversations")
    return [
        turn["value"]
        for turn in (turns if isinstance(turns, list) else ())
        if isinstance(turn, Mapping) and turn.get("from") == "human" and isinstance(turn.get("value"), str)
    ]


def first_question(record: Mapping[str, Any]) -> str:
    """The first thing the human says, empty where there is none."""
    said = questions(record)
    return said[0] if said else ""


def in_folder(record: Mapping[str, Any], folder: str) -> bool:
    """Whether the record's one picture lies in `folder`."""
    image = record.get("image")
    return isinstance(image, str) and image.startswith(f"{folder}/")


def about_regions(record: Mapping[str, Any]) -> bool:
    """Whether a record asks about boxes."""
    return any(DESCRIBE_REGION in said or FIND_REGION in said for said in questions(record)[:1])
