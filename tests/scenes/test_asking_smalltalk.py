from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from chiasm.scenes.asking.facts import FACTS
from chiasm.scenes.asking.manners import EXCHANGES
from chiasm.scenes.asking.smalltalk import smalltalk
from chiasm.scenes.kinds import COLOURS, NAMES
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language

_BOTH = pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["en", "zh"])
_HAN = re.compile(r"[\u4e00-\u9fff]")


def _drafts(name: str, language: Language, number: int = 150) -> list[tuple[str, str, str]]:
    made = (FACTS[name][1](language, random.Random(seed)) for seed in range(number))
    return [(draft.question, draft.answer, draft.sentence) for draft in made]


@_BOTH
def test_one_to_three_turns_and_short_ones_say_so_once(language: Language) -> None:
    turns: Counter[int] = Counter()
    short = 0
    for seed in range(300):
        said = smalltalk(language, random.Random(seed))
        turns[len(said)] += 1
        assert len({question.style for question in said}) == 1
        if said[0].style == "short":
            short += 1
            assert [question.prompted for question in said] == [True, *[False] * (len(said) - 1)]
    assert set(turns) == {1, 2, 3}
    assert 50 < short < 150


@_BOTH
def test_there_are_many_patterns(language: Language) -> None:
    fixed = {asked for exchange in EXCHANGES[language.code] for asked in exchange.asked}
    assert len(fixed) >= 50
    names = sorted({language.name(kind) for kind in NAMES}, key=len, reverse=True)
    filled = re.compile("|".join([*map(re.escape, names), r"\d+"]))
    patterns = {filled.sub("_", question) for name in FACTS for question, _, _ in _drafts(name, language, 60)}
    assert len(patterns | fixed) >= 110


@_BOTH
def test_it_speaks_its_language(language: Language) -> None:
    for seed in range(300):
        for question in smalltalk(language, random.Random(seed)):
            han = bool(_HAN.search(question.answer + question.question))
            if language.code == "zh":
                assert han or re.search(r"\d", question.question), question
            elif han:
                assert "Chinese" in question.question or "English" in question.question or "mean" in question.question


def test_sums_add_up() -> None:
    for question, answer, sentence in _drafts("sum", ENGLISH) + _drafts("sum", CHINESE):
        first, second = (int(number) for number in re.findall(r"\d+", question))
        if question.startswith("Take"):
            first, second = second, first
        minus = any(word in question for word in ("minus", " - ", "Take", "减"))
        result = first - second if minus else first + second
        assert answer == str(result)
        assert 0 < result <= 10
        assert str(result) in sentence


def test_stories_add_up() -> None:
    number = {ENGLISH.number(n): n for n in range(1, 11)}
    for question, answer, sentence in _drafts("story", ENGLISH):
        words = [word for word in re.findall(r"[a-z]+", question.replace("one table", "")) if word in number]
        assert int(answer) == number[words[0]] + number[words[1]], question
        assert ENGLISH.number(int(answer)) in sentence
    chinese = {CHINESE.number(n): n for n in range(1, 11)} | {"两": 2}
    for question, answer, _ in _drafts("story", CHINESE):
        first, second = re.findall(r"(?:有|再放上|看到)([一二两三四五])", question)
        assert int(answer) == chinese[first] + chinese[second], question


def test_translations_are_those_of_the_two_languages() -> None:
    right = {(ENGLISH.name(kind), CHINESE.name(kind)) for kind in NAMES}
    right |= {(ENGLISH.colour(colour), CHINESE.colour(colour)) for colour in COLOURS}
    for question, answer, _ in _drafts("translation", ENGLISH, 300):
        pairs = {pair for pair in right if answer in pair and any(word in question for word in pair if word != answer)}
        assert pairs, (question, answer)
    for question, answer, _ in _drafts("translation", CHINESE, 300):
        assert {pair for pair in right if answer in pair and any(w in question for w in pair if w != answer)}, question


@pytest.mark.parametrize(
    ("name", "language", "asked", "answer"),
    [
        (
            "larger",
            ENGLISH,
            r".*(larger|bigger).*\bbus\b.*\bbicycle\b.*|.*(larger|bigger).*\bbicycle\b.*\bbus\b.*",
            "bus",
        ),
        ("larger", CHINESE, r"(?=.*自行车)(?=.*公交车).*大.*", "公交车"),
        ("usual colour", ENGLISH, r".*banana.*", "yellow"),
        ("usual colour", CHINESE, r"雪.*", "白色"),
        ("what", ENGLISH, r".* a dog\?", "animal"),
        ("opposite", CHINESE, r"“左”.*", "右"),
        ("light", ENGLISH, r".* red .*", "stop"),
        ("parts", CHINESE, r".*自行车.*轮子.*", "2"),
        ("sort", ENGLISH, r".*a dog an animal\?", "yes"),
    ],
)
def test_facts(name: str, language: Language, asked: str, answer: str) -> None:
    answers = {given for question, given, _ in _drafts(name, language, 600) if re.fullmatch(asked, question)}
    assert answers == {answer}


def test_it_knows_what_it_is() -> None:
    for code, words in (("en", ("photograph", "drawn")), ("zh", ("照片", "图"))):
        who = next(exchange for exchange in EXCHANGES[code] if exchange.topic == "who")
        unable = next(exchange for exchange in EXCHANGES[code] if exchange.topic == "photograph")
        assert all("chiasm" in answer for answer in who.answered)
        assert all(words[0] in answer for answer in unable.answered)


@_BOTH
def test_both_languages_have_the_same_topics(language: Language) -> None:
    topics = [exchange.topic for exchange in EXCHANGES[language.code]]
    assert topics == [exchange.topic for exchange in EXCHANGES["en"]]
    assert len(set(topics)) == len(topics)
