"""Records of LLaVA's JSON as conversations, with the folder their pictures are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from chiasm.conversation import Conversation, RecordError
from chiasm.data.records import RecordFile
from chiasm.errors import UserError


class ConversationFile:
    """Conversations by index; `images` is the folder that picture paths are relative to."""

    def __init__(self, records: str | Path, images: str | Path | None = None) -> None:
        self.records = RecordFile(records)
        if not self.records.is_list and self.records.path.suffix == ".json" and len(self.records) == 1:
            alone = self.records[0]
            if not isinstance(alone, dict) or "conversations" not in alone:
                raise UserError(f"{records} holds one JSON value without 'conversations': expected a list of records")
        self.images = None if images is None else Path(images)
        if self.images is not None and not self.images.is_dir():
            raise UserError(f"the folder of pictures {self.images} does not exist")

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Conversation:
        """The conversation at `index`; raises `RecordError` where the record is none."""
        conversation = Conversation.from_llava(self.records[index], self.images)
        return conversation if conversation.id is not None else replace(conversation, id=f"#{index}")

    def name(self, index: int) -> str:
        """What people call the record: its id, else its position. Always writable as UTF-8."""
        record = self.records[index]
        identity = record.get("id") if isinstance(record, dict) else None
        return f"#{index}" if identity is None else str(identity).encode("utf-8", "backslashreplace").decode("utf-8")

    def word_lengths(self) -> list[int]:
        """Words of each record, negative without a picture, never 0: what the published sampler groups by.

        Source: `modality_lengths` of LLaVA's train.py, which fails on records of no words.
        """
        return [
            max(words, 1) if pictured else -max(words, 1)
            for pictured, words in self._measured(lambda text: len(text.split()))
        ]

    def text_lengths(self) -> list[int]:
        """Bytes of each record's text: in tokens, English and Chinese compare by bytes better than by words."""
        return [num for _, num in self._measured(lambda text: len(text.encode("utf-8", "replace")))]

    def _measured(self, measure: Callable[[str], int]) -> Iterator[tuple[bool, int]]:
        """Of each record whether it has a picture, and the sum of what its turns measure."""
        for record in self.records:
            record = record if isinstance(record, dict) else {}
            turns = record.get("conversations")
            turns = turns if isinstance(turns, list) else []
            said = (str(turn.get("value", turn.get("content", ""))) for turn in turns if isinstance(turn, dict))
            yield "image" in record, sum(map(measure, said))


def check_trains(conversation: Conversation) -> None:
    """Raise `RecordError` ("nothing trained") where nobody answers."""
    if not any(message.role == "assistant" for message in conversation.messages):
        raise RecordError("nothing trained", "this record holds no answer to learn from")


def nothing_trained() -> RecordError:
    """Of a record whose answers left no token to train."""
    return RecordError("nothing trained", "no token of this record is a target of the loss")


@dataclass(slots=True)
class Dropped:
    """Samples that were left out: how many by reason, and each by name."""

    by_reason: Counter[str] = field(default_factory=Counter)
    named: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, name: str, index: int, reason: str, message: str) -> str:
        """Count a sample; what it is called here: two may share a name, then the later carries its index."""
        if name in self.named:
            name = f"{name} (#{index})"
        self.by_reason[reason] += 1
        self.named[name] = (reason, message)
        return name

    def __len__(self) -> int:
        return len(self.named)

    def __str__(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in self.by_reason.most_common()) or "none"
