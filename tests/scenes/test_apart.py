"""Questions apart: all kinds in both languages, each asked as if it were the only one; the hardest most."""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest

import pytest

from chiasm.conversation import Conversation
from chiasm.processing.apart import each_alone
from chiasm.scenes.asking.question import FORMATS, LETTERS
from chiasm.scenes.formats.apart import EVERYTHING, HARDEST, apart
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.placing import sample_scene

CHINESE = re.compile("[\u4e00-\u9fff]")
OPTION = re.compile(r"^([A-D])\. (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [Picture(0, "train", number, sample_scene(0, number, 140)) for number in range(121)]


@pytest.fixture(scope="module")
def records(pictures: list[Picture]) -> list[Record]:
    pairs = zip_longest(pictures, pictures[1:])
    return [record for picture, partner in pairs for record in apart(EVERYTHING, picture, partner)]


@pytest.fixture(scope="module")
def hardest(pictures: list[Picture]) -> list[Record]:
    pairs = zip_longest(pictures, pictures[1:])
    return [record for picture, partner in pairs for record in apart(HARDEST, picture, partner)]


def turns(record: Record) -> list[tuple[str, str]]:
    said = [turn["value"] for turn in record["conversations"]]
    return list(zip(said[::2], said[1::2], strict=True))


def test_every_picture_is_asked_about_and_every_fourth_with_another(records: list[Record]) -> None:
    alone = [record for record in records if isinstance(record["image"], str)]
    assert [record["image"] for record in alone] == [f"train/{number:06d}.png" for number in range(121)]
    beside = [record["image"] for record in records if not isinstance(record["image"], str)]
    # The last one has no partner.
    assert beside == [[f"train/{number:06d}.png", f"train/{number + 1:06d}.png"] for number in range(0, 120, 4)]
    assert all(10 <= len(turns(record)) <= 60 for record in alone)
    for record in alone:
        in_chinese = sum(bool(CHINESE.search(asked)) for asked, _ in turns(record)) / len(turns(record))
        assert 0.2 < in_chinese < 0.8


def test_no_question_is_asked_twice_and_each_is_a_conversation_of_its_own(records: list[Record]) -> None:
    for record in records:
        asked = [question for question, _ in turns(record)]
        assert len(set(asked)) == len(asked)
        conversation = Conversation.from_llava(record, None)
        assert conversation.apart
        assert len(each_alone(conversation)) == len(asked)


def test_all_formats_are_asked_for_each_with_its_own_line(records: list[Record]) -> None:
    """In a conversation the first short question asks for short answers; here no later one could know of it."""
    found: Counter[tuple[str, str]] = Counter()
    for record in records:
        for question, _ in turns(record):
            code = "zh" if CHINESE.search(question) else "en"
            by_line = {prompt[code]: style for style, prompt in FORMATS.items()}  # "read" is asked for as "short" is
            style = by_line.get(question.splitlines()[-1], "long")
            found[style, code] += 1
    assert {style for style, _ in found} == {"read", "option", "box", "region", "long"}, found
    assert min(found.values()) > 20, found


def test_letters_are_those_of_options_and_none_is_nearly_always_right(records: list[Record]) -> None:
    given: Counter[str] = Counter()
    for record in records:
        for question, answer in turns(record):
            options = OPTION.findall(question)
            if options:
                assert answer in [letter for letter, _ in options]
                given[answer] += 1
    assert set(given) == set(LETTERS)
    assert given["A"] < 0.45 * given.total()


def test_what_is_written_is_read_in_both_languages(pictures: list[Picture], records: list[Record]) -> None:
    with_words = 0
    for picture in pictures:
        written = {
            thing.text for thing in picture.scene.things if thing.text and picture.scene.hidden[thing.number] < 0.1
        }
        if len(written) != 1:
            continue
        said = [turn for record in records if record["image"] == picture.file for turn in turns(record)]
        read = {bool(CHINESE.search(question)) for question, answer in said if {answer} == written}
        with_words += read == {False, True}
    assert with_words > 15


def test_the_same_picture_is_asked_the_same(pictures: list[Picture], records: list[Record]) -> None:
    again = Picture(0, "train", 12, sample_scene(0, 12, 140))
    assert list(apart(EVERYTHING, again, pictures[13])) == [record for record in records if "000012" in record["id"]]


def test_the_hardest_drill_counts_more_and_shows_more_writing(
    pictures: list[Picture], records: list[Record], hardest: list[Record]
) -> None:
    def share_of_numbers(asked: list[Record]) -> float:
        given = [answer for record in asked for _, answer in turns(record)]
        return sum(answer in set("12345") for answer in given) / len(given)

    assert share_of_numbers(hardest) > 1.5 * share_of_numbers(records)
    alone = {record["image"] for record in hardest if isinstance(record["image"], str)}
    assert alone >= {picture.file for picture in pictures if picture.is_written}
    without = [picture for picture in pictures if not picture.is_written]
    assert 0.2 < sum(picture.file in alone for picture in without) / len(without) < 0.5


def test_the_hardest_drill_leaves_no_kind_of_answer_out(hardest: list[Record]) -> None:
    asked = [question for record in hardest for question, _ in turns(record)]
    for prompt in (prompt for style, by_code in FORMATS.items() for prompt in by_code.values() if style != "read"):
        assert any(question.endswith(prompt) for question in asked), prompt
    assert any(not isinstance(record["image"], str) for record in hardest)
    assert any(len(answer) > 60 for record in hardest for _, answer in turns(record))
