"""LLaVA-Bench (In-the-Wild) (LLaVA v1, section 5.1): 24 pictures of all kinds with 60 open questions.

Read from the release: `questions.jsonl`, `answers_gpt4.jsonl`, `context.jsonl` (what the judge is told of a picture)
and the folder `images`, as in LLaVA's evaluation bundle under `llava-bench-in-the-wild`. Judging: `_llava_bench`.
"""

from __future__ import annotations

from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.files import find_file, read_records
from chiasm.evals.task import Question
from chiasm.evals.tasks._llava_bench import Context, Reference, bench, question_of, read_questions
from chiasm.evals.tasks._pictures import picture_folder

_NAME = "llava_bench_wild"
_FOLDERS = ("llava-bench-in-the-wild", "llava_bench_wild", "LLaVA-Bench-in-the-Wild")


def _questions(data: Path) -> list[Question]:
    # Other sets have a questions.jsonl too; the folder is the one that holds the references.
    answers = find_file(data, _NAME, ["answers_gpt4.jsonl"], folders=_FOLDERS)
    path = find_file(answers.parent, _NAME, ["questions.jsonl"])
    known = _contexts(find_file(answers.parent, _NAME, ["context.jsonl"]))
    records = read_questions(path, answers, _NAME)
    folder = picture_folder((path.parent,), ("images", ""), [record["image"] for record, _ in records])
    return [
        question_of(record, folder / record["image"], Reference(answer, known.get(record["image"], ())))
        for record, answer in records
    ]


def _contexts(path: Path) -> dict[str, Context]:
    """What is known of a picture, by its name."""
    found: dict[str, Context] = {}
    for number, record in enumerate(read_records(path), start=1):
        caption = record.get("caption")
        lines = tuple(map(str, caption)) if isinstance(caption, list) else (caption,)
        if not isinstance(record.get("image"), str) or not all(isinstance(line, str) for line in lines):
            raise UserError(f"{path}: record {number} needs an image and a caption. Fetch the file again")
        found[record["image"]] = (("What is known of the picture", tuple(line for line in lines if line)),)
    return found


TASK = bench("LLaVA-Bench (In-the-Wild): open questions, judged beside answers of GPT-4", _questions)
