"""The grammar that reads which option was chosen, on answers as models really write them."""

from __future__ import annotations

import pytest

from chiasm.evals.choices import lettered, option_lines, read_choice

ANIMALS = {"A": "dog", "B": "cat", "C": "a red fox", "D": "I do not know"}

AWKWARD = [
    # 1. the letter first
    ("B", "B"),
    ("b", "B"),
    ("B.", "B"),
    ("(B)", "B"),
    ("(b)", "B"),
    ("[B]", "B"),
    ("B)", "B"),
    ("B:", "B"),
    ("B. cat", "B"),
    ("b. cat", "B"),
    ("B) cat", "B"),
    ("B: a cat on a mat", "B"),
    ("B cat", "B"),
    ("B, a cat on a mat", "B"),
    ("B, A cat", "B"),
    ("B, since A and C are wrong", "B"),
    ("B is right", "B"),
    ("B\n\nBecause there is a cat.", "B"),
    ("B. A cat, not the dog of A.", "B"),
    ("  B  ", "B"),
    ("**B**", "B"),
    ("**B.** cat", "B"),
    ("`B`", "B"),
    ('"B"', "B"),
    ("Ｂ", "B"),
    ("Ｂ．猫", "B"),
    ("B选项", "B"),
    ("B、猫", "B"),
    ("A", "A"),
    ("A.", "A"),
    ("A. dog", "A"),
    ("A dog", "A"),  # the text of A follows its letter
    ("$\\boxed{B}$", "B"),
    ("\\boxed{\\text{C}}", "C"),
    # 2. statements
    ("The answer is B.", "B"),
    ("The answer is B", "B"),
    ("the answer is b.", "B"),
    ("The correct answer is (B).", "B"),
    ("The correct answer is: B. cat", "B"),
    ("Answer: B", "B"),
    ("answer: b", "B"),
    ("ANSWER: B", "B"),
    ("Answer B", "B"),
    ("Option B", "B"),
    ("Option B is correct.", "B"),
    ("The correct option is C.", "C"),
    ("I think it is B", "B"),
    ("I would choose B.", "B"),
    ("I'd say C", "C"),
    ("It's B.", "B"),
    ("The answer is A.", "A"),
    ("There is whiskers and a tail. The answer is B.", "B"),
    ("答案是B", "B"),
    ("答案是B。", "B"),
    ("答案：B", "B"),
    ("正确答案为 B", "B"),
    ("应该选B", "B"),
    ("我选 C", "C"),
    ("选项B", "B"),
    # 3. the option's text
    ("cat", "B"),
    ("Cat.", "B"),
    ("a cat", "B"),
    ("A cat", "B"),
    ("It is a cat.", "B"),
    ("The answer is cat.", "B"),
    ("a red fox", "C"),
    ("red fox", "C"),
    ("I do not know", "D"),
    # 4. a letter inside
    ("Surely B", "B"),
    ("so (C) is right", "C"),
    ("Probably the second one, B.", "B"),
    # nothing, two, or none of them
    ("", None),
    ("   ", None),
    ("...", None),
    ("A or B", None),
    ("A and B", None),
    ("A, B", None),
    ("A, B and C", None),
    ("a, b", None),
    ("B, or A", None),
    ("(A), (B)", None),
    ("A/B", None),
    ("B or C.", None),
    ("(A) or (B)", None),
    ("Both A and B", None),
    ("A和B", None),
    ("The answer is A or B.", None),
    ("The answer is A. No, the answer is B.", None),
    ("E", None),
    ("The answer is E.", None),
    ("not B", None),
    ("It is not B.", None),
    ("A cat is sitting here", None),
    ("a", "A"),
    ("I", None),
    ("I cannot see it.", None),
    ("Bob", None),
    ("because", None),
    ("There is a dog and a cat.", None),
    ("D'accord", None),
]


@pytest.mark.parametrize(("answer", "letter"), AWKWARD)
def test_reads_awkward_answers(answer: str, letter: str | None) -> None:
    assert read_choice(answer, ANIMALS) == letter


def test_letters_alone_are_enough() -> None:
    assert read_choice("The answer is (D).", "ABCD") == "D"
    assert read_choice("cat", "ABCD") is None
    assert read_choice("E.", "ABCD") is None


def test_two_options_of_one_text_are_not_told_apart() -> None:
    assert read_choice("cat", {"A": "cat", "B": "Cat."}) is None
    assert read_choice("B", {"A": "cat", "B": "Cat."}) == "B"


def test_options_that_are_letters_themselves() -> None:
    vitamins = {"A": "B", "B": "A"}
    assert read_choice("A", vitamins) == "A"
    assert read_choice("A. B", vitamins) == "A"


def test_long_answers_are_read_in_linear_time() -> None:
    # The published limit is 1,024 tokens; a model that repeats itself must not hang a scorer.
    assert read_choice("the answer is " * 20_000, ANIMALS) is None
    assert read_choice("(" * 50_000, ANIMALS) is None
    assert read_choice(" " * 50_000 + "B", ANIMALS) == "B"


def test_option_lines() -> None:
    assert lettered(["dog", "cat"]) == {"A": "dog", "B": "cat"}
    assert option_lines(lettered(["dog", "cat"])) == "A. dog\nB. cat"
