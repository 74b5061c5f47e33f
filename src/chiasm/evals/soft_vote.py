"""The accuracy of VQA (Antol et al. 2015; Goyal et al. 2017): an answer is as right as people agree with it.

Answers are compared as they come: bring them to one form first (`chiasm.evals.vqa_normalise`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chiasm.evals.task import Mark, percent

_ENOUGH = 3  # people who agree make an answer wholly right (Antol et al. 2015, section 3)


def vote(answer: str, human: Sequence[str]) -> float:
    """How right `answer` is, from 0 to 1: min(1, agreeing / 3), averaged over all people but one at a time.

    Source: `vqaEval.py` of GT-Vision-Lab/VQA and `TextVQAAccuracyEvaluator` of MMF, which agree. 0 without people.
    """
    if not human:
        return 0.0
    agreeing = sum(each == answer for each in human)
    with_one_less = agreeing * min(1.0, (agreeing - 1) / _ENOUGH)
    return (with_one_less + (len(human) - agreeing) * min(1.0, agreeing / _ENOUGH)) / len(human)


def accuracies(marks: Sequence[Mark]) -> dict[str, float]:
    """`accuracy` and, of questions with a category, `accuracy_CATEGORY`: the mean of marks in percent.

    Nothing when the people's answers to a question (a tuple) are not known here: only its server can score it.
    """
    if not all(isinstance(mark.question.reference, tuple) for mark in marks):
        return {}
    sums: dict[str, list[float]] = {}
    for mark in marks:
        of_category = sums.setdefault(mark.question.category, [0.0, 0])
        of_category[0] += mark.value
        of_category[1] += 1
    total = {"accuracy": percent(sum(s for s, _ in sums.values()), sum(n for _, n in sums.values()))}
    return total | {f"accuracy_{name}": percent(s, n) for name, (s, n) in sorted(sums.items()) if name}


def category(answer_type: object) -> str:
    """VQAv2's and VizWiz's `answer_type` as part of a metric's name: "yes/no" is "yes_no"; "" when there is none."""
    return answer_type.replace("/", "_").replace(" ", "_") if isinstance(answer_type, str) else ""


def human_answers(record: Mapping[str, object]) -> tuple[str, ...] | None:
    """The people's answers of an annotation: texts, or objects with an `answer`. None when there are none."""
    answers = record.get("answers")
    if not isinstance(answers, list) or not answers:
        return None
    texts = (each.get("answer") if isinstance(each, dict) else each for each in answers)
    said = tuple(text for text in texts if isinstance(text, str))
    return said if len(said) == len(answers) else None
