"""Format prompts that LLaVA-1.5 was trained and evaluated with: interface constants, not wording of ours."""

from __future__ import annotations

SHORT_ANSWER = "Answer the question using a single word or phrase."  # arXiv 2310.03744, table 7; docs/Evaluation.md
ONE_SENTENCE = "Provide a one-sentence caption for the provided image."  # the same table: TextCaps
OPTION_LETTER = "Answer with the option's letter from the given choices directly."  # the same table: multiple choice
# LLaVA's docs/Evaluation.md, VizWiz; stands between the question and SHORT_ANSWER.
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."


def short_question(question: str) -> str:
    """A question as LLaVA-1.5 is asked for a short answer."""
    return f"{question}\n{SHORT_ANSWER}"
