"""Look at every sample before training does: which can be used, which cannot and why, how long they are."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.conversations import ConversationFile, Dropped
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


def check(
    file: ConversationFile, processor: Processor | None = None, advance: Callable[[int], None] = lambda _: None
) -> CheckReport:
    """Read every record and open every picture; with a processor, encode it as training would.

    `advance` is called with 1 after each sample.
    """
    report = CheckReport(len(file), torn=file.records.torn)
    for index in range(len(file)):
        try:
            conversation = file[index]
            if not any(message.role == "assistant" for message in conversation.messages):
                raise RecordError("nothing trained", "this record holds no answer to learn from")
            if processor is None:
                for image in conversation.images:
                    open_picture(image.source)
            else:
                example = processor.encode(conversation, train=True)
                if not example.num_trained:
                    raise RecordError("nothing trained", "no token of this record is a target of the loss")
                report.lengths.append(len(example.input_ids))
                report.num_trained += example.num_trained
                report.num_cut += example.num_cut > 0
            report.num_pictures += len(conversation.images)
        except (RecordError, PictureError) as error:
            report.dropped.add(file.name(index), index, error.reason, str(error))
        advance(1)
    return report
