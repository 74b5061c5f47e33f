"""All checks on one sample, in their fixed order. It knows nothing about files, teachers or money."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chiasm.registry import Component, Registry
from chiasm.synthesis.checks import objects
from chiasm.synthesis.checks._benchmark_pictures import BenchmarkPictures
from chiasm.synthesis.checks._reading import Reading
from chiasm.synthesis.sample import Context, Rejection, Sample

if TYPE_CHECKING:
    from chiasm.synthesis.checks._near_duplicates import NearDuplicates

REGISTRY = Registry("chiasm.synthesis.checks", "check", ("ORDER", "check"))

_READABLE = 50_000  # characters of a sample, ours: of more nothing but the form is looked at


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found: no rejection means accepted. The first rejection is the one a sample is counted under.

    `scores` has `known_objects` (0 to 1), the share of the asserted objects that captions or boxes know.
    """

    rejections: tuple[Rejection, ...]
    scores: Mapping[str, float]

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against the sample."""
        return not self.rejections


class Examiner:
    """Examines samples one after another, the same in every run that shows it the same samples in the same order.

    `benchmark_pictures` are rejected. `near_duplicate` is the similarity (share of common shingles, 0 to 1) from which
    a sample is a duplicate of one accepted earlier; None looks for exact duplicates only. `checks` are names of
    `REGISTRY` or dotted names; None means all of the folder.
    """

    def __init__(
        self,
        *,
        benchmark_pictures: BenchmarkPictures | None = None,
        near_duplicate: float | None = 0.9,
        checks: Sequence[str] | None = None,
    ) -> None:
        self._benchmark_pictures = benchmark_pictures
        components = [REGISTRY.find(name) for name in (REGISTRY.names() if checks is None else checks)]
        self._checks: list[Component] = sorted(components, key=lambda component: component.module.ORDER)
        self._exact: dict[int, str] = {}
        self._near: NearDuplicates | None = None
        if near_duplicate is not None:
            from chiasm.synthesis.checks._near_duplicates import NearDuplicates

            self._near = NearDuplicates(near_duplicate)

    def examine(self, sample: Sample) -> Examined:
        """All that speaks against `sample`. An accepted one is remembered; only such a one can be duplicated."""
        reading = Reading(sample)
        unwanted = self.unwanted(sample.context)
        rejections = [] if unwanted is None else [unwanted]
        readable = sum(map(len, reading.texts)) <= _READABLE
        for component in self._checks:
            if readable or component.name == "format":
                rejections += [Rejection(component.name, message) for message in component.module.check(reading)]
        if not rejections:
            rejections = self._duplicated(sample)
        scores = {"known_objects": objects.known_share(reading)} if readable else {}
        return Examined(tuple(rejections), scores)

    def unwanted(self, context: Context) -> Rejection | None:
        """Why nothing about this picture is wanted, whatever a teacher writes: a benchmark asks about it."""
        if self._benchmark_pictures is None or (file := self._benchmark_pictures.benchmark(context)) is None:
            return None
        return Rejection("benchmark_picture", f"{file} asks about the picture {context.image}")

    def _duplicated(self, sample: Sample) -> list[Rejection]:
        text = "\n".join(f"{turn.question}\n{turn.answer}" for turn in sample.turns)
        if self._near is not None:
            if (found := self._near.add(sample.key, text)) is None:
                return []
            original, similarity = found
        else:
            digest = hashlib.blake2b(" ".join(text.lower().split()).encode("utf-8", "surrogatepass"), digest_size=8)
            original, similarity = self._exact.setdefault(int.from_bytes(digest.digest()), sample.key), 1.0
        if original == sample.key:
            return []
        return [Rejection("near_duplicate", f"{similarity:.0%} the same as {original}")]
