"""The grammar that reads yes or no, on answers as models really write them."""

from __future__ import annotations

import pytest

from chiasm.evals.yes_no import read_yes_no

AWKWARD = [
    ("Yes", "yes"),
    ("Yes.", "yes"),
    ("yes, there is", "yes"),
    ("Yes, there is no doubt.", "yes"),
    ("yes there is a dog and no cat", "yes"),
    ("YES!", "yes"),
    ("  yes\n", "yes"),
    ("**Yes**, it is.", "yes"),
    ('"Yes"', "yes"),
    ("(yes)", "yes"),
    ("yeah", "yes"),
    ("Yep, it is.", "yes"),
    ("The answer is yes.", "yes"),
    ("Answer: Yes", "yes"),
    ("My final answer is: yes", "yes"),
    ("I would say yes.", "yes"),
    ("y", "yes"),
    ("True", "yes"),
    ("Correct.", "yes"),
    ("No", "no"),
    ("No.", "no"),
    ("NO", "no"),
    ("no, there is not", "no"),
    ("Nope", "no"),
    ("nope, nothing", "no"),
    ("No, I am not sure it is there.", "no"),
    ("There is no dog in the image.", "no"),
    ("The answer is no", "no"),
    ("So the answer is: No.", "no"),
    ("n", "no"),
    ("False.", "no"),
    ("是", "yes"),
    ("是的。", "yes"),
    ("是的，图中有一只狗", "yes"),
    ("有", "yes"),
    ("是的，可能是一只狗", "yes"),
    ("对", "yes"),
    ("答案是：是", "yes"),
    ("答案：有", "yes"),
    ("不是", "no"),
    ("没有", "no"),
    ("没有狗", "no"),
    ("否", "no"),
    ("不", "no"),
    ("答案是否", "no"),
    ("回答：没有", "no"),
    ("", None),
    ("   ", None),
    (".", None),
    ("not sure", None),
    ("I'm not sure.", None),
    ("I am not really sure", None),
    ("Maybe", None),
    ("No idea.", None),
    ("no way to tell", None),
    ("I cannot tell if there is one, no matter how I look.", None),
    ("It can't be determined.", None),
    ("I don't know", None),
    ("yes and no", None),
    ("Yes or no.", None),
    ("yes/no", None),
    ("no or yes", None),
    ("I say yes, she says no", None),
    ("There is a dog.", None),
    ("It is not there.", None),
    ("Norway", None),
    ("yesterday", None),
    ("nothing", None),
    ("noodles", None),
    ("A dog", None),
    ("不确定", None),
    ("无法判断", None),
    ("不太清楚", None),
    ("有可能", None),
    ("是否有狗", None),
    ("图中有一只狗", None),
]


@pytest.mark.parametrize(("answer", "read"), AWKWARD)
def test_reads_awkward_answers(answer: str, read: str | None) -> None:
    assert read_yes_no(answer) == read


def test_long_answers_are_read_in_linear_time() -> None:
    assert read_yes_no("dog " * 50_000) is None
    assert read_yes_no("the " * 50_000 + "yes") == "yes"
    assert read_yes_no("yes" + " " * 50_000 + "no") is None
    assert read_yes_no("not " * 50_000) is None
