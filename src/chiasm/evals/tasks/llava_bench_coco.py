"""LLaVA-Bench (COCO) (LLaVA v1, section 5.1): 30 pictures of COCO val2014, each with three open questions.

Read from LLaVA's own files, where its repository and its data folders have them: `qa90_questions.jsonl`,
`qa90_gpt4_answer.jsonl` (answers of a GPT-4 that read captions and boxes) and `caps_boxes_coco2014_val_80.jsonl` (what
the judge is told). A picture without captions there is judged without, and counted. Judging: `_llava_bench`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import find_file, read_records
from chiasm.evals.task import Question
from chiasm.evals.tasks._llava_bench import Context, Reference, bench, question_of, read_questions
from chiasm.evals.tasks._pictures import picture_folder

_NAME = "llava_bench_coco"
_FOLDERS = ("coco2014_val_qa_eval", "llava-bench-coco", "llava_bench_coco", "../coco2014_val_qa_eval")
_TABLES = ("llava/eval/table", "../../llava/eval/table", "../../../llava/eval/table")  # seen from playground/data
_PICTURES = ("images", "val2014", "coco2014_val", "coco/val2014", "../coco/val2014", "")
_PREFIX = "COCO_val2014_"  # of the names in COCO's own release; LLaVA's files leave it out


def _questions(data: Path) -> list[Question]:
    path = find_file(data, _NAME, ["qa90_questions.jsonl"], folders=_FOLDERS)
    answers = find_file(data, _NAME, ["qa90_gpt4_answer.jsonl"], folders=_FOLDERS)
    context = find_file(data, _NAME, ["caps_boxes_coco2014_val_80.jsonl"], folders=(*_FOLDERS, *_TABLES))
    records = read_questions(path, answers, _NAME)
    known = _contexts(context)
    names = [record["image"] for record, _ in records]
    prefixed = [_PREFIX + name for name in names]
    roots = list(dict.fromkeys((path.parent, data)))
    folder = picture_folder(roots, _PICTURES, names)
    released = picture_folder(roots, _PICTURES, prefixed)
    prefix = _PREFIX if not (folder / names[0]).is_file() and (released / prefixed[0]).is_file() else ""
    return [
        question_of(
            record,
            (released if prefix else folder) / (prefix + record["image"]),
            Reference(answer, known.get(record["image"], ())),
        )
        for record, answer in records
    ]


def _contexts(path: Path) -> dict[str, Context]:
    """What is known of a picture, by its name."""
    found: dict[str, Context] = {}
    for number, record in enumerate(read_records(path), start=1):
        captions, boxes = record.get("captions"), record.get("instances")
        if not (isinstance(record.get("image"), str) and isinstance(captions, list) and isinstance(boxes, list)):
            raise UserError(f"{path}: record {number} needs an image, captions and instances. Fetch the file again")
        found[record["image"]] = (
            ("Sentences people wrote about the picture", tuple(str(caption) for caption in captions)),
            (
                "Objects in it, with the box of each: left, top, right, bottom as parts of the width and height",
                tuple(_box(each, path, number) for each in boxes),
            ),
        )
    return found


def _box(instance: Any, path: Path, number: int) -> str:
    category = instance.get("category") if isinstance(instance, Mapping) else None
    box: Sequence[Any] = instance.get("bbox", ()) if isinstance(instance, Mapping) else ()
    if not isinstance(category, str) or len(box) != 4 or not all(isinstance(each, int | float) for each in box):
        raise UserError(f"{path}: an instance of record {number} needs a category and a bbox. Fetch the file again")
    return f"{category}: [{', '.join(f'{each:g}' for each in box)}]"


TASK = bench("LLaVA-Bench (COCO): open questions, judged beside answers of a GPT-4 that read captions", _questions)
