"""ROUGE-L of a text of several sentences, as the Python package `rouge` (pltrdy/rouge 1.0) computes it.

LLaVA-Interleave-Bench scores open answers with it. Unlike ROUGE-L of captions it counts different words, not words: a
word in common twice is in common once. Sentences end at any period, also inside a number.
"""

from __future__ import annotations

from collections.abc import Sequence

_SMALL = 1e-8  # what the package adds so that nothing is divided by 0


def rouge_l_of_texts(answer: str, reference: str) -> float:
    """The F-measure from 0 to 1; 0 when either has no words."""
    ours, theirs = _sentences(answer), _sentences(reference)
    if not ours or not theirs:
        return 0.0
    in_common: set[str] = set()
    for sentence in theirs:
        for other in ours:
            in_common.update(_common_words(sentence, other))
    num = len(in_common)
    precision = num / len({word for sentence in ours for word in sentence})
    recall = num / len({word for sentence in theirs for word in sentence})
    return 2 * precision * recall / (precision + recall + _SMALL)


def _sentences(text: str) -> list[list[str]]:
    return [words for sentence in text.split(".") if (words := sentence.split())]


def _common_words(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The words of one longest common subsequence: of several, the one the package finds."""
    table = [[0] * (len(second) + 1)]
    for word in first:
        row = [0]
        for place, other in enumerate(second):
            row.append(table[-1][place] + 1 if word == other else max(table[-1][place + 1], row[-1]))
        table.append(row)
    found = []
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            found.append(first[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found
