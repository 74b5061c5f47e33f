"""Questions about two pictures, and the whole sentences that answer them."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from chiasm.scenes.asking import Question, compare
from chiasm.scenes.asking.comparing import compare_draft
from chiasm.scenes.placing import sample_scene
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language

BEGINNINGS = {
    "first": "The first picture ",
    "second": "The second picture ",
    "both": "Both pictures have ",
    "neither": "Neither picture has ",
    "第一张": "第一张图",
    "第二张": "第二张图",
    "两张都有": "两张图里都有",
    "都没有": "两张图里都没有",
}

ABOUT = {
    "en": re.compile(r"(?:has more|has|have|shows a scene) (.+)\."),
    "zh": re.compile(r"(?:里都没有|里都有|里有|里的|图是)(.+?)(?:更多)?。"),
}


@pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_sentence_says_what_the_short_answer_says(language: Language) -> None:
    scenes = [sample_scene(9, index) for index in range(100)]
    said = set()
    for seed, (first, second) in enumerate(pairwise(scenes)):
        draft = compare_draft(first, second, language, random.Random(seed))
        asked = compare(first, second, language, random.Random(seed))
        if draft is None:
            assert asked is None
            continue
        assert asked == Question("compare", draft.question, draft.answer, "short")
        assert draft.sentence.startswith(BEGINNINGS[draft.answer])
        assert ABOUT[language.code].findall(draft.sentence)[0] in draft.question
        assert draft.sentence[-1] in ".。"
        said.add(draft.answer)
    assert len(said) == 4
