"""TextVQA validation without OCR tokens: the picture alone must do. Scored like `textvqa`, whose prompt has the tokens.

Needs nothing of LLaVA's bundle, only `TextVQA_0.5.1_val.json` and the pictures. The prompt is LLaVA-1.5's for short
answers; LLaVA's published TextVQA numbers are with tokens and stand higher.
"""

from __future__ import annotations

from pathlib import Path

from chiasm.evals.prompts import short_question
from chiasm.evals.task import Question
from chiasm.evals.tasks.textvqa import plain_questions, task


def _questions(data: Path) -> list[Question]:
    return plain_questions(data, "textvqa_plain", short_question)


TASK = task("TextVQA val without OCR tokens: the model must read the picture itself", _questions)
