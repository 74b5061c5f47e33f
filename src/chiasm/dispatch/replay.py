"""Reading a journal from its beginning: which keys are answered and where, and what all requests came to.

It trusts no line: what is not the journal's is counted and left alone, what stands there twice counts once, and a last
line that was not finished is cut off.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import Any, get_args

from chiasm.chat import FinishReason, Usage
from chiasm.dispatch.account import NOTHING, Tally, counted
from chiasm.dispatch.failures import JournalError

_FINISH_REASONS = frozenset(get_args(FinishReason))


@dataclass(slots=True)
class Replay:
    """What the lines of a journal say. `answers` and `refusals` are offsets of the first line for each key.

    `said` are the digests of turns already written; `last_number` is the highest request number.
    """

    answers: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    said: set[bytes] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    last_number: int = 0
    notes: list[str] = field(default_factory=list)
    _open: dict[int, Usage] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _num_foreign: int = 0
    _num_repeated: int = 0

    @classmethod
    def of(cls, file: int) -> Replay:
        """The journal behind the descriptor `file`, whose torn last line is cut off. Raises `JournalError`."""
        replay = cls()
        try:
            with os.fdopen(os.dup(file), "rb") as reader:
                reader.seek(0)
                offset = 0
                for line in reader:
                    if not line.endswith(b"\n"):
                        replay._mend(file, offset, line)
                        break
                    replay._take(line, offset)
                    offset += len(line)
        except OSError as error:
            raise JournalError(f"the journal cannot be read: {error.strerror}. Nothing was asked") from None
        replay._close()
        return replay

    def _mend(self, file: int, offset: int, line: bytes) -> None:
        """A last line without its end: complete but for that it is kept, else it is cut off."""
        if _parsed(line) is not None:
            os.write(file, b"\n")
            self._take(line, offset)
        else:
            os.ftruncate(file, offset)
            self.notes.append(f"dropped a torn last line of {len(line)} bytes")

    def _take(self, line: bytes, offset: int) -> None:
        record = _parsed(line) or {}
        try:
            match record.get("type"):
                case "said":
                    self.said.add(bytes.fromhex(record["digest"]))
                case "sent":
                    self._sent(record)
                case "replied":
                    self._replied(record, offset)
                case "failed":
                    self._failed(record, offset)
                case _:
                    self._num_foreign += 1
        except (LookupError, TypeError, ValueError):
            self._num_foreign += 1

    def _sent(self, record: dict[str, Any]) -> None:
        number, worst = _whole(record["number"]), record["worst"]
        bound = Usage(_whole(worst[0]), 0, _whole(worst[1]))
        if number in self._open or number in self._ended:
            self._num_repeated += 1
            return
        self._open[number] = bound
        self._count(number, Tally(num_sent=1))

    def _replied(self, record: dict[str, Any], offset: int) -> None:
        number, key = _whole(record["number"]), _string(record["key"])
        usage = Usage(*(_number(value) for value in record["usage"]))
        if record["finish_reason"] not in _FINISH_REASONS or not isinstance(record["text"], str):
            raise ValueError("no reply")
        if number in self._ended:
            self._num_repeated += 1
            return
        odd = bool(record.get("odd"))
        used = Usage(*(_whole(value) for value in record["billed_as"])) if odd else usage
        if not odd and counted(usage, usage)[1]:
            raise ValueError("impossible usage")
        self.answers.setdefault(key, offset)
        self._end(number, Tally(num_replied=1, num_odd=int(odd), used=used))

    def _failed(self, record: dict[str, Any], offset: int) -> None:
        number, key = _whole(record["number"]), _string(record["key"])
        _string(record["reason"]), _string(record["message"])
        if number in self._ended:
            self._num_repeated += 1
            return
        if record["final"] is True:
            self.refusals.setdefault(key, offset)
        worst = self._open.get(number, NOTHING)
        self._end(number, Tally(num_lost=1, lost=worst) if record["billed"] is True else Tally(num_failed=1))

    def _end(self, number: int, change: Tally) -> None:
        if self._open.pop(number, None) is None:  # its line "sent" is gone; it was sent all the same
            change += Tally(num_sent=1)
        self._ended.add(number)
        self._count(number, change)

    def _count(self, number: int, change: Tally) -> None:
        self.last_number = max(self.last_number, number)
        self.tally += change

    def _close(self) -> None:
        """Requests that never ended were under way when the program was killed: they may have been billed."""
        for worst in self._open.values():
            self.tally += Tally(num_lost=1, lost=worst)
        if self._open:
            self.notes.append(
                f"{len(self._open)} requests were under way when the last run ended: they may have been billed, count "
                "as such, and are asked again"
            )
        if self._num_repeated:
            self.notes.append(f"{self._num_repeated} lines stand there twice and count once")
        if self._num_foreign:
            self.notes.append(f"{self._num_foreign} lines are none of the journal's and are ignored")
        self._open, self._ended = {}, set()


def _parsed(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        record = json.loads(line)
        if isinstance(record, dict):
            return record
    return None


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("no number")
    return value


def _whole(value: object) -> int:
    if _number(value) < 0:
        raise ValueError("negative")
    return _number(value)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value
