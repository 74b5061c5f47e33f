"""Drills: one skill a record, true answers, nothing told twice, and practice in between."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from chiasm.scenes.asking.comparing import told_apart
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.formats.apart import EVERYTHING, HARDEST
from chiasm.scenes.formats.drills import DRILLS, PAIRS, TOGETHER, drill
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.english import ENGLISH

NAMES = "|".join(sorted((kind.name for kind in KINDS), key=len, reverse=True))
OPTION = re.compile(r"^([A-D])\. (.*)$", re.MULTILINE)
SIDES = {"left": -1, "right": 1}


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(0, "train", number, sample_scene(0, number, 140)) for number in range(120)]


def records(name: str, pictures: list[Picture]) -> Iterator[tuple[Picture, Record]]:
    for first, second in pairwise(pictures):
        for record in drill(name, first, second):
            yield first, record


def turns(record: Record) -> list[tuple[str, str]]:
    said = [turn["value"] for turn in record["conversations"]]
    return list(zip(said[::2], said[1::2], strict=True))


def drilled(name: str, pictures: list[Picture]) -> Iterator[tuple[Picture, list[tuple[str, str]]]]:
    """The drill's own records in English."""
    for picture, record in records(name, pictures):
        if re.fullmatch(rf"{name}_\d+_en", record["id"]):
            yield picture, turns(record)


def named(question: str, picture: Picture) -> list[Thing]:
    """The things a question names, in its order; empty where a name could be that of several."""
    things = [picture.scene.of_kind(kind) for kind in re.findall(rf"\b({NAMES})\b", question)]
    return [thing for (thing,) in things] if all(len(each) == 1 for each in things) else []


@pytest.mark.parametrize("name", [name for name in DRILLS if name not in (EVERYTHING, HARDEST)])
def test_every_drill_but_letters_and_pairs_carries_practice_along(name: str, pictures: list[Picture]) -> None:
    found = Counter(record["id"].split("_0")[0] for _, record in records(name, pictures))
    practised = found.pop(f"{name}_practice", 0) / found[name]
    assert practised == 0 if name in (DRILLS[0], PAIRS) else 0.2 < practised < 0.6, found
    if name == TOGETHER:
        assert found["plainly"] > 0.95 * found[name] / 2
        assert found["compare"] > 0.8 * found["plainly"] / 2
        assert 0.2 < found["apart_two"] / found["plainly"] < 0.3
        assert 0.15 < found["plainly_two"] / found["plainly"] < 0.3
        assert sum(found.values()) > 4 * found["plainly"]
    else:
        assert set(found) == {name}


def test_a_letter_stands_before_what_is_there_and_others_before_what_is_not(pictures: list[Picture]) -> None:
    letters: Counter[str] = Counter()
    for picture, said in drilled("letters", pictures):
        there = {thing.kind for thing in picture.scene.things}
        for question, answer in said:
            options = dict(OPTION.findall(question))
            assert [letter for letter, kind in options.items() if kind in there] == [answer], question
            letters[answer] += 1
        right = [dict(OPTION.findall(question))[answer] for question, answer in said]
        assert len(set(right)) == len(right)
    assert min(letters["A"], letters["B"]) > 0.4 * letters.total(), letters


def test_sides_are_true_and_no_two_things_are_compared_twice(pictures: list[Picture]) -> None:
    checked = 0
    for picture, said in drilled("sides", pictures):
        pairs: list[frozenset[int]] = []
        for question, answer in said:
            things = named(question.replace("picture", ""), picture)
            if "half" in question and len(things) == 1:
                middle = things[0].box.centre[0] - 0.5
            elif "half" not in question and len(things) == 2:
                pairs.append(frozenset(thing.number for thing in things))
                first, second = things[::-1] if "On which side" in question else things
                middle = first.box.centre[0] - second.box.centre[0]
            else:
                continue
            if answer in SIDES:
                assert middle * SIDES[answer] > 0, question
                checked += 1
        assert len(set(pairs)) == len(pairs), said
    assert checked > 50


def test_every_kind_that_only_one_of_two_pictures_shows_is_asked_for(pictures: list[Picture]) -> None:
    """In Chinese of the same two the other way round."""
    by_file = {picture.file: Sight.of(picture.scene) for picture in pictures}
    answers: Counter[str] = Counter()
    for first, second in zip(pictures[::2], pictures[1::2], strict=True):
        english, chinese = drill(PAIRS, first, second)
        assert english["image"] == chinese["image"][::-1] == [first.file, second.file]
        kinds = [{thing.kind for thing in by_file[file].seen} for file in english["image"]]
        absent = [set(by_file[file].absent()) for file in english["image"]]
        found = [(re.findall(rf"\b({NAMES})\b", question)[0], answer) for question, answer in turns(english)]
        assert sorted(kind for kind, answer in found if answer == "first") == sorted(kinds[0] & absent[1])
        assert sorted(kind for kind, answer in found if answer == "second") == sorted(kinds[1] & absent[0])
        said = Counter(answer for _, answer in turns(chinese))
        assert (said["第二张"], said["第一张"]) == (len(kinds[0] & absent[1]), len(kinds[1] & absent[0]))
        answers.update(answer for _, answer in found)
    assert min(answers.values()) > 0.4 * answers.total(), answers


def test_words_are_asked_of_where_there_are_any_and_answered_as_they_are_written(pictures: list[Picture]) -> None:
    read = 0
    for picture, said in drilled("words", pictures):
        written = {thing.text for thing in picture.scene.things if thing.text}
        capitals = {answer for _, answer in said if answer.isupper() or answer.isdigit()}
        assert written
        assert capitals <= written, said
        read += bool(capitals)
    with_words = sum(any(thing.text for thing in picture.scene.things) for picture in pictures)
    assert read > 0.6 * with_words > 10


def test_no_facing_tells_another_and_no_thing_is_asked_about_twice(pictures: list[Picture]) -> None:
    equal = asked = 0
    for picture, said in drilled("words", pictures):
        turned = [(question, answer) for question, answer in said if answer in SIDES]
        things = [tuple(thing.number for thing in named(question, picture)) for question, _ in turned]
        known = [each for each in things if each]
        assert len(set(known)) == len(known), said
        asked += len(turned) > 1
        equal += len(turned) > 1 and len({answer for _, answer in turned}) == 1
    assert 0.2 * asked < equal < 0.8 * asked


def test_pictures_are_told_apart_by_what_is_in_them(pictures: list[Picture]) -> None:
    told = re.compile(r"(Both have|Only the first has|[Oo]nly the second has) ([^.;]*)")
    found: Counter[str] = Counter()
    for first, second in pairwise(pictures):
        shown = [{thing.kind for thing in each.scene.things} for each in (first, second)]
        there = {"both": shown[0] & shown[1], "first": shown[0] - shown[1], "second": shown[1] - shown[0]}
        for which, kinds in told.findall(told_apart(first.scene, second.scene, ENGLISH)):
            (key,) = (key for key in there if key in which.lower())
            assert set(re.findall(rf"\b({NAMES})\b", kinds)) <= there[key], (first.file, which, kinds)
            found[key] += 1
    assert min(found[key] for key in ("both", "first", "second")) > 20


def test_plain_questions_are_answered_in_sentences(pictures: list[Picture]) -> None:
    answers = [
        answer
        for _, record in records(TOGETHER, pictures)
        if record["id"].startswith("plainly") and record["id"].endswith("en")
        for question, answer in turns(record)
        if "single word" not in question
    ]
    assert len(answers) > 100
    assert all(answer[0].isupper() and answer.endswith(".") and " " in answer for answer in answers)


def test_the_same_picture_is_drilled_in_the_same_words(pictures: list[Picture]) -> None:
    again = Picture(0, "train", 12, sample_scene(0, 12, 140))
    for name in DRILLS:
        assert list(drill(name, again, pictures[13])) == list(drill(name, pictures[12], pictures[13]))
