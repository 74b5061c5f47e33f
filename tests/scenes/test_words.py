from __future__ import annotations

import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from chiasm.scenes.words import captions, describe, full_caption, in_words, listed, plural, with_article
from chiasm.scenes.world import COLOURS, KINDS, Background, Box, Scene, Thing

_KIND, _COLOUR = "|".join(KINDS), "|".join(COLOURS)
_MENTION = re.compile(rf"\b(?:a|an)((?: small| large)?)((?: (?:{_COLOUR}))?) ({_KIND})\b", re.IGNORECASE)


def _mentions(text: str) -> list[tuple[str, str, str]]:
    return [(size.strip(), colour.strip(), kind) for size, colour, kind in _MENTION.findall(text)]


def _all_texts(scenes: list[Scene]) -> list[tuple[Scene, str]]:
    texts = []
    for scene in scenes:
        rng = random.Random(scene.id)
        texts += [(scene, caption) for caption in captions(scene, rng)]
        texts += [(scene, say(scene, rng)) for say in (full_caption, describe, in_words)]
    return texts


def _looks(scene: Scene, *, size: bool = True) -> list[tuple[str, str, str]]:
    things = sorted(scene.things, key=lambda thing: thing.box.x + thing.box.w / 2)
    return [(thing.size if size else "", thing.colour, thing.kind) for thing in things]


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("red ball", "a red ball"), ("orange cup", "an orange cup"), ("large orange cup", "a large orange cup")],
)
def test_articles(phrase: str, expected: str) -> None:
    assert with_article(phrase) == expected


def test_plurals_and_lists() -> None:
    assert [plural(kind) for kind in ("box", "ball")] == ["boxes", "balls"]
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_grammar_of_all_that_is_said(scenes: list[Scene]) -> None:
    for _, text in _all_texts(scenes):
        assert not re.search(r"\ba [aeiou]", text, re.IGNORECASE), text
        assert not re.search(r"\ban [^aeiou]", text, re.IGNORECASE), text
        assert not re.search(r"  |\s[.,]|\.\.|,\.|boxs|\bNone\b", text), text
        assert not re.search(rf"\b(two|three) (\w+ )?({_KIND})\b", text), text
        # A capital letter and a full stop go together, in every sentence.
        assert text[0].isupper() == text.endswith("."), text
        assert all(part[0].isupper() for part in text.split(". ")[1:]), text


def test_captions_are_five_different_ones_and_name_only_what_is_there(scenes: list[Scene]) -> None:
    for scene in scenes:
        found = captions(scene, random.Random(scene.id))
        assert len(found) == len({caption.lower().rstrip(".") for caption in found}) == 5
        for caption in found:
            for size, colour, kind in _mentions(caption):
                assert any(
                    thing.kind == kind and colour in ("", thing.colour) and size in ("", thing.size)
                    for thing in scene.things
                ), caption


def test_counted_kinds_are_right() -> None:
    things = tuple(
        Thing(kind, colour, "small", Box(5 + 20 * i, 20, 14, 14))
        for i, (kind, colour) in enumerate([("box", "red"), ("star", "red"), ("box", "blue")])
    )
    scene = Scene(0, 64, 64, things, Background("plain", (250, 250, 250), (240, 240, 240), 0.6))
    said = {caption for i in range(50) for caption in captions(scene, random.Random(i))}
    assert "Two boxes and a star." in said


def test_full_captions_name_every_thing_with_its_colour(scenes: list[Scene]) -> None:
    with_size = with_place = 0
    for scene in scenes:
        caption = full_caption(scene, random.Random(scene.id))
        named = Counter((colour, kind) for _, colour, kind in _mentions(caption))
        assert named == Counter((thing.colour, thing.kind) for thing in scene.things), caption
        with_size += "large" in caption or "small" in caption
        with_place += "left" in caption or "right" in caption
    assert 0.3 < with_size / len(scenes) < 0.7
    assert 0.1 < with_place / len(scenes) < 0.6


def test_every_text_puts_things_in_their_true_order(scenes: list[Scene]) -> None:
    checked = 0
    for scene, text in _all_texts(scenes):
        mentions = _mentions(text)
        known = {(colour, kind): place for place, (_, colour, kind) in enumerate(_looks(scene))}
        places = [known[colour, kind] for _, colour, kind in mentions if colour]
        if "to the right of a" in text or "is to the right of a" in text:
            assert places[0] == max(places), text
            assert places[1:] == sorted(places[1:]), text
        elif "To the left of it" in text:
            assert places == sorted(places, reverse=True), text
        elif re.search(r"The \w+ \w+ is to the", text):
            for colour, kind, side, *other in re.findall(
                rf"The ({_COLOUR}) ({_KIND}) is to the (left|right) of the ({_COLOUR}) ({_KIND})\.", text
            ):
                assert (known[colour, kind] < known[tuple(other)]) == (side == "left"), text
        else:
            assert places == sorted(places), text
        checked += len(places) > 1
    assert checked > 1000


def test_words_tell_everything(scenes: list[Scene]) -> None:
    for scene in scenes:
        for say in (in_words, describe):
            text = say(scene, random.Random(scene.id))
            assert sorted(_mentions(text)) == sorted(_looks(scene)), text


def test_words_in_any_order_come_with_enough_places_to_sort_them(scenes: list[Scene]) -> None:
    seen = 0
    for scene in scenes:
        text = in_words(scene, random.Random(scene.id + 1000))
        if "The " not in text[1:] or len(scene.things) < 2:
            continue
        beside = {
            frozenset([tuple(found[:2]), tuple(found[2:])])
            for found in re.findall(rf"The ({_COLOUR}) ({_KIND}) is to the \w+ of the ({_COLOUR}) ({_KIND})\.", text)
        }
        ordered = [look[1:] for look in _looks(scene)]
        assert beside == {frozenset(pair) for pair in pairwise(ordered)}, text
        seen += 1
    assert seen > 30
