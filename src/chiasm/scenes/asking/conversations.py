"""Several questions about one scene: short ones as in LLaVA-1.5's mixture, whole sentences as in LLaVA-Instruct."""

from __future__ import annotations

import random
from collections import Counter

from chiasm.scenes.asking.question import Question, asked_once
from chiasm.scenes.asking.questions import ask_at, draft_at, with_recognised
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Ways, listed, say
from chiasm.scenes.scene import Scene
from chiasm.scenes.telling.language import Language, Look

# How often a kind is asked in training, where it can be: more often where an answer is worth one bit and the whole
# picture must be searched for it. Ours.
_OFTEN = {
    "existence": 3.5,
    "colour": 2.0,
    "count": 3.0,
    "count_none": 0.3,
    "side": 2.5,
    "action": 1.0,
    "state": 1.0,
    "holds": 1.0,
    "wears": 1.0,
    "kind": 2.0,
    "place": 0.6,
    "time": 0.4,
    "weather": 0.5,
    "facing": 0.7,
    "size": 0.6,
    "read": 5.0,
    "option": 2.0,
    "text_to_box": 2.0,
    "region_to_text": 1.2,
}
_MOST_OF_A_KIND = 2
_RECOGNISED = 0.25
"""How often a question to read comes with the recognised words."""
_ORDER = {"short": 0, "read": 0, "option": 1, "box": 2, "region": 2}
_LONG = {
    "colour": 1.5,
    "count": 1.0,
    "side": 1.5,
    "action": 2.0,
    "state": 1.0,
    "holds": 2.0,
    "wears": 1.5,
    "kind": 1.5,
    "place": 0.7,
    "time": 0.5,
    "weather": 0.7,
    "facing": 0.7,
    "read": 1.5,
    "existence": 1.0,
}
_WHAT: Ways = {
    "en": (
        "What can you see in the picture?",
        "What is in the picture?",
        "Which things are there in this picture?",
        "What does the picture show?",
    ),
    "zh": ("图中有什么？", "你在图里看到了什么？", "这张图里有哪些东西？", "图片里都有些什么？"),
}
_THERE: Ways = {
    "en": (
        "The picture shows {things}. The scene is {place}.",
        "I can see {things} {place}.",
        "There {is_are} {things} in the picture, and the scene is {place}.",
    ),
    "zh": ("图中有{things}，这是{place}。", "我看到了{things}，场景是{place}。", "这是{place}，图里有{things}。"),
}


def conversation(scene: Scene, language: Language, rng: random.Random) -> tuple[Question, ...]:
    """Five to nine different questions of mixed kinds, as far as the scene gives them; only the first asks for brevity.

    Short ones come first, then options, then boxes: each of these says its own format.
    """
    sight, wanted = Sight.of(scene), rng.choice((5, 6, 7, 8, 9))
    asked: dict[str, Question] = {}
    used: Counter[str] = Counter()
    for kind in _drawn(rng, _OFTEN, 5 * wanted):
        if used[kind] >= _MOST_OF_A_KIND and kind != "existence":
            continue
        question = ask_at(sight, kind, language, rng)
        used[kind] += 1  # also where there is none to ask: it is not tried for ever
        if question is None:
            continue
        if kind == "read" and rng.random() < _RECOGNISED:
            question = with_recognised(question, scene, rng)
        asked.setdefault(question.question, question)
        if len(asked) == wanted:
            break
    return asked_once(sorted(asked.values(), key=lambda question: _ORDER[question.style]))


def long_conversation(scene: Scene, language: Language, rng: random.Random) -> tuple[Question, ...]:
    """Three or four questions answered in whole sentences, without any format prompt."""
    sight, wanted = Sight.of(scene), rng.choice((3, 4))
    asked: dict[str, Question] = {}
    if rng.random() < 0.5:
        question = say(language, rng, _WHAT)
        asked[question] = Question("things", question, _all_there(scene, language, rng), "long")
    used: set[str] = set()
    for kind in _drawn(rng, _LONG, 8 * wanted):
        if kind in used:
            continue
        used.add(kind)
        draft = draft_at(sight, kind, language, rng)
        if draft is not None:
            asked.setdefault(draft.question, Question(kind, draft.question, draft.sentence, "long"))
        if len(asked) == wanted:
            break
    return tuple(asked.values())


def _drawn(rng: random.Random, weights: dict[str, float], number: int) -> list[str]:
    return rng.choices(list(weights), weights=list(weights.values()), k=number)


def _all_there(scene: Scene, language: Language, rng: random.Random) -> str:
    """One sentence that names everything, what is alike together, in the order from the left."""
    looks = Counter(_told(thing.kind, thing.colour) for thing in scene.from_left())
    phrases = [language.a(look) if number == 1 else language.several(look, number) for look, number in looks.items()]
    plural = "is" if next(iter(looks.values())) == 1 else "are"
    return say(
        language, rng, _THERE, things=listed(language, phrases), place=language.place(scene.place), is_are=plural
    )


def _told(kind: str, colour: str) -> Look:
    return Look(kind) if kind in ("traffic light", "stop sign", "orange") else Look(kind, colour)
