"""Reviews as LLaVA's eval_gpt_review_bench.py and eval_gpt_review_visual.py write them, read by question and checked.

    {"id": 1, "question_id": 0, "answer1_id": ..., "answer2_id": ..., "category": "llava_bench_conv", "content": "8 7
    ...", "tuple": [8.0, 7.0]}

The first score is the reference's. `[-1, -1]` is how the scripts say that a reply could not be read; their summary
averages it in all the same, this package never does. They match answers by line, so that a file which was continued, or
made from files of different order, can hold a question twice or under another's name: both are looked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.files import read_records
from chiasm.evals.judging.grammar import Scores
from chiasm.evals.task import Question, id_key

_PREFIX = "llava_bench_"  # of categories in rule.json
_EXAMPLES = 3


def are_llava_reviews(record: Mapping[str, Any]) -> bool:
    """Whether a record is one of such reviews."""
    return "question_id" in record and "tuple" in record and "content" in record


def read_llava_reviews(path: Path, questions: Sequence[Question]) -> dict[str, Scores | None]:
    """(reference, answer) by question key, None where the reply could not be read.

    Raises `UserError` in one line with counts and examples for lines that are no reviews, and for questions reviewed
    never, more than once, of another category than the benchmark says, or not known.
    """
    known = {question.key: question for question in questions}
    found: dict[str, Scores | None] = {}
    twice, unknown, foreign, broken = [], [], [], []
    for number, record in enumerate(read_records(path), start=1):
        key = id_key(record)
        if key is None or not are_llava_reviews(record):
            broken.append(f"line {number}")
        elif key not in known:
            unknown.append(key)
        elif key in found:
            twice.append(key)
        else:
            found[key] = _pair(record["tuple"])
            category = record.get("category")
            if isinstance(category, str) and category.removeprefix(_PREFIX) != known[key].category:
                foreign.append(key)
    missing = [key for key in known if key not in found]
    wrong = [
        f"{len(keys):,} {what} (first: {', '.join(dict.fromkeys(keys[:_EXAMPLES]))})"
        for keys, what in (
            (broken, "records are no reviews"),
            (missing, f"of {len(known):,} questions have no review"),
            (twice, "reviews are of questions reviewed before"),
            (unknown, "reviews are of questions that are not asked"),
            (foreign, "reviews are of another category than their question"),
        )
        if keys
    ]
    if wrong:
        raise UserError(f"{path} does not review these questions: {'; '.join(wrong)}. Are they of another benchmark?")
    return found


def _pair(value: object) -> Scores | None:
    """The scores of a `tuple`; None for [-1, -1] and whatever else is no pair from 0 to 10."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each <= 10 for each in value):
        return None
    return float(value[0]), float(value[1])
