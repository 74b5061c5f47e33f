"""Runs of one to four neighbouring words, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

LONGEST = 4  # words; Bleu and CIDEr both stop there (Papineni et al. 2002; Vedantam et al. 2015)

Ngrams = Counter[tuple[str, ...]]


def ngrams(words: Sequence[str]) -> Ngrams:
    """How often each run of one to four words occurs."""
    return Counter(
        tuple(words[begin : begin + length])
        for length in range(1, LONGEST + 1)
        for begin in range(len(words) - length + 1)
    )
