"""What a mixture holds, counted while it is written: sources, turns, lengths, response formats, scripts, pictures.

Memory does not grow with the records: lengths are kept as counts of equal lengths. Knows no file but the pictures whose
presence it looks up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chiasm.conversation import RecordError, picture_path
from chiasm.data import sources
from chiasm.data.words import num_words, script

_EXAMPLES = 10  # missing pictures named; ours
BRIEF = "a brief instruction (stage 1)"  # stands for the eleven of the first stage


@dataclass(slots=True)
class Spread:
    """A distribution of whole numbers, exact: how often each value came."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: int) -> None:
        """One more of `value`."""
        self.counts[value] += 1

    def as_dict(self) -> dict[str, float | int]:
        """count, total, mean, min, median, p95, max; of nothing, only count 0. Percentiles are values that occur."""
        count = sum(self.counts.values())
        if not count:
            return {"count": 0}
        values = sorted(self.counts)
        total = sum(value * often for value, often in self.counts.items())

        def at(fraction: float) -> int:
            left = fraction * count
            for value in values:
                left -= self.counts[value]
                if left <= 0:
                    return value
            return values[-1]

        return {
            "count": count,
            "total": total,
            "mean": round(total / count, 1),
            "min": values[0],
            "median": at(0.5),
            "p95": at(0.95),
            "max": values[-1],
        }


@dataclass(frozen=True, slots=True)
class Measure:
    """How long records and answers are: `of_record(record)` and `of_text(text)`, in units called `unit`."""

    unit: str
    of_record: Callable[[Mapping[str, Any]], int]
    of_text: Callable[[str], int]


def _words_of_record(record: Mapping[str, Any]) -> int:
    return sum(num_words(turn["value"]) for turn in record["conversations"])


IN_WORDS = Measure("words", _words_of_record, num_words)


@dataclass(slots=True)
class PartCard:
    """One part of a mixture, or all of it. `available` and `wanted` (None: all) are what there was to choose from."""

    num_records: int = 0
    available: int = 0
    wanted: int | None = None
    source: str = ""
    published: int | None = None
    absent: str = ""
    files: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    num_with_picture: int = 0
    num_missing: int = 0
    answers: Spread = field(default_factory=Spread)
    length: Spread = field(default_factory=Spread)
    answer_length: Spread = field(default_factory=Spread)

    def as_dict(self) -> dict[str, Any]:
        """For card.json; what does not apply is left out."""
        found: dict[str, Any] = {"source": self.source} if self.source else {}
        found |= {"absent": self.absent} if self.absent else {}
        found |= {"records": self.num_records, "available": self.available}
        found |= {"wanted": self.wanted} if self.wanted is not None else {}
        if self.published is not None:
            found |= {"published": self.published, "difference": self.num_records - self.published}
        found |= {
            "with_picture": self.num_with_picture,
            "pictures_missing": self.num_missing,
            "answers_a_record": self.answers.as_dict(),
            "length": self.length.as_dict(),
            "answer_length": self.answer_length.as_dict(),
        }
        found |= {"dropped": dict(sorted(self.dropped.items()))} if self.dropped else {}
        left_out = {reason: count for reason, count in sorted(self.left_out.items()) if count}
        found |= {"left_out": left_out} if left_out else {}
        found |= {"files": self.files} if self.files else {}
        return found


class Card:
    """Counts of a mixture by part. `images` is the folder pictures are looked for in; without it they are not."""

    def __init__(self, measure: Measure = IN_WORDS, images: Path | None = None) -> None:
        self.measure, self.images = measure, images
        self.all = PartCard()
        self.parts: dict[str, PartCard] = {}
        self.formats: Counter[str] = Counter()
        self.scripts: Counter[str] = Counter()
        self.recognised: Counter[str] = Counter()
        self.missing: list[str] = []
        self._prompts = _format_prompts()

    def part(self, name: str) -> PartCard:
        """The counts of a part, made when first asked for."""
        return self.parts.setdefault(name, PartCard())

    def add(self, part: str, record: Mapping[str, Any], recognise: bool = False) -> None:
        """Count a record, which must be a sound one; with `recognise` also which published source it looks like."""
        turns: Sequence[Mapping[str, str]] = record["conversations"]
        said = [turn["value"] for turn in turns if turn["from"] in ("human", "user")]
        answers = [turn["value"] for turn in turns if turn["from"] in ("gpt", "assistant")]
        length, answer_lengths = self.measure.of_record(record), [self.measure.of_text(answer) for answer in answers]
        names = record.get("image", [])
        names = names if isinstance(names, list) else [names]
        missing = sum(self._is_missing(name) for name in names)
        for card in (self.all, self.part(part)):
            card.num_records += 1
            card.num_with_picture += bool(names)
            card.num_missing += missing
            card.answers.add(len(answers))
            card.length.add(length)
            for answer_length in answer_lengths:
                card.answer_length.add(answer_length)
        asked = "\n".join(said)
        formats = {shown for prompt, shown in self._prompts.items() if prompt in asked}
        if len(said) > 0 and _is_brief(said[0]):
            formats.add(BRIEF)
        self.formats.update(formats or {"none"})
        self.scripts[script("\n".join(answers))] += 1
        if recognise:
            self.recognised[sources.recognise(record) or "none of the published"] += 1

    def _is_missing(self, name: str) -> bool:
        if self.images is None:
            return False
        try:
            missing = not picture_path(self.images, name).is_file()
        except (RecordError, OSError):
            missing = True
        if missing and len(self.missing) < _EXAMPLES:
            self.missing.append(name)
        return missing

    def as_dict(self) -> dict[str, Any]:
        """For card.json. The same records give the same values: nothing of the clock or the machine is in it."""
        whole = self.all.as_dict()
        whole.pop("available")
        if self.images is None:
            whole["pictures_missing"] = None  # not looked for
            for part in self.parts.values():
                part.num_missing = 0
        found: dict[str, Any] = {**whole, "unit": self.measure.unit, "missing_examples": self.missing}
        found["formats"] = dict(self.formats.most_common())
        found["scripts"] = dict(self.scripts.most_common())
        if self.recognised:
            found["recognised"] = dict(self.recognised.most_common())
        found["parts"] = {name: part.as_dict() for name, part in self.parts.items()}
        return found


def _format_prompts() -> dict[str, str]:
    """Every response-format prompt of the sources, and how the card shows it."""
    prompts: dict[str, str] = {}
    for name in sources.REGISTRY.names():
        if name != "captions":  # its instructions are too common as words: told by `_is_brief`, whole
            prompts |= {prompt: prompt.strip() for prompt in sources.find(name).format_prompts}
    return prompts


def _is_brief(said: str) -> bool:
    return said.replace("<image>", "").strip() in sources.find("captions").format_prompts
