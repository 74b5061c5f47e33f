"""Talk without a picture: who the assistant is and what it can do, manners, and simple facts."""

from __future__ import annotations

import random

from chiasm.scenes.asking.facts import FACTS
from chiasm.scenes.asking.manners import EXCHANGES
from chiasm.scenes.asking.question import Question, asked_once
from chiasm.scenes.telling.language import Language

# All ours.
_SHORT = 0.3
"""How often a whole talk is one of short answers, with the prompt that asks for them."""
_ABOUT_ITSELF = 0.4
_TURNS = (1, 1, 2, 2, 3)
_FIRST, _LAST = ("hello",), ("thanks", "bye")


def smalltalk(language: Language, rng: random.Random) -> tuple[Question, ...]:
    """One to three questions with answers; of kind "talk", about nothing that is seen."""
    turns = rng.choice(_TURNS)
    if rng.random() < _SHORT:
        return asked_once([_fact(language, rng, name, short=True) for name in _facts(rng, turns)])
    own = [exchange for exchange in EXCHANGES[language.code] if exchange.topic not in (*_FIRST, *_LAST)]
    exchanges = iter(rng.sample(own, turns))
    facts = iter(_facts(rng, turns))
    said = [
        _exchange(language, rng, next(exchanges).topic)
        if rng.random() < _ABOUT_ITSELF
        else _fact(language, rng, next(facts), short=False)
        for _ in range(turns)
    ]
    if rng.random() < 0.2:
        said[0] = _exchange(language, rng, rng.choice(_FIRST))
    elif rng.random() < 0.2:
        said[-1] = _exchange(language, rng, rng.choice(_LAST))
    return tuple(said)


def _facts(rng: random.Random, number: int) -> list[str]:
    """Different kinds of facts."""
    drawn = rng.choices(list(FACTS), weights=[weight for weight, _ in FACTS.values()], k=8 * number)
    return list(dict.fromkeys([*drawn, *FACTS]))[:number]


def _fact(language: Language, rng: random.Random, name: str, *, short: bool) -> Question:
    draft = FACTS[name][1](language, rng)
    question = Question("talk", draft.question, draft.sentence, "long")
    return question._replace(answer=draft.answer, style="short") if short else question


def _exchange(language: Language, rng: random.Random, topic: str) -> Question:
    exchange = next(exchange for exchange in EXCHANGES[language.code] if exchange.topic == topic)
    return Question("talk", rng.choice(exchange.asked), rng.choice(exchange.answered), "long")
