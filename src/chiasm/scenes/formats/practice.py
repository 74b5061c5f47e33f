"""Practice: many short questions about a picture; what is there is asked before anything has told it.

In conversations as LLaVA-1.5's mixture has them one question often tells what a later one asks: "What colour is the
dog?", then "Is there a dog?". Who begins with nothing learns to read that, not to look. Here whether a kind of thing
is there is asked once and first, and what it is like once and later. Questions for a sort ("What animal is there?") and
for the place, and comparisons, may still be told by an earlier one. Some of the mixture's longer answers are among the
records, so that they are not forgotten. All shares and numbers are our own choice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from chiasm.scenes.asking import Question, compare
from chiasm.scenes.asking.about_scenes import is_there, which_is_there
from chiasm.scenes.asking.question import asked_once
from chiasm.scenes.asking.questions import ask_at
from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.mixture import another
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.requests import ALL_TEXT, CAPTIONS, DETAILS, TAGS, composed
from chiasm.scenes.kinds import BY_NAME
from chiasm.scenes.scene import Scene
from chiasm.scenes.telling.description import dense
from chiasm.scenes.telling.language import Language, Look

_MOST_THERE, _MOST_LIKE = 7, 6  # questions whether things are there, and what they are like
_CHOICES = 0.3  # of the first: which of these is there
_FITTING = 0.7  # of what is not there: things that would go with the place
_FEWEST_ABSENT = 4
_LIKE = {
    "described": 3.0,
    "option": 3.0,
    "count": 2.5,
    "side": 3.5,
    "kind": 2.0,
    "text_to_box": 3.5,
    "colour": 1.5,
    "action": 1.0,
    "state": 1.0,
    "wears": 1.0,
    "read": 0.7,
    "holds": 0.5,
    "size": 0.4,
    "facing": 0.3,
}
_OF_TWO = ("side", "kind")
_TRIES = 3
_COMPARED = 4  # questions about two pictures
_LONGER_EVERY = 3  # pictures
_TOLD = {"caption": 4, "detail": 3, "tags": 2, "text": 1}  # one every so many pictures, too
_ORDER = {"short": 0, "read": 0, "option": 1, "box": 2}  # each of the later ones says its own format


def practice(picture: Picture, partner: Picture | None) -> Iterator[Record]:
    """The records of a picture; of two partners the first is compared with the other."""
    for language in LANGUAGES:
        yield from practised(picture, language, "practice")
    if partner and picture.number % 2 == 0:
        yield from compared(picture, partner, LANGUAGES[picture.number // 2 % 2], "practice compare")
    language = LANGUAGES[picture.number // _LONGER_EVERY % 2]
    if picture.number % _LONGER_EVERY == 0:
        yield another(picture, language, "practice longer")
    elif picture.number % _LONGER_EVERY == 1:
        yield told(picture, language, "practice told")


def practised(picture: Picture, language: Language, purpose: str) -> Iterator[Record]:
    """The short questions about a picture, of their own for each `purpose`; none where there is nothing to ask."""
    rng = picture.stream(f"{purpose} {language.code}")
    short = (
        Question(kind, draft.question, draft.answer, "short") for kind, draft in there(picture.scene, language, rng)
    )
    questions = [*short, *_like(picture.scene, language, rng)]
    if questions:
        asked = asked_once(sorted(questions, key=lambda question: _ORDER[question.style]))
        yield record(f"{purpose}_{picture.digits}_{language.code}", turns_of(asked, language), [picture.file])


def compared(picture: Picture, partner: Picture, language: Language, purpose: str) -> Iterator[Record]:
    """Questions about two pictures, of their own for each `purpose`; none where the two are too much alike."""
    rng = picture.stream(purpose)
    found = [compare(picture.scene, partner.scene, language, rng) for _ in range(_COMPARED)]
    different = {question.question: question for question in found if question is not None}
    if different:
        turns = turns_of(asked_once(list(different.values())), language)
        yield record(f"compare_{picture.digits}_{language.code}", turns, [picture.file, partner.file])


def told(picture: Picture, language: Language, purpose: str) -> Record:
    """A request as people write them, and what there is to say; of its own for each `purpose`."""
    turn = requested(picture, language, picture.stream(purpose))
    return record(f"told_{picture.digits}_{language.code}", [turn], [picture.file])


def requested(picture: Picture, language: Language, rng: random.Random) -> Turn:
    """A caption, a description, tags or all text, asked for as people write it."""
    scene, code = picture.scene, language.code
    (wanted,) = rng.choices(list(_TOLD), weights=list(_TOLD.values()))
    if wanted == "caption":
        return composed(CAPTIONS[code], rng), rng.choice(picture.captions(language))
    if wanted == "detail":
        return composed(DETAILS[code], rng), dense(scene, language, rng)
    if wanted == "tags":
        named = [language.name(thing.kind) for thing in Sight.of(scene).seen[::-1]]
        around = [language.words()[each] for each in (scene.place, scene.time, scene.weather) if each is not None]
        return composed(TAGS[code], rng), ("，" if code == "zh" else ", ").join(dict.fromkeys([*named, *around]))
    written = [thing.text for thing in scene.things if thing.text]
    return composed(ALL_TEXT[code], rng), "\n".join(written) or ("（无文字）" if code == "zh" else "(no text)")


def there(scene: Scene, language: Language, rng: random.Random) -> Iterator[tuple[str, Draft]]:
    """Whether things are there; no kind is named twice, and a coin says each time whether it is one that is."""
    sight = Sight.of(scene)
    present = sorted({thing.kind for thing in sight.seen})
    rng.shuffle(present)
    absent = rng.sample(sight.absent(), len(sight.absent()))
    for _ in range(_MOST_THERE):
        if not present or len(absent) < _FEWEST_ABSENT:
            return
        if rng.random() < _CHOICES:
            right = present.pop()
            kinds = [right, *(_taken(absent, scene, rng) for _ in range(rng.choice((1, 1, 2))))]
            rng.shuffle(kinds)
            yield "choice", which_is_there(kinds, right, language, rng)
        else:
            yes = rng.random() < 0.5
            look = Look(present.pop() if yes else _taken(absent, scene, rng))
            yield "existence", is_there(sight, look, language, rng, yes)


def _taken(absent: list[str], scene: Scene, rng: random.Random) -> str:
    """One of `absent`, which no longer has it."""
    fitting = [kind for kind in absent if scene.place in BY_NAME[kind].places]
    kind = rng.choice(fitting if fitting and rng.random() < _FITTING else absent)
    absent.remove(kind)
    return kind


def _like(scene: Scene, language: Language, rng: random.Random) -> Iterator[Question]:
    """What things are like; each question is about kinds of its own."""
    sight = Sight.of(scene)
    kinds = sorted({thing.kind for thing in sight.seen})
    rng.shuffle(kinds)
    for _ in range(_MOST_LIKE):
        for wanted in rng.choices(list(_LIKE), weights=list(_LIKE.values()), k=_TRIES):
            chosen = kinds[-2 if wanted in _OF_TWO else -1 :]
            these = Sight(scene, tuple(thing for thing in sight.seen if thing.kind in chosen))
            question = ask_at(these, wanted, language, rng) if chosen else None
            if question is not None:
                yield question
                break
        else:
            chosen = kinds[-1:]
        del kinds[len(kinds) - len(chosen) :]
