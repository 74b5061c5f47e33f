"""Practice: no question is given away by those before it, and answers are true."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.formats.practice import practice
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.placing import sample_scene

NAMES = "|".join(sorted((kind.name for kind in KINDS), key=len, reverse=True))
IS_THERE = re.compile(
    rf"(?:Is there|Can you see|Does the picture show) an? ({NAMES})(?: in the (?:image|picture))?\?", re.IGNORECASE
)
WHICH = re.compile(r"(?:Which of these|What is in the picture).*: (.*)\?")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(0, "train", number, sample_scene(0, number, 140)) for number in range(120)]


def records(pictures: list[Picture]) -> Iterator[tuple[Picture, Record]]:
    for first, second in pairwise(pictures):
        for record in practice(first, second):
            yield first, record


def turns(record: Record) -> list[tuple[str, str]]:
    said = [turn["value"] for turn in record["conversations"]]
    return list(zip(said[::2], said[1::2], strict=True))


def test_whether_a_thing_is_there_is_asked_before_anything_has_told_it(pictures: list[Picture]) -> None:
    answers: Counter[str] = Counter()
    for picture, record in records(pictures):
        if not record["id"].startswith("practice") or not record["id"].endswith("en"):
            continue
        told: set[str] = set()
        there = {thing.kind for thing in picture.scene.things}
        for question, answer in turns(record):
            named = set(re.findall(rf"\b({NAMES})s?\b", question))
            if found := IS_THERE.search(question):
                assert not named & told, question
                assert answer == ("yes" if found[1].lower() in there else "no"), question
                answers[answer] += 1
            elif WHICH.search(question):
                assert not named & told, question
                assert named & there == {answer}, question
                answers["which"] += 1
            told |= named
    assert min(answers.values()) > 60, answers
    assert 0.8 < answers["yes"] / answers["no"] < 1.25, answers


def test_two_pictures_are_compared_and_longer_answers_kept(pictures: list[Picture]) -> None:
    found: Counter[str] = Counter()
    for picture, record in records(pictures):
        name = record["id"].split("_")[0]
        found[name] += 1
        shown = 1 if isinstance(record["image"], str) else len(record["image"])
        assert shown == (2 if name == "compare" else 1)
        assert record["conversations"][0]["value"].count("<image>") == shown
        if name == "compare":
            assert picture.number % 2 == 0
            assert len({question for question, _ in turns(record)}) == len(turns(record))
    assert found["practice"] > 1.9 * len(pictures)
    assert found["compare"] > 40
    assert found.total() - found["practice"] - found["compare"] > 30


def test_the_same_picture_gives_the_same_records(pictures: list[Picture]) -> None:
    again = Picture(0, "train", 7, sample_scene(0, 7, 140))
    assert list(practice(again, pictures[8])) == list(practice(pictures[7], pictures[8]))
