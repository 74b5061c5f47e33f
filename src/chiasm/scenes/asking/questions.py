"""One question of a wished kind about a scene. Knows which kinds there are; how each is made is in files beside it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from chiasm.errors import suggest
from chiasm.scenes.asking import about_scenes, about_things, regions, relations, states
from chiasm.scenes.asking.question import LETTERS, Question
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft
from chiasm.scenes.scene import Scene
from chiasm.scenes.telling.language import Language

_DRAFTED: Mapping[str, Callable[[Sight, Language, random.Random, bool], Draft | None]] = {
    "existence": about_scenes.ask_existence,
    "colour": about_things.ask_colour,
    "count": about_scenes.ask_count,
    "count_none": about_scenes.ask_count_none,
    "side": relations.ask_side,
    "action": about_things.ask_action,
    "state": states.ask_state,
    "holds": about_things.ask_holds,
    "wears": about_things.ask_wears,
    "kind": relations.ask_kind,
    "place": about_scenes.ask_place,
    "time": about_scenes.ask_time,
    "weather": about_scenes.ask_weather,
    "facing": about_things.ask_facing,
    "size": about_things.ask_size,
    "read": about_things.ask_read,
    "choice": about_scenes.ask_choice,
    "described": about_scenes.ask_described,
    "one_seen": about_scenes.ask_one_seen,
    "seen": about_scenes.ask_seen,
    "half": relations.ask_half,
}
KINDS_OF_QUESTIONS = (*_DRAFTED, "option", "text_to_box", "region_to_text")
WITH_OPTIONS: tuple[str, ...] = ("colour", "kind", "count", "place", "action", "side", "state", "holds", "weather")


def ask(scene: Scene, kind: str, language: Language, rng: random.Random, *, yes: bool | None = None) -> Question | None:
    """A question of this kind about the scene, or None where none can be asked without doubt about its answer.

    If it turns out as one to be answered by yes or no, the answer is the one wished for by `yes`, else a coin's.
    Raises `ValueError` for a kind that is none of `KINDS_OF_QUESTIONS`.
    """
    return ask_at(Sight.of(scene), kind, language, rng, yes)


def ask_at(
    sight: Sight,
    kind: str,
    language: Language,
    rng: random.Random,
    yes: bool | None = None,
    with_options: Sequence[str] = WITH_OPTIONS,
) -> Question | None:
    """As `ask`, for those who ask several questions about one scene; one with options is of a kind `with_options`."""
    if kind not in KINDS_OF_QUESTIONS:
        raise ValueError(f"no kind of question called {kind!r}: {suggest(kind, KINDS_OF_QUESTIONS)}")
    if kind == "option":
        return _ask_option(sight, language, rng, with_options)
    if kind == "text_to_box":
        return regions.ask_box(sight, language, rng)
    if kind == "region_to_text":
        return regions.ask_region(sight, language, rng)
    draft = draft_at(sight, kind, language, rng, yes)
    return (
        None if draft is None else Question(kind, draft.question, draft.answer, "read" if kind == "read" else "short")
    )


def draft_at(sight: Sight, kind: str, language: Language, rng: random.Random, yes: bool | None = None) -> Draft | None:
    """The question with its answer in one word and in a whole sentence; for kinds that have both."""
    return _DRAFTED[kind](sight, language, rng, rng.random() < 0.5 if yes is None else yes)


def with_recognised(question: Question, scene: Scene, rng: random.Random) -> Question:
    """The same question with the words that a reading machine would have found in the picture, in any order."""
    words = [thing.text for thing in scene.things if thing.text]
    words += ["STOP"] * len(scene.of_kind("stop sign"))
    return question._replace(recognised=tuple(rng.sample(words, len(words))))


def _ask_option(sight: Sight, language: Language, rng: random.Random, kinds: Sequence[str]) -> Question | None:
    for kind in rng.sample(kinds, len(kinds)):
        draft = draft_at(sight, kind, language, rng)
        if draft is None or not draft.wrong:
            continue
        number = min(rng.choice((2, 3, 4, 4)), len(draft.wrong) + 1)
        # The first are the likelier ones to be mistaken for it.
        options = [draft.answer, *rng.sample(draft.wrong[:8], number - 1)]
        rng.shuffle(options)
        letter = LETTERS[options.index(draft.answer)]
        return Question("option", draft.question, letter, "option", tuple(options))
    return None
