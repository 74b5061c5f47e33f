"""The drawn world's held-out pictures as benchmarks, in the file formats of POPE and of VQA v2.

Knows what is in each scene and which question has which answer; writes no files and draws nothing. Readers of the
official files read these: an `image` beside each VQA question says where the picture is, which COCO's readers would
otherwise make up from the id.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from chiasm.scenes.questions import Question
from chiasm.scenes.words import with_article
from chiasm.scenes.world import KINDS, Scene, random_stream

# How POPE chooses what is not there: anything, what is frequent, what often comes with what is there
# (Li et al., arXiv 2305.10355, section 4.1).
POPE_SPLITS = ("random", "popular", "adversarial")
_MOST_ASKED = 3  # things that are there, and as many that are not, a picture (the same paper, section 5.1)
_NUM_ANSWERS = 10  # of people, to each question of VQA v2


@dataclass(frozen=True)
class Asked:
    """A question about a held-out picture; `number` counts the questions of its scene."""

    scene: Scene
    image: str
    number: int
    question: Question

    @property
    def id(self) -> int:
        """A number no other question has, made of the picture's and the question's as in VQA v2."""
        return self.scene.id * 1000 + self.number


def pope(scenes: Sequence[tuple[str, Scene]], split: str, seed: int) -> Iterator[dict[str, object]]:
    """POPE's records about `scenes` (picture, scene): is there such a thing? Half of them are there, half are not.

    `split` is a name of `POPE_SPLITS`. Frequencies are those of these scenes, so all must be given.
    """
    present = [sorted({thing.kind for thing in scene.things}, key=KINDS.index) for _, scene in scenes]
    frequency = Counter(kind for kinds in present for kind in kinds)
    together = Counter(pair for kinds in present for pair in combinations(kinds, 2))
    number = 0
    for (image, scene), kinds in zip(scenes, present, strict=True):
        absent = [kind for kind in KINDS if kind not in kinds]
        rng = random_stream(seed, scene.id, "pope")  # of the picture, not the split: all three ask for the same things
        num_asked = min(_MOST_ASKED, len(kinds), len(absent))
        there = rng.sample(kinds, num_asked)
        not_there = _absent(absent, kinds, split, frequency, together, rng)[:num_asked]
        for yes, no in zip(there, not_there, strict=True):
            for kind, label in ((yes, "yes"), (no, "no")):
                number += 1
                text = f"Is there {with_article(kind)} in the image?"
                yield {"question_id": number, "image": image, "text": text, "label": label}


def _absent(
    absent: Sequence[str],
    present: Sequence[str],
    split: str,
    frequency: Counter[str],
    together: Counter[tuple[str, str]],
    rng: random.Random,
) -> list[str]:
    """What is not there, the first to be asked about first."""
    shuffled = rng.sample(absent, len(absent))  # ties fall by chance
    if split == "popular":
        return sorted(shuffled, key=lambda kind: -frequency[kind])
    if split == "adversarial":
        return sorted(shuffled, key=lambda kind: -sum(_pair(together, kind, other) for other in present))
    return shuffled


def _pair(together: Counter[tuple[str, str]], first: str, second: str) -> int:
    return together[first, second] + together[second, first]


def vqa_questions(asked: Iterable[Asked]) -> Iterator[dict[str, object]]:
    """The `questions` of a VQA v2 question file."""
    for one in asked:
        yield {
            "image_id": one.scene.id,
            "question": one.question.question,
            "question_id": one.id,
            "image": one.image,
        }


def vqa_annotations(asked: Iterable[Asked]) -> Iterator[dict[str, object]]:
    """The `annotations` of a VQA v2 annotation file. All ten answers are the one that is right."""
    for one in asked:
        answer = one.question.answer
        yield {
            "question_type": one.question.kind,
            "multiple_choice_answer": answer,
            "answers": [
                {"answer": answer, "answer_confidence": "yes", "answer_id": number + 1}
                for number in range(_NUM_ANSWERS)
            ],
            "image_id": one.scene.id,
            "answer_type": _answer_type(answer),
            "question_id": one.id,
        }


def _answer_type(answer: str) -> str:
    """The three types of VQA v2."""
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdecimal() else "other"
