"""Drills: one skill a file; no question tells the answer of another, answers are true, letters and coins are even."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pytest

from chiasm.scenes.asking.question import FORMATS
from chiasm.scenes.formats.drills import DRILLS, drills
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Look

NUM = 400
NAMES = "|".join(sorted((kind.name for kind in KINDS), key=len, reverse=True))
NAMED = re.compile(rf"\b({NAMES})(?:s|es)?\b", re.IGNORECASE)
IS_IN = re.compile(r"^(?:Is there|Does the) .*\b(first|second) picture\b.*\?$")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(0, "train", number, sample_scene(0, number, 140)) for number in range(NUM)]


@pytest.fixture(scope="module")
def drilled(pictures: list[Picture]) -> dict[str, list[tuple[Picture, Record]]]:
    """The records in English, by their drill."""
    found: dict[str, list[tuple[Picture, Record]]] = {drill: [] for drill in DRILLS}
    for picture in pictures:
        for drill, record in drills(picture, partner(pictures, picture)):
            if record["id"].endswith("en"):
                found[drill].append((picture, record))
    return found


def partner(pictures: list[Picture], picture: Picture) -> Picture:
    return pictures[picture.number ^ 1]


def turns(record: Record) -> Iterator[tuple[str, str]]:
    said = [turn["value"] for turn in record["conversations"]]
    yield from zip((text.replace("<image>\n", "") for text in said[::2]), said[1::2], strict=True)


def named(text: str) -> set[str]:
    """Kinds; in "a person in an orange shirt" and "an orange cup" the orange is none."""
    return {found.lower() for found in NAMED.findall(re.sub(r"orange (?=[a-z])", "", text))}


def chosen(question: str, letter: str) -> str:
    """The option of this letter."""
    (option,) = re.findall(rf"^{letter}\. (.*)$", question, re.MULTILINE)
    return str(option)


def phrases(picture: Picture) -> set[str]:
    """What options may call the things of a picture."""
    things = picture.scene.things
    described = {ENGLISH.a(Look.at(thing, field)) for thing in things for field in ("colour", "action", "state")}
    return described | {ENGLISH.name(thing.kind) for thing in things}


def test_a_letter_names_what_is_there_and_nothing_is_an_option_twice(
    drilled: dict[str, list[tuple[Picture, Record]]],
) -> None:
    alike = 0
    for picture, record in drilled["letters"]:
        before: set[str] = set()
        for question, letter in turns(record):
            options = re.findall(r"^[A-D]\. (.*)$", question, re.MULTILINE)
            assert FORMATS["option"]["en"] in question
            kinds = set(chain.from_iterable(map(named, options)))
            assert not kinds & before, record
            before |= kinds
            for option in options:
                assert (option in phrases(picture)) == (option == chosen(question, letter)), record
            alike += len(kinds) == 1
    assert alike > 30


@pytest.mark.parametrize("drill", ["letters", "options"])
def test_letters_are_even(drilled: dict[str, list[tuple[Picture, Record]]], drill: str) -> None:
    letters = Counter(
        letter for _, record in drilled[drill] for question, letter in turns(record) if "\nC. " not in question
    )
    assert letters.total() > 90
    assert 0.7 < letters["A"] / letters["B"] < 1.4, letters


def test_sides_ask_of_each_kind_once_and_answers_are_even(drilled: dict[str, list[tuple[Picture, Record]]]) -> None:
    answers: Counter[str] = Counter()
    for _, record in drilled["sides"]:
        before: list[str] = []
        for question, answer in turns(record):
            kinds = named(question.split("\n")[0])
            assert not kinds & set(before), record
            before += kinds
            answers[answer] += 1
    assert 0.75 < answers["left"] / answers["right"] < 1.33, answers
    assert 0.5 < answers["yes"] / answers["no"] < 2, answers
    assert answers["above"] + answers["below"] > 10


def test_one_is_not_the_number_to_guess(drilled: dict[str, list[tuple[Picture, Record]]]) -> None:
    answers = Counter(answer for _, record in drilled["numbers"] for _, answer in turns(record))
    assert set(answers) == set("12345")
    assert answers["1"] < answers.total() / 2, answers


def test_options_ask_of_each_kind_once(drilled: dict[str, list[tuple[Picture, Record]]]) -> None:
    about: Counter[str] = Counter()
    for _, record in drilled["options"]:
        before: set[str] = set()
        for question, letter in turns(record):
            asked, option = question.split("\n")[0], chosen(question, letter)
            kinds = named(asked) | (named(option) if asked.startswith(("What is", "What animal")) else set())
            assert not kinds & before, record
            before |= kinds
            about[asked.split(" ")[0]] += 1
    assert about["How"] > 20
    assert about["What"] > 50


def test_boxes_are_asked_both_ways(drilled: dict[str, list[tuple[Picture, Record]]]) -> None:
    ways: Counter[bool] = Counter()
    for _, record in drilled["boxes"]:
        for question, answer in turns(record):
            assert question.startswith("[") != answer.startswith("[")
            ways[answer.startswith("[")] += 1
    assert ways[True] > 3 * ways[False] > 90


def test_of_two_pictures_every_kind_is_named_once_and_answers_are_even(
    pictures: list[Picture], drilled: dict[str, list[tuple[Picture, Record]]]
) -> None:
    answers: Counter[str] = Counter()
    for picture, record in drilled["pairs"]:
        other = partner(pictures, picture)
        assert record["image"] == [picture.file, other.file]
        assert record["conversations"][0]["value"].startswith("<image>\n<image>\n")
        before: set[str] = set()
        for question, answer in turns(record):
            asked = question.split("\n")[0]
            kinds = named(asked)
            assert not kinds & before, record
            before |= kinds
            if not kinds or "more" in asked:
                continue  # where and when it is, of what there are more
            answers[answer] += 1
            (kind,) = kinds
            if re.search(rf" an? {kind}\b(?! in)", asked):  # the kind alone, not one of a colour
                shown = [n for n, p in (("first", picture), ("second", other)) if p.scene.of_kind(kind)]
                if (found := IS_IN.search(asked)) and "neither" not in asked:
                    assert answer == ("yes" if found[1] in shown else "no"), record
                else:
                    assert answer == {0: "neither", 1: shown[0] if shown else "", 2: "both"}[len(shown)], record
    assert 0.75 < answers["first"] / answers["second"] < 1.33, answers
    assert 0.7 < answers["yes"] / answers["no"] < 1.4, answers


def test_together_there_is_something_of_every_drill_and_whole_sentences(
    drilled: dict[str, list[tuple[Picture, Record]]],
) -> None:
    found: Counter[str] = Counter()
    for _, record in drilled["together"]:
        styles = [style for q, _ in turns(record) for style, line in FORMATS.items() if line["en"] in q]
        found[styles[0] if styles else "long"] += 1
        if isinstance(record["image"], list):
            found["pairs"] += 1
    assert min(found[style] for style in ("short", "option", "box", "pairs", "long")) >= 10, found


def test_the_same_picture_gives_the_same_records(pictures: list[Picture]) -> None:
    again = Picture(0, "train", 7, sample_scene(0, 7, 140))
    assert list(drills(again, pictures[6])) == list(drills(pictures[7], pictures[6]))
