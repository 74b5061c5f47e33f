"""Words with maps: made from what a looker tells, and kept as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chiasm.chat import Glance, Heat, Looked
from chiasm.conversation import Conversation, user
from chiasm.demo.looking import LookedWord, Map, look


class _Looker:
    """Says of the answer `a dog.` that the dog was seen on the right."""

    def looked(self, conversation: Conversation, answer: str) -> Looked:
        assert answer == "a dog."
        words = (
            Glance(0, 1, (Heat(1, 2, (0.1, 0.1)), Heat(1, 1, (0.0,)))),
            Glance(2, 5, (Heat(1, 2, (0.1, 0.4)), Heat(1, 1, (0.2,)))),
        )
        return Looked(answer, (), words, ())


TALK = Conversation((user("What is it?", ["a.png", "b.png"]),))


def test_words_have_maps_and_what_stands_between_has_none() -> None:
    words = look(_Looker(), TALK, "a dog.")
    assert [word.text for word in words] == ["a", " ", "dog", "."]
    assert [len(word.maps) for word in words] == [2, 0, 2, 0]
    assert words[0].share == pytest.approx(0.2)
    assert words[2].share == pytest.approx(0.7)
    # Each word by its own most, over all pictures: 0.1 of 0.4 is 64 of 255.
    assert [each.cells for each in words[0].maps] == [bytes([255, 255]), bytes([0])]
    assert [each.cells for each in words[2].maps] == [bytes([64, 255]), bytes([128])]


def test_no_text_was_looked_at_nowhere() -> None:
    assert look(_Looker(), TALK, " ") == []


def test_kept_as_json_and_read_again() -> None:
    word = LookedWord("狗", 0.25, (Map(2, 2, bytes([0, 1, 2, 255])),))
    assert LookedWord.of(json.loads(json.dumps(word.as_dict()))) == word


@pytest.mark.parametrize(
    "told", [{}, {"text": "a", "share": 0, "maps": [[2, 2, "AA=="]]}, {"text": "a", "share": "x", "maps": []}, []]
)
def test_anything_else_is_refused(told: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        LookedWord.of(told)
