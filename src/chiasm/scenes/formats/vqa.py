"""VQA v2's question and annotation files for the short questions about held-out pictures.

An `image` beside each question says where the picture is, which COCO's readers would make up from the id.
"""

from __future__ import annotations

from chiasm.scenes.formats.picture import Record
from chiasm.scenes.formats.questions import Asked

_NUM_ANSWERS = 10  # of people, to each question of VQA v2
_QUESTIONS_A_SCENE = 1000  # ids are made of the picture's and the question's, as in VQA v2


def question(asked: Asked) -> Record:
    """An entry of `questions`. The format prompt is left to whoever asks."""
    return {
        "image_id": asked.picture.scene.id,
        "question": asked.question.question,
        "question_id": _identity(asked),
        "image": asked.picture.file,
    }


def annotation(asked: Asked) -> Record:
    """An entry of `annotations`. All ten answers are the one that is right."""
    answer = asked.question.answer
    return {
        "question_type": asked.question.kind,
        "multiple_choice_answer": answer,
        "answers": [
            {"answer": answer, "answer_confidence": "yes", "answer_id": number + 1} for number in range(_NUM_ANSWERS)
        ],
        "image_id": asked.picture.scene.id,
        "answer_type": _answer_type(answer),
        "question_id": _identity(asked),
    }


def about(seed: int, split: str, asks: bool) -> Record:
    """What stands before the lists; `asks` for the file of questions."""
    head: Record = {
        "info": {"description": "chiasm drawn world", "seed": seed},
        "license": {},
        "data_type": "drawn",
        "data_subtype": split,
    }
    return {**head, "task_type": "Open-Ended"} if asks else head


def _identity(asked: Asked) -> int:
    return asked.picture.scene.id * _QUESTIONS_A_SCENE + asked.number


def _answer_type(answer: str) -> str:
    """The three types of VQA v2."""
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdecimal() else "other"
