"""Look at every sample before training does: which can be used, which cannot and why, how long they are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.conversations import ConversationFile, Dropped, check_trains, nothing_trained
from chiasm.data.daemon_pool import Late, why_late
from chiasm.data.in_threads import in_threads, num_cores
from chiasm.errors import UserError
from chiasm.processing.pictures import PictureError, open_picture
from chiasm.processing.processor import Processor


@dataclass(slots=True)
class CheckReport:
    """What a look at every sample found. Lengths are in tokens and only known when a processor was given."""

    num_samples: int = 0
    num_pictures: int = 0
    num_cut: int = 0
    dropped: Dropped = field(default_factory=Dropped)
    lengths: list[int] = field(default_factory=list)
    num_trained: int = 0
    torn: str | None = None

    @property
    def unusable_share(self) -> float:
        """Unusable samples among all, 0 to 1."""
        return len(self.dropped) / self.num_samples if self.num_samples else 0.0

    @property
    def num_usable(self) -> int:
        """Samples that training would take."""
        return self.num_samples - len(self.dropped)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        unusable = [{"id": name, "reason": why, "message": text} for name, (why, text) in self.dropped.named.items()]
        found: dict[str, Any] = {
            "num_samples": self.num_samples,
            "num_usable": self.num_usable,
            "num_pictures": self.num_pictures,
            "by_reason": dict(self.dropped.by_reason),
            "unusable": unusable,
        }
        if self.torn:
            found["torn"] = self.torn
        if self.lengths:
            found["tokens"] = {
                "longest": max(self.lengths),
                "median": round(statistics.median(self.lengths)),
                "total": sum(self.lengths),
                "trained": self.num_trained,
            }
            found["num_answers_cut"] = self.num_cut
        return found


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look at one sample found: why it cannot be used, or what is in it."""

    unusable: tuple[str, str, str] | None = None
    """Name, reason, message."""
    num_pictures: int = 0
    length: int | None = None
    num_trained: int = 0
    cut: bool = False


def check(
    file: ConversationFile,
    processor: Processor | None = None,
    advance: Callable[[int], None] = lambda _: None,
    workers: int | None = None,
    patience: float = math.inf,
) -> CheckReport:
    """Read every record and open every picture; with a processor, encode it as training would.

    In `workers` threads, by default one a core: pictures are decoded side by side. `advance` is called with 1 after
    each sample. The report is the same however many work at it. Raises `UserError` for a sample that does not come in
    `patience` seconds of waiting.
    """
    report = CheckReport(len(file), torn=file.records.torn)
    looks = in_threads(lambda index: _look(file, index, processor), range(len(file)), workers or num_cores(), patience)
    for index, found in enumerate(_in_time(looks, patience)):
        if found.unusable is not None:
            name, reason, message = found.unusable
            report.dropped.add(name, index, reason, message)
        report.num_pictures += found.num_pictures
        report.num_trained += found.num_trained
        report.num_cut += found.cut
        if found.length is not None:
            report.lengths.append(found.length)
        advance(1)
    return report


def _in_time(looks: Iterator[_Looked], patience: float) -> Iterator[_Looked]:
    """Name what does not come; its number has to do, since its record may hang as its picture does."""
    try:
        yield from looks
    except Late as late:
        what = f"record {late.thing} (from 0) or a picture of it"
        raise UserError(f"{why_late(what, patience)}. --timeout SECONDS waits longer") from None


def _look(file: ConversationFile, index: int, processor: Processor | None) -> _Looked:
    try:
        conversation = file[index]
        check_trains(conversation)
        if processor is None:
            for image in conversation.images:
                open_picture(image.source)
            return _Looked(num_pictures=len(conversation.images))
        example = processor.encode(conversation, train=True)
        if not example.num_trained:
            raise nothing_trained()
        length, cut = len(example.input_ids), example.num_cut > 0
        return _Looked(None, len(conversation.images), length, example.num_trained, cut)
    except (RecordError, PictureError) as error:
        return _Looked((file.name(index), error.reason, str(error)))
