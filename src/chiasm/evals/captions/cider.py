"""CIDEr-D of captions (Vedantam et al. 2015), as coco-caption's `cider_scorer.py` computes it.

Runs of words weigh by how few pictures' references have them, so a score depends on the whole set of references: give
the weights of the set, also where only part of it is scored. With a single picture all weights, and scores, are 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chiasm.evals.captions.ngrams import LONGEST, Ngrams, ngrams

_SIGMA = 6.0  # words of difference in length before a caption loses 39 %; the paper's
_SCALE = 10.0  # the paper's


@dataclass(frozen=True, slots=True)
class Weights:
    """In how many of `num_pictures` pictures' references a run of words stands."""

    frequency: Counter[tuple[str, ...]]
    num_pictures: int

    @classmethod
    def of(cls, references: Iterable[Sequence[Sequence[str]]]) -> Weights:
        """From all pictures' references, each a list of words; a picture at a time, so an iterator will do."""
        frequency: Counter[tuple[str, ...]] = Counter()
        num = 0
        for captions in references:
            num += 1
            frequency.update({ngram for words in captions for ngram in ngrams(words)})
        return cls(frequency, num)

    def weighted(self, counts: Ngrams) -> list[dict[tuple[str, ...], float]]:
        """The runs of each length with their weights."""
        most = math.log(self.num_pictures) if self.num_pictures else 0.0
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        for ngram, count in counts.items():
            vectors[len(ngram) - 1][ngram] = count * (most - math.log(max(1, self.frequency[ngram])))
        return vectors


def cider_d(candidate: Ngrams, references: Sequence[Ngrams], weights: Weights) -> float:
    """From 0 to 10, of one caption against its picture's references."""
    if not references:
        return 0.0
    ours, length = weights.weighted(candidate), _length(candidate)
    norms = [_norm(vector) for vector in ours]
    total = 0.0
    for reference in references:
        theirs = weights.weighted(reference)
        same = sum(
            _clipped(mine, other) / (norm * other_norm)
            for mine, other, norm in zip(ours, theirs, norms, strict=True)
            if norm and (other_norm := _norm(other))
        )
        total += same * math.exp(-((length - _length(reference)) ** 2) / (2 * _SIGMA**2))
    return _SCALE * total / LONGEST / len(references)


def _clipped(ours: dict[tuple[str, ...], float], theirs: dict[tuple[str, ...], float]) -> float:
    """The product in which saying a word more often than the reference gains nothing."""
    return sum(min(weight, theirs[ngram]) * theirs[ngram] for ngram, weight in ours.items() if ngram in theirs)


def _norm(vector: dict[tuple[str, ...], float]) -> float:
    return math.sqrt(sum(weight * weight for weight in vector.values()))


def _length(counts: Ngrams) -> int:
    """In pairs of words, as coco-caption has it."""
    return sum(count for ngram, count in counts.items() if len(ngram) == 2)
