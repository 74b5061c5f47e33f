"""Captioning as a task: how a set's captions are asked for and scored. What differs between languages is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.evals.captions.bleu import Counts, bleu, bleu_counts
from chiasm.evals.captions.cider import Weights, cider_d
from chiasm.evals.captions.ngrams import ngrams
from chiasm.evals.captions.rouge_l import rouge_l
from chiasm.evals.captions.tokenise import Language, words_of
from chiasm.evals.submissions import read_submission, write_submission
from chiasm.evals.task import Mark, Question, Rule, Task
from chiasm.evals.tasks._caption_sets import Captioned

_MOST_CIDER = 10.0  # of one caption; makes its value


@dataclass(frozen=True, slots=True)
class Scores:
    """What metrics sum up of one caption."""

    bleu: Counts
    rouge_l: float
    cider_d: float


def caption_task(about: str, prompt: str, read: Callable[[Path], list[Captioned]], language: Language) -> Task:
    """One caption a picture, held against those people wrote.

    `value` of a mark is its CIDEr-D as a share of the highest possible. Of a part of the set (`--limit`), the weights
    of words are those of the part, and CIDEr-D is not that of the whole.
    """

    def questions(data: Path) -> list[Question]:
        return [
            Question(each.id, str(each.id), prompt, (each.picture,), each.captions, group=str(each.id))
            for each in read(data)
        ]

    def mark(questions: Sequence[Question], texts: Mapping[str, str], rule: Rule) -> list[Mark]:
        weights = Weights.of([words_of(each, language) for each in _references(question)] for question in questions)
        return [_mark(question, texts[question.key], weights, language) for question in questions]

    return Task(
        about=about,
        questions=questions,
        mark=mark,
        metrics=_metrics,
        headline="cider_d",
        submit=_submit,
        read_answers=read_captions,
    )


def _references(question: Question) -> tuple[str, ...]:
    assert isinstance(question.reference, tuple)
    return question.reference


def _mark(question: Question, text: str, weights: Weights, language: Language) -> Mark:
    words = words_of(text, language)
    references = [words_of(each, language) for each in _references(question)]
    candidate, counted = ngrams(words), [ngrams(each) for each in references]
    scores = Scores(
        bleu_counts(len(words), candidate, counted, [len(each) for each in references]),
        rouge_l(words, references),
        cider_d(candidate, counted, weights),
    )
    value = min(1.0, scores.cider_d / _MOST_CIDER)
    return Mark(question, text, value, " ".join(words), invalid=not words, detail={"scores": scores})


def _scores(mark: Mark) -> Scores:
    scores = mark.detail["scores"]
    assert isinstance(scores, Scores)
    return scores


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    """All in percent; CIDEr-D, whose best is 10, times 100 as well, as papers print it: 110 is 1.1."""
    if not marks:
        return {}
    scores = [_scores(mark) for mark in marks]
    return {
        **{f"bleu_{n}": 100 * score for n, score in enumerate(bleu(each.bleu for each in scores), start=1)},
        "rouge_l": 100 * sum(each.rouge_l for each in scores) / len(scores),
        "cider_d": 100 * sum(each.cider_d for each in scores) / len(scores),
    }


def _submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
    """COCO's form of results, which coco-caption and COCO's server take."""
    records = ({"image_id": each.id, "caption": texts[each.key].strip()} for each in questions)
    return write_submission(folder / "captions_results.json", records)


def read_captions(path: Path, questions: Sequence[Question]) -> Mapping[str, str] | None:
    """COCO's form of results, as a `Task.read_answers`."""
    return read_submission(path, "image_id", "caption")
