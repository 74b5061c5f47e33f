"""Objects that the reply says are there and that neither captions nor boxes know.

Held against the 80 COCO categories with their synonyms: of other things boxes know nothing either. Only plain claims
count ("a dog is lying on the couch"), not what is supposed, denied or general ("there is no dog", "could bring an
umbrella", "dogs need water"). A thing that goes by two names is known by either (`_ALSO`).

Of the 90 GPT-4 answers of LLaVA-Bench (COCO), written from captions and boxes, none is rejected; of COCO's human
captions, each held against boxes and the other captions of its picture, 0.9 %: they saw what nobody else told. "There
is a ..." with an absent category, put into GPT-4's answers, is found in 95 %; an absent name put in place of every
mention of a known one, often in sentences that only suppose, in 58 %.

`known_share` is the score of a sample: the share of the categories it asserts that are known, 1 when it asserts none.
"""

from __future__ import annotations

from collections.abc import Iterator

from chiasm.synthesis.checks._reading import Reading, quoted

ORDER = 60


def _groups(*lines: str) -> dict[str, frozenset[str]]:
    """Category -> those that make it known; a line reads "known, known > also, also", or "a, b" for both ways."""
    found: dict[str, set[str]] = {}
    for line in lines:
        known, _, also = line.partition(" > ")
        for name in (also or known).split(", "):
            found.setdefault(name, set()).update(known.split(", "))
    return {name: frozenset(known) for name, known in found.items()}


# Ours. What people call by each other's names, and what comes with something: no tennis racket without a person who
# plays, no fork without a table. Such a claim is not invented out of nothing.
_ALSO = _groups(
    "car, truck, bus",
    "train, bus",
    "bicycle, motorcycle",
    "cup, wine glass, bottle",
    "cup, bowl",
    "vase, bottle, bowl",
    "vase, potted plant",
    "chair, couch, bench",
    "couch, bed",
    "handbag, backpack, suitcase",
    "tv, laptop",
    "laptop, keyboard, mouse > laptop",
    "laptop, tv > keyboard, mouse",
    "teddy bear, bear",
    "sheep, cow",
    "sandwich, hot dog",
    "donut, cake",
    "oven, microwave, toaster",
    "skis, snowboard",
    "skateboard, surfboard, snowboard",
    "remote, cell phone",
    "orange, apple",
    "frisbee, sports ball",
    "tennis racket, baseball bat, baseball glove > sports ball",
    "baseball bat, baseball glove > baseball bat, baseball glove",
    "tie, handbag, backpack, skis, snowboard, skateboard, surfboard, tennis racket, baseball bat, baseball glove, "
    "kite, frisbee, cell phone, motorcycle, umbrella, toothbrush, sports ball, horse, bicycle, suitcase > person",
    "fork, knife, spoon, bowl, cup, wine glass, bottle, pizza, cake, sandwich, hot dog, donut, broccoli, carrot, "
    "banana, apple, orange, laptop, keyboard, mouse, vase, chair, book, scissors, cell phone, tv > dining table",
    "car, bus, truck > car",
)


def check(reading: Reading) -> Iterator[str]:
    """Each category that is plainly said to be there and that nobody told of, once."""
    if not reading.boxes and not reading.captions.strip():
        return
    known = _known(reading)
    told: set[str] = set()
    for turn, statements, asked in zip(reading.sample.turns, reading.statements, reading.asked, strict=True):
        for text, mentions in ((turn.question, asked), (turn.answer, statements.mentions)):
            for mention in mentions:
                category = mention.category
                if mention.plain and category not in told and not _is_known(category, known):
                    told.add(category)
                    yield f"no caption and no box knows a {category}: {quoted(text[mention.begin : mention.end])}"


def known_share(reading: Reading) -> float:
    """Share of the categories the answers assert that captions or boxes know, 0 to 1; 1 when they assert none."""
    known = _known(reading)
    asserted = {m.category for statements in reading.statements for m in statements.mentions if m.asserted}
    return sum(category in known for category in asserted) / len(asserted) if asserted else 1.0


def _known(reading: Reading) -> frozenset[str]:
    return frozenset(reading.boxes) | frozenset(reading.in_captions)


def _is_known(category: str, known: frozenset[str]) -> bool:
    return category in known or not known.isdisjoint(_ALSO.get(category, ()))
