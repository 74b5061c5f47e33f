"""POPE's files: is there such a thing in the picture? Half of the things asked for are there, half are not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.formats.picture import Picture, Record
from chiasm.scenes.kinds import NAMES
from chiasm.scenes.streams import random_stream
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Look

# How POPE chooses what is not there: anything, what is frequent, what often comes with what is there
# (Li et al., arXiv 2305.10355, section 4.1).
POPE_SPLITS = ("random", "popular", "adversarial")
_MOST_ASKED = 3  # things that are there, and as many that are not, a picture (the same paper, section 5.1)


@dataclass(frozen=True, slots=True)
class Content:
    """Which kinds a picture shows, and of which one can say that there are none: some look alike."""

    image: str
    scene: int
    present: tuple[str, ...]
    absent: tuple[str, ...]

    @classmethod
    def of(cls, picture: Picture) -> Content:
        """What `picture` shows."""
        there = {thing.kind for thing in picture.scene.things}
        seen = {thing.kind for thing in Sight.of(picture.scene).seen}
        absent = tuple(kind for kind in Sight.of(picture.scene).absent() if kind not in there)
        return cls(picture.file, picture.scene.id, tuple(kind for kind in NAMES if kind in seen), absent)

    @classmethod
    def read(cls, record: Record) -> Content:
        """The inverse of `record`."""
        return cls(record["image"], record["scene"], tuple(record["present"]), tuple(record["absent"]))

    def record(self) -> Record:
        """As JSON takes it."""
        return {"image": self.image, "scene": self.scene, "present": list(self.present), "absent": list(self.absent)}


def pope(contents: Sequence[Content], split: str, seed: int) -> Iterator[Record]:
    """POPE's records; `split` is a name of `POPE_SPLITS`. Frequencies are those of `contents`, so all must be given."""
    frequency = Counter(kind for content in contents for kind in content.present)
    together: Counter[tuple[str, str]] = Counter()
    for content in contents:
        for first, second in combinations(content.present, 2):
            together[first, second] += 1
            together[second, first] += 1
    number = 0
    for content in contents:
        rng = random_stream(seed, content.scene, "pope")  # of the picture, not the split: all three ask what is there
        num_asked = min(_MOST_ASKED, len(content.present), len(content.absent))
        there = rng.sample(content.present, num_asked)
        for yes, no in zip(there, _absent(content, split, frequency, together, rng), strict=False):
            for kind, label in ((yes, "yes"), (no, "no")):
                number += 1
                text = f"Is there {ENGLISH.a(Look(kind=kind))} in the image?"
                yield {"question_id": number, "image": content.image, "text": text, "label": label}


def _absent(
    content: Content,
    split: str,
    frequency: Counter[str],
    together: Counter[tuple[str, str]],
    rng: random.Random,
) -> list[str]:
    """What is not there, the first to be asked about first."""
    shuffled = rng.sample(content.absent, len(content.absent))  # ties fall by chance
    if split == "popular":
        return sorted(shuffled, key=lambda kind: -frequency[kind])
    if split == "adversarial":
        return sorted(shuffled, key=lambda kind: -sum(together[kind, other] for other in content.present))
    return shuffled
