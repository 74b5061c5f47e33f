"""ROUGE-L of a caption (Lin 2004), as coco-caption's `rouge.py` computes it: words in common, in the same order."""

from __future__ import annotations

from collections.abc import Sequence

_BETA = 1.2  # how much more recall weighs than precision; coco-caption's value


def rouge_l(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """From 0 to 1. Best precision and best recall may come from different references, as in coco-caption."""
    in_common = [longest_common(candidate, reference) for reference in references]
    if not any(in_common):
        return 0.0
    precision = max(in_common) / len(candidate)
    recall = max(same / len(each) for same, each in zip(in_common, references, strict=True) if each)
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words the longest common subsequence has."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for place, other in enumerate(second, start=1):
            here = row[place]
            row[place] = before + 1 if word == other else max(here, row[place - 1])
            before = here
    return row[-1]
