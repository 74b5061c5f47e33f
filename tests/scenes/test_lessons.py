"""Lessons for the language model: what is asked can be answered from what is told, and from nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from chiasm.scenes.formats.lessons import lessons
from chiasm.scenes.formats.picture import LANGUAGES, Picture
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.telling.language import Language

_BOTH = pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: str(language.code))


def _lessons(language: Language, name: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What is told, and the questions with their answers; of 60 pictures."""
    for number in range(60):
        picture = Picture(7, "train", number, sample_scene(7, number))
        for record in lessons(picture, language):
            if record["id"].startswith(name):
                assert "image" not in record
                said = [turn["value"] for turn in record["conversations"]]
                told, said[0] = said[0].split("\n", 1)
                yield told, list(zip(said[::2], said[1::2], strict=True))


def _names(told: str, name: str) -> bool:
    """Whether the list holds it: an orange is not an orange balloon, but a person may be in a shirt."""
    return bool(re.search(rf"\b{name}\b(?! (?!in |and )\w)", told.lower()))


@_BOTH
def test_names_are_asked_for_as_often_in_vain(language: Language) -> None:
    answers = Counter(answer for _, turns in _lessons(language, "names") for _, answer in turns)
    yes, no = {"en": ("yes", "no"), "zh": ("有", "没有")}[language.code]
    assert min(answers[yes], answers[no]) > 60
    assert 0.8 < answers[yes] / answers[no] < 1.25


def test_a_name_is_there_when_the_list_has_it() -> None:
    checked = Counter[str]()
    for told, turns in _lessons(LANGUAGES[0], "names"):
        for question, answer in turns:
            if match := re.match(r"Is there (an? [^?]+?)(?: in the \w+)?\?|Can you see (an? [^?:]+?)\?", question):
                name = (match[1] or match[2]).split(" ", 1)[1]
                if answer == "yes":
                    assert set(name.split()) <= set(re.findall(r"[\w']+", told.lower())), (told, question)
                else:
                    assert not _names(told, name), (told, question)
                checked[answer] += 1
            elif "of these" in question:
                choices = [each.split(" ", 1)[1] for each in re.split(", | or ", question.split("?")[0].split(": ")[1])]
                there = [choice for choice in choices if _names(told, choice)]
                assert there == ([] if answer == "none" else [answer]), (told, question)
                checked["none" if answer == "none" else "one"] += 1
    assert min(checked[key] for key in ("yes", "no", "one", "none")) >= 5, checked


@_BOTH
def test_a_list_is_not_asked_who_is_beside_whom_and_letters_come_last(language: Language) -> None:
    beside = {"en": r"\b(left|right) of\b|above|below", "zh": "边还是|的[左右]边|上方|下方"}[language.code]
    scene = {
        "en": "From left to right|There is|There are|[Ii]t is|shows|[Hh]ere",
        "zh": "从左到右|有一|有两|画的|图中是|展示|这是",
    }
    letters, listed = 0, 0
    for told, turns in _lessons(language, "few"):
        is_letter = [bool(re.search(r"^A\. ", question, re.M)) for question, _ in turns]
        assert is_letter == sorted(is_letter)
        letters += sum(is_letter)
        if not re.search(scene[language.code], told):
            listed += 1
            assert not any(re.search(beside, question.split("\n")[0]) for question, _ in turns), (told, turns)
    assert letters > 20
    assert listed > 40
