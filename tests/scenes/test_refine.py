"""Refinement: no question tells the answer of another, options and coins are even, and answers are true."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from chiasm.scenes.asking.question import FORMATS
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.formats.refine import refine
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.placing import sample_scene

NAMES = "|".join(sorted((kind.name for kind in KINDS), key=len, reverse=True))
NAMED = re.compile(rf"\b({NAMES})(?:s|es)?\b", re.IGNORECASE)
IS_THERE = re.compile(
    rf"^(?:Is there|Can you see|Does the picture show) an? ({NAMES})(?: in the (?:image|picture))?\?", re.IGNORECASE
)
WHICH = re.compile(r"^(?:Which of these|What is in the picture:)")
IS_IN = re.compile(r"^(?:Is there|Does the) .*\b(first|second) picture\b.*\?$")
WHICH_HAS = re.compile(r"^(?:Which|In which) .*picture")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(0, "train", number, sample_scene(0, number, 140)) for number in range(240)]


def records(pictures: list[Picture], kind: str) -> Iterator[tuple[Picture, Picture, Record]]:
    """Those in English."""
    for first, second in pairwise(pictures):
        for record in refine(first, second):
            if record["id"].startswith(kind) and record["id"].endswith("en"):
                yield first, second, record


def turns(record: Record) -> list[tuple[str, str]]:
    said = [turn["value"] for turn in record["conversations"]]
    return list(zip((text.replace("<image>\n", "") for text in said[::2]), said[1::2], strict=True))


def named(text: str) -> set[str]:
    return {found.lower() for found in NAMED.findall(text)}


def test_what_is_there_is_asked_before_anything_has_named_it(pictures: list[Picture]) -> None:
    answers: Counter[str] = Counter()
    for picture, _, record in records(pictures, "refine"):
        told: set[str] = set()
        there = {thing.kind for thing in picture.scene.things}
        for question, answer in turns(record):
            if found := IS_THERE.search(question):
                assert not named(question) & told, record
                says_yes = answer.lower().startswith("yes")
                assert says_yes == (found[1].lower() in there), record
                answers["yes" if says_yes else "no"] += 1
            elif WHICH.search(question):
                assert not named(question) & told, record
                (right,) = named(question) & there
                if len(answer) == 1 and answer.isupper():
                    (answer,) = re.findall(rf"^{answer}\. (.*)$", question, re.MULTILINE)
                assert right in answer, record
                answers["which"] += 1
            told |= named(question) | named(answer)
    assert min(answers.values()) > 30, answers
    assert 0.7 < answers["yes"] / answers["no"] < 1.4, answers


def test_no_thing_is_described_twice(pictures: list[Picture]) -> None:
    """A colour that a question, an option's answer or a box has named is not asked for afterwards."""
    coloured = re.compile(rf"^What colou?r is the ({NAMES})\?|^What is the colou?r of the ({NAMES})\?", re.IGNORECASE)
    seen = 0
    for picture, _, record in records(pictures, "refine"):
        before = ""
        for question, answer in turns(record):
            if found := coloured.search(question):
                kind = (found[1] or found[2]).lower()
                colours = {thing.colour for thing in picture.scene.of_kind(kind)}
                for colour in colours:
                    assert f"{colour} {kind}" not in before.lower(), record
                seen += 1
            before += f"{question} {answer}\n"
    assert seen > 30


def test_every_letter_is_as_likely(pictures: list[Picture]) -> None:
    letters: Counter[str] = Counter()
    for _, _, record in records(pictures, "refine"):
        for question, answer in turns(record):
            if FORMATS["option"]["en"] in question and "\nC. " not in question:
                letters[answer] += 1
    assert 0.75 < letters["A"] / letters["B"] < 1.33, letters


def test_questions_of_short_answers_say_so_after_others(pictures: list[Picture]) -> None:
    """A question that follows options or boxes asks for its own format again; in whole sentences nothing is asked."""
    lines, seen = FORMATS["short"]["en"], 0
    for _, _, record in records(pictures, "refine"):
        asked = turns(record)
        prompted = [next((style for style, line in FORMATS.items() if line["en"] in q), None) for q, _ in asked]
        if not any(prompted):
            assert all(answer.endswith(".") for _, answer in asked), record
            continue
        for (before, now), (question, _) in zip(pairwise(prompted), asked[1:], strict=True):
            if now is None:
                assert before in ("short", "read", None), record
            elif before in ("option", "box") and now == "short":
                assert lines in question
                seen += 1
    assert seen > 10


def test_of_two_pictures_every_kind_is_named_once_and_answers_are_even(pictures: list[Picture]) -> None:
    answers: Counter[str] = Counter()
    for first, second, record in records(pictures, "compare"):
        assert record["image"] == [first.file, second.file]
        assert record["conversations"][0]["value"].startswith("<image>\n<image>\n")
        told: set[str] = set()
        there = {
            "first": {thing.kind for thing in first.scene.things},
            "second": {thing.kind for thing in second.scene.things},
        }
        for question, answer in turns(record):
            question = question.split("\n")[0]
            (kind,) = named(question)
            assert kind not in told, record
            told.add(kind)
            shown = [name for name, kinds in there.items() if kind in kinds]
            if (found := IS_IN.search(question)) and "neither" not in question:
                assert answer == ("yes" if found[1] in shown else "no"), record
            else:
                assert WHICH_HAS.search(question) or "neither" in question
                assert answer == {0: "neither", 1: shown[0] if shown else "", 2: "both"}[len(shown)], record
            answers[answer] += 1
    assert 0.75 < answers["first"] / answers["second"] < 1.33, answers
    assert 0.75 < answers["yes"] / answers["no"] < 1.33, answers


def test_the_same_picture_gives_the_same_records(pictures: list[Picture]) -> None:
    again = Picture(0, "train", 7, sample_scene(0, 7, 140))
    assert list(refine(again, pictures[8])) == list(refine(pictures[7], pictures[8]))
