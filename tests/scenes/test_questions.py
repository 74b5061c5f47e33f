from __future__ import annotations

import random
import re
from collections import Counter, defaultdict

import pytest

from chiasm.scenes.questions import QUESTION_KINDS, SHORT_ANSWER, Question, ask, conversation
from chiasm.scenes.world import COLOURS, KINDS, SIZES, Scene, Thing, random_stream, sample_scene

_PLURALS = {**{f"{kind}s": kind for kind in KINDS}, "boxes": "box", "things": "thing"}


def _meant(scene: Scene, words: str) -> list[Thing]:
    """Everything in the scene that a noun phrase fits, by its words alone."""
    *adjectives, noun = words.removeprefix("a ").removeprefix("an ").split()
    kind = _PLURALS.get(noun, noun)
    assert kind in (*KINDS, "thing"), words
    assert all(adjective in (*COLOURS, *SIZES) for adjective in adjectives), words
    return [
        thing
        for thing in scene.things
        if kind in (thing.kind, "thing") and all(word in (thing.colour, thing.size) for word in adjectives)
    ]


def _the(scene: Scene, words: str) -> Thing:
    (thing,) = _meant(scene, words)  # fails where the question is ambiguous
    return thing


def _middle(thing: Thing) -> float:
    return thing.box.x + thing.box.w / 2


def _beside(scene: Scene, side: str, words: str) -> str:
    anchor = _the(scene, words)
    sign = -1 if side == "left" else 1
    (found,) = [thing for thing in scene.things if sign * (_middle(thing) - _middle(anchor)) > 0]
    return found.kind


def _is_beside(scene: Scene, first: str, side: str, second: str) -> str:
    distance = _middle(_the(scene, first)) - _middle(_the(scene, second))
    assert abs(distance) >= 8, "not clear which is to the left"
    return "yes" if (distance < 0) == (side == "left") else "no"


_ANSWERS = [
    (r"What colour is the (.+)\?|What is the colour of the (.+)\?", lambda s, a, b: _the(s, a or b).colour),
    (r"Is there (.+?)(?: in the picture)?\?|Can you see (.+)\?", lambda s, a, b: "yes" if _meant(s, a or b) else "no"),
    (r"How many (.+) (?:are there|are in the picture|can you see)\?", lambda s, a: str(len(_meant(s, a)))),
    (r"What is to the (left|right) of the (.+)\?", _beside),
    (r"Is the (.+) to the (left|right) of the (.+)\?", _is_beside),
    (r"Is the (.+) (?:large or small|small or large)\?|What size is the (.+)\?", lambda s, a, b: _the(s, a or b).size),
    (r"What is the (.+)\?|What kind of thing is the (.+)\?", lambda s, a, b: _the(s, a or b).kind),
]


def _answer(scene: Scene, question: str) -> str:
    """The answer by someone who has only the scene and the words of the question."""
    for pattern, rule in _ANSWERS:
        found = re.fullmatch(pattern, question)
        if found:
            return rule(scene, *found.groups())
    raise AssertionError(f"not understood: {question}")


@pytest.fixture(scope="module")
def asked() -> list[tuple[Scene, Question]]:
    pairs = []
    for index in range(1500):
        scene = sample_scene(5, index)
        rng = random_stream(5, index, "questions")
        pairs += [(scene, question) for kind in QUESTION_KINDS if (question := ask(scene, kind, rng))]
    return pairs


def test_every_answer_follows_from_the_scene(asked: list[tuple[Scene, Question]]) -> None:
    for scene, question in asked:
        assert _answer(scene, question.question) == question.answer, question


@pytest.mark.parametrize("yes", [True, False])
def test_yes_and_no_can_be_asked_for(scenes: list[Scene], yes: bool) -> None:
    for scene in scenes:
        question = ask(scene, "existence", random.Random(scene.id), yes=yes)
        assert question is not None
        assert question.answer == _answer(scene, question.question) == ("yes" if yes else "no")


def test_no_question_tells_its_answer(asked: list[tuple[Scene, Question]]) -> None:
    for _, question in asked:
        if question.kind in ("colour", "kind"):
            assert question.answer not in question.question


def test_grammar(asked: list[tuple[Scene, Question]]) -> None:
    for _, question in asked:
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|boxs|  ", question.question), question
        assert re.fullmatch(r"[A-Z][a-z ]+\?", question.question), question


def test_a_blind_guesser_gains_little(asked: list[tuple[Scene, Question]]) -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, question in asked:
        answers[question.kind][question.answer] += 1
        if question.answer in ("yes", "no"):
            answers[f"{question.kind}, yes or no"][question.answer] += 1
    # Three standard deviations of the coins these come from, at the numbers asked here, lie within 0.07.
    most = {"existence": 0.55, "existence, yes or no": 0.55, "relation, yes or no": 0.57, "size": 0.55}
    for kind, counts in answers.items():
        majority = max(counts.values()) / sum(counts.values())
        assert majority <= most.get(kind, 0.38), (kind, counts)


def test_a_no_is_mostly_a_near_miss(asked: list[tuple[Scene, Question]]) -> None:
    near = swapped = total = 0
    for scene, question in asked:
        found = re.search(rf"an? ({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b", question.question)
        if question.kind == "existence" and question.answer == "no" and found:
            colour = any(thing.colour == found[1] for thing in scene.things)
            kind = any(thing.kind == found[2] for thing in scene.things)
            total, near, swapped = total + 1, near + (colour or kind), swapped + (colour and kind)
    assert total > 200
    assert near / total > 0.8
    assert swapped / total > 0.12


def test_kinds_are_asked_wherever_they_apply(asked: list[tuple[Scene, Question]]) -> None:
    for kind in ("existence", "count"):
        assert sum(question.kind == kind for _, question in asked) == 1500
    related = [scene for scene, question in asked if question.kind == "relation"]
    assert all(len(scene.things) > 1 for scene in related)
    assert len(related) == sum(len(sample_scene(5, index).things) > 1 for index in range(1500))


def test_conversations_mix_short_questions_and_one_description(scenes: list[Scene]) -> None:
    kinds: Counter[str] = Counter()
    for scene in scenes:
        turns = conversation(scene, random.Random(scene.id))
        assert 3 <= len(turns) <= 5
        assert len({turn.question for turn in turns}) == len(turns)
        assert [turn.kind for turn in turns].count("describe") == 1
        for turn in turns:
            kinds[turn.kind] += 1
            if turn.kind == "describe":
                assert turn.prompt == turn.question
                assert re.fullmatch(r"[A-Z].+\.", turn.answer)
            else:
                assert turn.prompt == f"{turn.question}\n{SHORT_ANSWER}"
                assert turn.answer == _answer(scene, turn.question)
    assert set(kinds) == {*QUESTION_KINDS, "describe"}
    assert min(kinds.values()) > 100
