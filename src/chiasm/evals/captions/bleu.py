"""Bleu 1 to 4 of a set of captions (Papineni et al. 2002), as coco-caption's `bleu_scorer.py` computes it.

Matches and lengths are summed over the set before anything is divided; there is no smoothing, and the reference length
of a caption is that of its reference closest in length, the shorter of two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from chiasm.evals.captions.ngrams import LONGEST, Ngrams

# What coco-caption adds so that nothing is divided by 0, and 0 matches of 0 are 0.
_TINY, _SMALL = 1e-15, 1e-9

Counts = tuple[int, ...]  # matches of each length, runs of each length, words, closest reference's words


def bleu_counts(words: int, candidate: Ngrams, references: Sequence[Ngrams], lengths: Sequence[int]) -> Counts:
    """What one caption of so many `words` adds to the sums; `lengths` of its references in words."""
    matches = [0] * LONGEST
    for ngram, count in candidate.items():
        matches[len(ngram) - 1] += min(count, max(reference.get(ngram, 0) for reference in references))
    runs = [max(0, words - length) for length in range(LONGEST)]
    closest = min((abs(length - words), length) for length in lengths)[1]
    return (*matches, *runs, words, closest)


def bleu(counts: Iterable[Counts]) -> list[float]:
    """Bleu 1 to 4 of captions from their counts; all 0 without captions."""
    sums = [sum(column) for column in zip(*counts, strict=True)]
    if not sums:
        return [0.0] * LONGEST
    words, closest = sums[2 * LONGEST], sums[2 * LONGEST + 1]
    ratio = (words + _TINY) / (closest + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio > 1e-3 else 0.0  # below, it is 0 to 400 digits
    scores, product = [], 1.0
    for place in range(LONGEST):
        product *= (sums[place] + _TINY) / (sums[LONGEST + place] + _SMALL)
        scores.append(product ** (1 / (place + 1)) * (brevity if ratio < 1 else 1.0))
    return scores
