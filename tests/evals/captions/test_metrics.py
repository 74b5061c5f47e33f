"""Bleu, ROUGE-L and CIDEr-D against sums done by hand, and against what must hold of any captions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.evals.captions.bleu import Counts, bleu, bleu_counts
from chiasm.evals.captions.cider import Weights, cider_d
from chiasm.evals.captions.ngrams import ngrams
from chiasm.evals.captions.rouge_l import longest_common, rouge_l
from chiasm.evals.captions.rouge_summary import rouge_l_of_texts

CAPTIONS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=8)
REFERENCES = st.lists(CAPTIONS.filter(bool), min_size=1, max_size=3)


def counts(candidate: str, *references: str) -> Counts:
    split = [each.split() for each in references]
    words = candidate.split()
    return bleu_counts(len(words), ngrams(words), [ngrams(each) for each in split], [len(each) for each in split])


def test_ngrams() -> None:
    found = ngrams(["a", "b", "a", "b"])
    assert found == {
        ("a",): 2, ("b",): 2, ("a", "b"): 2, ("b", "a"): 1,
        ("a", "b", "a"): 1, ("b", "a", "b"): 1, ("a", "b", "a", "b"): 1,
    }  # fmt: skip
    assert not ngrams([])


def test_bleu_by_hand() -> None:
    """The example of Papineni et al., section 2.1: "the" seven times has two matches of seven."""
    found = counts("the the the the the the the", "the cat is on the mat", "there is a cat on the mat")
    assert found == (2, 0, 0, 0, 7, 6, 5, 4, 7, 7)
    assert bleu([found]) == pytest.approx([2 / 7, 0, 0, 0], abs=1e-6)


def test_bleu_of_a_set_sums_first() -> None:
    first = counts("a cat sat", "a cat sat down")  # 3 of 3, 2 of 2, 1 of 1; 3 words for 4
    second = counts("a dog", "the dog ran off")  # 1 of 2, 0 of 1; 2 words for 4
    brevity = math.exp(1 - 8 / 5)
    expected = [4 / 5 * brevity, math.sqrt(4 / 5 * 2 / 3) * brevity]
    assert bleu([first, second])[:2] == pytest.approx(expected, rel=1e-6)


def test_bleu_takes_the_closest_reference_and_of_two_the_shorter() -> None:
    assert counts("a b c d", "x", "x x x", "x x x x x")[-1] == 3
    assert counts("a b c d", "x x x x x x x", "x x x x x")[-1] == 5


def test_rouge_by_hand() -> None:
    """ "police killed the gunman" (Lin 2004, section 3.1): three words in common with "police kill the gunman"."""
    assert longest_common(["police", "killed", "the", "gunman"], ["police", "kill", "the", "gunman"]) == 3
    assert rouge_l(["police", "kill", "the", "gunman"], [["police", "killed", "the", "gunman"]]) == pytest.approx(3 / 4)
    assert rouge_l(["the", "gunman", "kill", "police"], [["police", "killed", "the", "gunman"]]) == pytest.approx(2 / 4)


def test_rouge_takes_precision_and_recall_from_different_references() -> None:
    """Precision 1 from the long reference, recall 1 from the short one."""
    assert rouge_l(["a", "b", "c"], [["x", "a", "y", "b", "z", "c"], ["b"]]) == pytest.approx(1.0)
    precision, recall = 2 / 4, 2 / 3
    expected = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert rouge_l(["a", "b", "x", "x"], [["a", "b", "c"]]) == pytest.approx(expected)


def test_cider_by_hand() -> None:
    """Two pictures. "a" is in both, its weight log(2/2) = 0; "cat" and "dog" weigh log 2 once."""
    weights = Weights.of([[["a", "cat"]], [["a", "dog"]]])
    assert weights.num_pictures == 2
    assert weights.frequency["a",] == 2
    reference = [ngrams(["a", "cat"])]
    # 1-grams: cosine of (0, log 2) with itself, 1; 2-grams likewise 1; none longer: 10 * 2 / 4.
    assert cider_d(ngrams(["a", "cat"]), reference, weights) == pytest.approx(5.0)
    assert cider_d(ngrams(["a", "dog"]), reference, weights) == 0
    # Said twice, "cat" is clipped to once, while the norm grows: 1-grams log2^2 / (2 log2 * log2) = 1/2. The pairs are
    # "a cat" (log 2) and the unseen "cat cat" (log 2 too): 1/sqrt 2. One pair too many: exp(-1/72).
    expected = 10 / 4 * (1 / 2 + 1 / math.sqrt(2)) * math.exp(-1 / 72)
    assert cider_d(ngrams(["a", "cat", "cat"]), reference, weights) == pytest.approx(expected)


def test_cider_of_one_picture_is_0() -> None:
    weights = Weights.of([[["a", "cat"]]])
    assert cider_d(ngrams(["a", "cat"]), [ngrams(["a", "cat"])], weights) == 0


@given(REFERENCES)
def test_a_reference_itself_is_best(references: list[list[str]]) -> None:
    candidate = references[0]
    counted = [ngrams(each) for each in references]
    found = bleu([bleu_counts(len(candidate), ngrams(candidate), counted, [len(each) for each in references])])
    assert found[min(len(candidate), 4) - 1] == pytest.approx(1.0, abs=1e-6)
    assert rouge_l(candidate, references) == pytest.approx(1.0)
    assert rouge_l_of_texts(" ".join(candidate), " ".join(candidate)) == pytest.approx(1.0, abs=1e-6)


@given(CAPTIONS, REFERENCES)
def test_bounds_and_the_order_of_references(candidate: list[str], references: list[list[str]]) -> None:
    weights = Weights.of([references, [["a", "f"]], [["g"]]])
    counted, lengths = [ngrams(each) for each in references], [len(each) for each in references]
    found = bleu_counts(len(candidate), ngrams(candidate), counted, lengths)
    assert all(0 <= score <= 1 for score in bleu([found]))
    assert found == bleu_counts(len(candidate), ngrams(candidate), counted[::-1], lengths[::-1])
    assert 0 <= rouge_l(candidate, references) <= 1 + 1e-12
    score = cider_d(ngrams(candidate), counted, weights)
    assert 0 <= score <= 10 + 1e-9
    assert score == pytest.approx(cider_d(ngrams(candidate), counted[::-1], weights))


def test_nothing_said() -> None:
    assert bleu([counts("", "a cat")]) == pytest.approx([0, 0, 0, 0])
    assert bleu([]) == [0, 0, 0, 0]
    assert rouge_l([], [["a"]]) == 0
    assert rouge_l_of_texts("", "a") == rouge_l_of_texts("a", ".") == 0


def test_rouge_of_texts_counts_different_words() -> None:
    """Of "a a b" and "a b b" two different words in common of two and two, though a subsequence of two of three."""
    assert rouge_l_of_texts("a a b", "a b b") == pytest.approx(1.0)
    # Sentences: "a b" of the answer is found in the reference's first, "c" in its second: 3 of 3 words, 3 of 4.
    assert rouge_l_of_texts("a b. c", "a x b. c") == pytest.approx(2 * 0.75 / 1.75)
