"""What is asked, and how it is counted: by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chiasm.demo import asking
from chiasm.demo.asking import CLASSICS, CODES, Language, guesses, right, shares, together
from chiasm.demo.story import Story
from chiasm.evals.task import Question
from chiasm.evals.tasks._drawn import Truth
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.telling.reasons import holding


def _question(key: str, kind: str, answer: str, style: str = "short") -> Question:
    box = tuple(float(each) for each in answer.strip("[]").split(",")) if style == "box" else ()
    return Question(key, key, "?", reference=Truth(answer, style, box=box), category=kind)


ASKED: dict[Language, list[Question]] = {
    "en": [
        _question("a", "existence", "yes"),
        _question("b", "existence", "no"),
        _question("c", "colour", "red"),
        _question("d", "colour", "red"),
        _question("e", "colour", "blue"),
    ],
    "zh": [_question("f", "colour", "红色"), _question("g", "text_to_box", "[0.1, 0.1, 0.5, 0.5]", "box")],
}


def test_shares_by_kind() -> None:
    texts = {"a": "Yes.", "b": "yes", "c": "red", "d": "green", "e": "Blue", "f": "红色", "g": "[0.1, 0.1, 0.5, 0.45]"}
    found = {kind: (share.num_right, share.num) for kind, share in shares(ASKED, texts).items()}
    assert found == {"existence": (1, 2), "colour": (3, 4), "text_to_box": (1, 1)}
    whole = together(shares(ASKED, texts).values())
    assert (whole.num_right, whole.num) == (5, 7)
    # Wilson's interval of 5 of 7, computed by hand: centre 0.638, half-width 0.278.
    assert (whole.interval.low, whole.interval.high) == pytest.approx((35.9, 91.8), abs=0.1)


def test_guessing_says_the_most_frequent_answer_of_its_kind_and_language() -> None:
    assert guesses({"en": ASKED["en"][2:], "zh": ASKED["zh"][:1]}) == {
        "c": "red",
        "d": "red",
        "e": "red",
        "f": "红色",
    }


@pytest.mark.parametrize(
    ("code", "place", "said", "verdict"),
    [
        ("en", 0, "yes", True),
        ("en", 0, "no", False),
        ("en", 2, "Red.", True),
        ("en", 2, "", False),
        ("zh", 0, "红色。", True),
    ],
)
def test_right(code: Language, place: int, said: str, verdict: bool) -> None:
    assert right(code, ASKED[code][place], said) == verdict


def test_questions_have_a_right_answer_and_no_kind_has_more_than_its_share(told: Story) -> None:
    for code in CODES:
        counts = Counter(question.category for question in told.questions[code])
        assert set(counts.values()) == {asking.A_KIND}
        assert not {"describe", "region_to_text"} & counts.keys()
        assert {"colour", "text_to_box", "compare", "option"} <= counts.keys()


def test_pictures_to_talk_about_are_rich_and_by_day_and_each_in_another_place() -> None:
    scenes = {number: sample_scene(5, number, 140) for number in range(40)}
    chosen = asking.varied(scenes, 3)
    assert chosen == sorted(chosen)
    assert [scenes[number].time for number in chosen] == ["day"] * 3
    assert len({scenes[number].place for number in chosen}) == 3
    for number in chosen:
        rivals = [each for each in scenes.values() if (each.place, each.time) == (scenes[number].place, "day")]
        wealth = [len(each.things) + len(holding(each)) for each in (scenes[number], *rivals)]
        assert wealth[0] == max(wealth)
    nights = {number: scene for number, scene in scenes.items() if scene.time == "night"}
    assert len(asking.varied(nights, 3)) == 3  # better than none


def test_requests_are_the_classics_in_both_languages_about_pairs(told: Story) -> None:
    assert len(told.requests) == asking.NUM_SETS * len(CODES) * len(CLASSICS)
    by_first: dict[Path, set[tuple[str, str]]] = {}
    for request in told.requests:
        by_first.setdefault(request.images[0], set()).add((request.kind, request.language))
        assert len(request.images) == (2 if request.kind == "compare" else 1)
        assert request.expected
        assert (request.language == "zh") == any("\u4e00" <= letter <= "\u9fff" for letter in request.text)
    assert set(map(len, by_first.values())) == {8}
    # What is asked is worth more than a nod.
    asked = [request for request in told.requests if request.kind == "ask"]
    assert not {request.expected for request in asked} & {"yes", "no", "是", "不是", "有", "没有"}
