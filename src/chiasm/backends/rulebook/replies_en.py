"""The rulebook's replies in English, one function a kind: what is known, in the form the prompts ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from chiasm.backends.rulebook import english, inventory
from chiasm.backends.rulebook.clauses import Clause
from chiasm.backends.rulebook.english import PAIRS, article, sentence
from chiasm.backends.rulebook.knowledge import Lesson, topic_of
from chiasm.backends.rulebook.reading import Known
from chiasm.backends.rulebook.spoken import category_of, drawn, name_of, surely_absent, worth_asking
from chiasm.backends.rulebook.words import NUMBER_WORDS, nouns

Pair = tuple[str, str]

# Verbs whose object is worth a question of its own.
_OBJECT_QUESTIONS = {
    "wearing": "What {be} {who} wearing?",
    "holding": "What {be} {who} holding?",
    "riding": "What {be} {who} riding?",
    "eating": "What {be} {who} eating?",
    "carrying": "What {be} {who} carrying?",
    "watching": "What {be} {who} watching?",
    "pulling": "What {be} {who} pulling?",
    "cutting": "What {be} {who} cutting?",
    "preparing": "What {be} {who} preparing?",
}
_PLACE_QUESTIONS = {
    "sitting": "Where {be} {who} sitting?",
    "standing": "Where {be} {who} standing?",
    "lying": "Where {be} {who} lying?",
    "sleeping": "Where {be} {who} sleeping?",
    "walking": "Where {be} {who} walking?",
    "parked": "Where {be} {who} parked?",
    "seated": "Where {be} {who} seated?",
    "perched": "Where {be} {who} perched?",
    "docked": "Where {be} {who} docked?",
    "grazing": "Where {be} {who} grazing?",
}
_PLACE_WORDS = ("on ", "in ", "at ", "near ", "next to ", "under ", "behind ", "beside ", "inside ", "along ", "down ",
                "across ", "through ", "by ", "in front of ", "on top of ", "between ", "around ", "over ")  # fmt: skip


def conversation(known: Known, rng: Random) -> str:
    """Questions and answers, definite ones first, then one that needs knowledge."""
    pairs = _definite(known, rng)
    topic = topic_of(known)
    if topic is not None:
        lesson = topic.lessons["en"]
        said = [rng.choice(lesson.so), *drawn(rng, lesson.say, rng.choice((2, 3)))]
        pairs.append((rng.choice(lesson.ask), _connected(said, rng)))
    return written(pairs)


def detail(known: Known, rng: Random) -> str:
    """One description: what captions say, then what is marked where."""
    opening, _ = english.lead(known, rng)
    said = [opening] if opening else []
    said += english.more_clauses(known, " ".join(said), 2)
    said += english.more_sentences(known, " ".join(said), 2)
    said += english.new_colours(known, " ".join(said), 2)
    place = known.place
    if kind_of_place := english.place_phrase(known, " ".join(said)):
        said.append(sentence(f"the place is {kind_of_place}"))
    elif place is not None and not any(word in " ".join(said) for word in place.english.split()[-1:]):
        said.append(sentence(rng.choice((f"the scene takes place {place.english}", f"the scene is {place.english}"))))
    boxes = english.box_sentences(known, " ".join(said), rng)
    if not said and not boxes:
        return sentence(f"the image shows {known.captions[0]}")
    apart = len(said) >= 2 and len(boxes) >= 2
    return ("\n\n" if apart else " ").join(filter(None, (" ".join(said), " ".join(boxes))))


def reasoning(known: Known, rng: Random) -> str:
    """One question and its answer: what is seen, then what follows from it."""
    topic = topic_of(known)
    lesson = _plain_lesson(known) if topic is None else topic.lessons["en"]
    opening, _ = english.lead(known, rng)
    seen = [opening] if opening else []
    seen += list(english.more_clauses(known, " ".join(seen), 1))
    if rng.random() < 0.7 or not seen:
        boxes = english.box_sentences(known, " ".join(seen), rng, limit=2)
        seen += boxes[: rng.choice((1, 2))]
    said = [rng.choice(lesson.so), *drawn(rng, lesson.say, rng.choice((3, 3, 4)))]
    return written([(_asked(lesson, rng), f"{' '.join(seen)}\n\n{_connected(said, rng)}".strip())])


def written(pairs: list[Pair]) -> str:
    """Pairs in the form the prompts ask for."""
    return "\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}\n===" for question, answer in pairs)


# ---- definite questions ----------------------------------------------------------------------------------------------


def _definite(known: Known, rng: Random) -> list[Pair]:
    """Three to five questions with definite answers, what is going on first."""
    first = list(_on_actions(known, rng))[:2]
    if not first:
        opening, _ = english.lead(known, rng)
        question = rng.choice(("What does the image show?", "What can be seen in this picture?"))
        first = [(question, opening)] if opening else []
    others: list[Pair] = []
    for make in (_on_colours, _on_counts, _on_place, _on_presence, _on_absence):
        others += list(make(known, rng))
    said = " ".join(answer for _, answer in first)
    others = [pair for pair in others if pair[1] not in said]
    if len(first) + len(others) < 2:
        others += _on_presence(known, rng, fewest=1)
    rng.shuffle(others)
    return first + others[: max(rng.choice((2, 3)), 3 - len(first))]


def _on_actions(known: Known, rng: Random) -> Iterator[Pair]:
    asked: set[str] = set()
    persons: set[str] = set()
    for clause in known.clauses:
        pair = _on_action(clause, rng)
        if pair is None:
            continue
        if clause.noun.kind == "person" and not clause.plural:
            # One who is called boy here and baby there is still one, and asked about by one name.
            persons.add(clause.noun.singular)
            if len(persons) > 1:
                persons.discard(clause.noun.singular)
                continue
        kind = f"{pair[0].rsplit(maxsplit=1)[-1]} {category_of(clause.noun)} {clause.plural}"
        verb = f"{clause.verb} {category_of(clause.noun)}"
        if not asked & {pair[0], kind, verb}:
            asked |= {pair[0], kind, verb}
            yield pair


def _on_action(clause: Clause, rng: Random) -> Pair | None:
    answer = sentence(f"{clause.definite} {clause.be} {clause.doing}")
    first = clause.rest.split()[0] if clause.rest else ""
    found = nouns().get(first)
    takes_object = first in ("a", "an", "the", "his", "her", "their", "some", "two") or (found is not None)
    pattern = None
    if clause.verb in _OBJECT_QUESTIONS and takes_object:
        pattern = _OBJECT_QUESTIONS[clause.verb]
    elif clause.verb in _PLACE_QUESTIONS and clause.rest.startswith(_PLACE_WORDS):
        pattern = _PLACE_QUESTIONS[clause.verb]
        if clause.verb.endswith("ing") and rng.random() < 0.5:
            pattern = "What {be} {who} doing?"
    elif (clause.rest and clause.verb.endswith("ing")) or clause.verb in (
        "skiing",
        "surfing",
        "swimming",
        "sleeping",
        "grazing",
        "skateboarding",
    ):
        pattern = "What {be} {who} doing?"
    if pattern is None:
        return None
    return pattern.format(be=clause.be, who=clause.definite), answer


def _on_colours(known: Known, rng: Random) -> Iterator[Pair]:
    if known.monochrome:
        yield "Is this picture in color?", "No, it is a black and white picture."
        return
    for coloured in rng.sample(known.coloured, min(2, len(known.coloured))):
        plural = coloured.plural or coloured.noun.singular in PAIRS
        noun = coloured.noun.plural if coloured.plural else coloured.noun.singular
        be = "are" if plural else "is"
        yield f"What color {be} the {noun}?", f"The {noun} {be} {coloured.colour}."


def _on_counts(known: Known, rng: Random) -> Iterator[Pair]:
    for noun, number in known.counted[:1]:
        question = rng.choice((f"How many {noun.plural} are there?", f"How many {noun.plural} can be seen?"))
        yield question, f"There are {NUMBER_WORDS[number]} {noun.plural} in the image."


def _on_place(known: Known, rng: Random) -> Iterator[Pair]:
    place = known.place
    if place is None:
        return
    if place.indoors is not None and rng.random() < 0.4:
        side = "indoors" if place.indoors else "outdoors"
        yield "Is this scene indoors or outdoors?", f"It is {side}, {place.english}."
    else:
        question = rng.choice(("Where does this scene take place?", "Where was this picture taken?"))
        yield question, f"It takes place {place.english}." if "scene" in question else f"It was taken {place.english}."


def _on_presence(known: Known, rng: Random, fewest: int = 2) -> Iterator[Pair]:
    """A thing that several captions name and that the first questions did not ask for."""
    things = worth_asking(known, fewest)
    if not things:
        return
    noun = rng.choice(things)
    where = rng.choice(("in the image", "in the picture"))
    if known.spoken[noun].forms == {True}:  # only ever spoken of in the plural
        yield f"Are there any {noun.plural} {where}?", f"Yes, there are {noun.plural} {where}."
    else:
        thing = article(noun.singular)
        yield f"Is there {thing} {where}?", f"Yes, there is {thing} {where}."


def _on_absence(known: Known, rng: Random) -> Iterator[Pair]:
    category = surely_absent(known, rng)
    if category is not None:
        name = name_of(category)
        yield (
            f"Is there {article(name.singular)} in the image?",
            rng.choice((f"No, there is no {name.singular} in the image.", f"No, no {name.singular} can be seen.")),
        )


def _asked(lesson: Lesson, rng: Random) -> str:
    question = rng.choice(lesson.ask)
    opening = rng.choice(("", "", "Looking at this picture, ", "Judging from the image, ", "Given what can be seen, "))
    return f"{opening}{question[0].lower()}{question[1:]}" if opening else question


# ---- reasoning -------------------------------------------------------------------------------------------------------

_LINKS: tuple[Callable[[str], str], ...] = (
    lambda text: f"In addition, {text[0].lower()}{text[1:]}",
    lambda text: f"Besides, {text[0].lower()}{text[1:]}",
    lambda text: f"It also helps to know this: {text[0].lower()}{text[1:]}",
    lambda text: f"Moreover, {text[0].lower()}{text[1:]}",
)


def _connected(said: list[str], rng: Random) -> str:
    """Sentences as one paragraph, some linked to the one before."""
    if len(said) > 3:
        place = rng.randrange(2, len(said) - 1)
        said[place] = rng.choice((_LINKS[0], _LINKS[1], _LINKS[3]))(said[place])
    if len(said) > 2 and rng.random() < 0.5:
        said[-1] = f"Finally, {said[-1][0].lower()}{said[-1][1:]}"
    return " ".join(said)


def _plain_lesson(known: Known) -> Lesson:
    """What can be said of any picture whose boxes are known."""
    groups = inventory.groups(known)
    first = groups[0].category if groups else ""
    noun = name_of(first).singular if groups and groups[0].number == 1 else name_of(first).plural if groups else ""
    so = f"What takes up the most room is noticed first, and here that is the {noun}." if noun else (
        "What stands out from its surroundings is noticed first."
    )  # fmt: skip
    return Lesson(
        ask=("What draws attention in this scene, and why?", "Where does the eye go first here, and what guides it?"),
        so=(so,),
        say=(
            "Contrast in color or brightness guides the eye as well.",
            "Things near the middle seem more important than those at the edge.",
            "Whatever does not fit in with the rest makes one look twice.",
            "Lines such as edges and paths lead from one part to the next.",
            "After the first glance, smaller details begin to tell how everything belongs together.",
        ),
    )
