from __future__ import annotations

import pytest

from chiasm.evals.task import Rule
from chiasm.evals.vqa_normalise import normalise, vqa_eval_form


@pytest.mark.parametrize(
    ("answer", "published", "strict"),
    [
        ("", "", ""),
        ("   \n\t ", "", ""),
        ("Yes.", "yes", "yes"),
        ("yes, there is", "yes there is", "yes there is"),
        ("Nope", "nope", "nope"),
        ("The answer is two.", "answer is 2", "answer is 2"),
        ("A dog and an apple", "dog and apple", "dog and apple"),
        ("None", "0", "0"),
        ("Ten", "10", "10"),
        ("eleven", "eleven", "eleven"),
        ("3.5", "3.5", "3.5"),
        ("3.", "3", "3"),  # the pattern was meant to keep a period behind a digit
        (".5", ".5", ".5"),
        ("U.S.A.", "usa", "usa"),
        ("1,000", "1000", "1000"),
        ("what?", "what", "what"),
        ("dont know", "don't know", "don't know"),
        ("couldnt've", "couldn't've", "couldn't've"),
        ("couldn'tve", "couldn't've", "couldn't've"),
        ("yall'd've", "y'all'd've", "y'all'd've"),
        ("'ows'at", "'ow's'at", "'ow's'at"),
        ("'ow'sat", "'ow 'sat", "'ow's'at"),  # the published form cuts 's off before it looks up
        ("somebody'd", "somebodyd", "somebody'd"),
        ("Im here", "im here", "im here"),  # the table has "Im", but words are in lower case by then
        ("the man's hat", "man 's hat", "man's hat"),
        ("the man\u2019s hat", "man\u2019s hat", "man's hat"),
        ("black/white", "black white", "black white"),
        ("black / white", "black white", "black white"),
        ("black/ white/grey", "black whitegrey", "black whitegrey"),  # one mark at a space deletes all its kind
        ("well-known", "well known", "well known"),
        ("hello!", "hello", "hello"),
        ("(B)", "b", "b"),
        ("a\nb", "b", "b"),
        ("." * 40 + "x", "." * 8 + "x", "x"),  # 32 periods at most
    ],
)
def test_forms(answer: str, published: str, strict: str) -> None:
    assert normalise(answer) == normalise(answer, "published") == published
    assert normalise(answer, "strict") == strict


@pytest.mark.parametrize("rule", ["published", "strict"])
def test_a_form_is_its_own_form(rule: Rule) -> None:
    for answer in ("2 dogs", "it is 3.5 m", "don't", "black white", "0"):
        assert normalise(answer, rule) == answer


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("1,000", "1000"),
        ("red, white", "red white"),
        ("red,white", "red white"),  # the published form has no comma left to make a space of
        ("the man's hat", "man's hat"),
        ("Two.", "2"),
    ],
)
def test_what_the_server_makes_of_answers(answer: str, form: str) -> None:
    assert vqa_eval_form(answer) == form
