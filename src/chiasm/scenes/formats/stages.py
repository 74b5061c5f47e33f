"""What stage 1 and stage 2 of LLaVA are trained on, and the language model before them: three files of LLaVA's JSON.

All shares and chances are our own choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chiasm.scenes.asking import Question, conversation, long_conversation
from chiasm.scenes.asking.smalltalk import smalltalk
from chiasm.scenes.formats.conversations import Turn, record, turns_of
from chiasm.scenes.formats.lessons import lessons
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.requests import BRIEFLY, IN_DETAIL, OF_WORDS, WITH_BOXES
from chiasm.scenes.telling.description import dense, grounded, in_words
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.reasons import reasons

_CAPTION, _DENSE = 0.4, 0.35  # of the descriptions of stage 1; the others name everything with its box
_SMALLTALK_EVERY = 2  # texts
_NEEDS_A_PICTURE = ("box", "region")


def align(picture: Picture) -> Iterator[Record]:
    """Stage 1: a request and one description, once in each language."""
    for language in LANGUAGES:
        rng = picture.stream(f"align {language.code}")
        chance = rng.random()
        if chance < _CAPTION:
            asked, told = BRIEFLY, rng.choice(picture.captions(language))
        elif chance < _CAPTION + _DENSE:
            asked, told = IN_DETAIL, dense(picture.scene, language, rng)
        else:
            asked, told = WITH_BOXES, grounded(picture.scene, language, rng)
        turn = rng.choice(asked[language.code]), told
        yield record(f"align_{picture.digits}_{language.code}", [turn], [picture.file])


def instruct(picture: Picture) -> Iterator[Record]:
    """The three kinds of LLaVA-Instruct; two in one language, one in the other, the next picture the other way round.

    Conversation, detail, complex reasoning: arXiv 2304.08485, section 3.
    """
    one, other = LANGUAGES if picture.number % 2 else LANGUAGES[::-1]
    for kind, language in (("conversation", one), ("detail", other), ("complex", one)):
        rng = picture.stream(f"instruct {kind}")
        if kind == "conversation":
            said = turns_of(long_conversation(picture.scene, language, rng), language)
        elif kind == "detail":
            said = [(rng.choice(IN_DETAIL[language.code]), dense(picture.scene, language, rng))]
        else:
            known = reasons(picture.scene, language, rng)
            said = [rng.choice(known)] if known else []
        if said:
            yield record(f"{kind}_{picture.digits}_{language.code}", said, [picture.file])


def text(picture: Picture) -> Iterator[Record]:
    """For the language model alone: a scene told in words, questions about it, a caption of it; and smalltalk.

    And the lessons of `chiasm.scenes.formats.lessons`.
    """
    language = LANGUAGES[picture.number % 2]
    yield from lessons(picture, language)
    rng = picture.stream("text")
    told = in_words(picture.scene, language, rng)
    asked = conversation if rng.random() < 0.7 else long_conversation
    said = turns_of(_answerable(asked(picture.scene, language, rng)), language)
    summed_up = rng.choice(OF_WORDS[language.code]), rng.choice(picture.captions(language))
    if rng.random() < 0.5 or not said:
        said.insert(rng.randrange(len(said) + 1), summed_up)
    yield record(f"text_{picture.digits}_{language.code}", said, before=told)
    if picture.number % _SMALLTALK_EVERY == 0:
        yield _talk(picture, LANGUAGES[picture.number // _SMALLTALK_EVERY % 2])


def _answerable(questions: Iterable[Question]) -> list[Question]:
    """Those without boxes; nobody reads a picture there."""
    return [each._replace(recognised=()) for each in questions if each.style not in _NEEDS_A_PICTURE]


def _talk(picture: Picture, language: Language) -> Record:
    said: list[Turn] = turns_of(smalltalk(language, picture.stream("smalltalk")), language)
    return record(f"talk_{picture.digits}_{language.code}", said)
