"""The journal of a job: every request sent and every reply received, a line of JSON each, only ever appended.

    {"type": "said", "digest": D, "role": "user", "parts": [{"text": ...}]}    a turn, once, however often it is sent
    {"type": "sent", "number": 7, "key": K, "said": [D, ...], "sampling": {...}, "worst": [prompt, answer]}
    {"type": "replied", "number": 7, "key": K, "text": ..., "finish_reason": ..., "usage": [prompt, cached, answer]}
    {"type": "failed", "number": 7, "key": K, "reason": ..., "message": ..., "billed": false, "final": false}

A request is in the file before it is sent, a reply before anyone is told of it: whatever kills the program, the next
run knows what was spent and asks again at most what was under way. Answers are read back from the disk when wanted;
memory holds where they lie. It knows neither money nor who answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from chiasm.chat import Answer, Usage
from chiasm.dispatch.account import Tally
from chiasm.dispatch.failures import JournalError
from chiasm.dispatch.replay import Replay
from chiasm.dispatch.request import Request, said, said_digest

if sys.platform != "win32":
    import fcntl

_SPARE = 16 * 2**20  # bytes of disk that replies under way may need; our choice
_BLOCK = 2**16


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Journal:
    """The file `journal.jsonl` of `folder`, locked against other processes while it is open. Any thread may write.

    `past` is what earlier runs sent and got; `notes` say in a line each what was wrong with the file as found. With
    `durable` every line is on the disk before the call returns, many threads sharing one flush; without (for a teacher
    that costs nothing), a power cut may lose the last lines, a killed program none.

    Raises `JournalError` when the folder cannot be written, is in use by another process, or the disk is full; from
    then on every call does, so nothing is sent that could not be written down.
    """

    def __init__(
        self, folder: str | Path, *, durable: bool = True, free_bytes: Callable[[Path], int] = _free_bytes
    ) -> None:
        self.folder, self.path = Path(folder), Path(folder) / "journal.jsonl"
        self._durable_wanted, self._free_bytes = durable, free_bytes
        self._write_lock, self._flush_lock = threading.Lock(), threading.Lock()
        self._broken: str | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise JournalError(f"cannot write {self.path}: {error.strerror}. Nothing was asked") from None
        try:
            self._take_lock()
            self._replay = Replay.of(self._file)
            if durable:
                _flush_folder(self.folder)
        except BaseException:
            os.close(self._file)
            raise
        self.past: Tally = self._replay.tally
        self.notes: list[str] = [f"{self.path}: {note}" for note in self._replay.notes]
        self._number, self._end = self._replay.last_number, os.fstat(self._file).st_size
        self._flushed = 0

    def _take_lock(self) -> None:
        if sys.platform == "win32":
            return  # two processes on one folder are not told apart there
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JournalError(
                f"another process is at work in {self.folder}. Wait until it has finished, or end it; "
                "two at once would ask, and pay, twice"
            ) from None

    # ---- what is known -------------------------------------------------------------------------------------------

    @property
    def num_answered(self) -> int:
        """Keys that have an answer."""
        return len(self._replay.answers)

    def __contains__(self, key: object) -> bool:
        return key in self._replay.answers

    def answer(self, key: str) -> Answer | None:
        """The answer to `key`, read from the disk; None when there is none."""
        offset = self._replay.answers.get(key)
        if offset is None:
            return None
        line = json.loads(self._line(offset))
        return Answer(line["text"], line["finish_reason"], Usage(*line["usage"]))

    def refusal(self, key: str) -> tuple[str, str] | None:
        """Why `key` will never be answered (reason, message); None when that was not said."""
        offset = self._replay.refusals.get(key)
        if offset is None:
            return None
        line = json.loads(self._line(offset))
        return line["reason"], line["message"]

    # ---- what happens --------------------------------------------------------------------------------------------

    def sent(self, request: Request, worst: Usage) -> int:
        """Write down that `request` is about to be sent; its number, by which its end is told."""
        try:
            free = self._free_bytes(self.folder)
        except OSError as error:
            self._break(error)
        if free < _SPARE:
            raise JournalError(
                f"only {free / 2**20:.0f} MiB are free where {self.folder} is: nothing more is asked, so that replies "
                "under way can still be kept. Free some space and run the same command again"
            )
        turns = [said(message) for message in request.conversation.messages]
        digests = [said_digest(turn) for turn in turns]
        with self._write_lock:
            number = self._number + 1
            lines: list[dict[str, Any]] = []
            for digest, turn in zip(digests, turns, strict=True):
                if bytes.fromhex(digest) not in self._replay.said:
                    lines.append({"type": "said", "digest": digest, **turn})
            sampling = {name: value for name, value in asdict(request.sampling).items() if value not in (None, ())}
            worst_pair = [worst.num_prompt, worst.num_answer]
            lines.append(
                {"type": "sent", "number": number, "key": request.key, "at": _now(), "said": digests}
                | {"sampling": sampling, "worst": worst_pair}
            )
            _, end = self._append(lines)
            # Only now: what could not be written must not be taken for known.
            self._number = number
            self._replay.said.update(bytes.fromhex(digest) for digest in digests)
        self._flush(end)
        return number

    def replied(self, number: int, key: str, answer: Answer, used: Usage, *, odd: bool) -> None:
        """Write down the reply to request `number`, and the tokens it is billed as."""
        line: dict[str, Any] = {"type": "replied", "number": number, "key": key, "at": _now(), "text": answer.text}
        line |= {"finish_reason": answer.finish_reason, "usage": _triple(answer.usage)}
        if odd:
            line |= {"odd": True, "billed_as": _triple(used)}
        with self._write_lock:
            offset, end = self._append([line])
            self._replay.answers.setdefault(key, offset)
        self._flush(end)

    def failed(self, number: int, key: str, reason: str, message: str, *, billed: bool, final: bool) -> None:
        """Write down that request `number` got no reply. `final`: asking `key` again cannot help."""
        line = {"type": "failed", "number": number, "key": key, "at": _now(), "reason": reason, "message": message}
        with self._write_lock:
            offset, end = self._append([{**line, "billed": billed, "final": final}])
            if final:
                self._replay.refusals.setdefault(key, offset)
        self._flush(end)

    def close(self) -> None:
        """Flush, and let other processes in. A second call does nothing."""
        with self._write_lock, self._flush_lock:
            if self._file >= 0:
                if self._durable_wanted:
                    with contextlib.suppress(OSError):
                        os.fsync(self._file)
                os.close(self._file)
                self._file, self._broken = -1, f"{self.path} is closed"

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, lines: list[dict[str, Any]]) -> tuple[int, int]:
        """Where the last of `lines` begins, and where it ends. The caller holds the lock."""
        if self._broken is not None:
            raise JournalError(self._broken)
        written = [_line_of(line) for line in lines]
        data = b"".join(written)
        start = self._end
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            # Half a line in the middle would swallow the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, start)
            self._break(error)
        self._end = start + len(data)
        return self._end - len(written[-1]), self._end

    def _flush(self, end: int) -> None:
        """Return when the file is on the disk up to `end`; whoever comes first flushes for all who wrote by then."""
        if not self._durable_wanted:
            return
        with self._flush_lock:
            if self._flushed >= end or self._file < 0:
                return
            reached = self._end
            try:
                os.fsync(self._file)
            except OSError as error:
                self._break(error)
            self._flushed = reached

    def _break(self, error: OSError) -> NoReturn:
        self._broken = (
            f"cannot write {self.path}: {error.strerror}. Nothing more is asked; make room and run the same "
            "command again"
        )
        raise JournalError(self._broken) from None

    def _line(self, offset: int) -> bytes:
        data = b""
        while b"\n" not in data:
            block = os.pread(self._file, _BLOCK, offset + len(data))
            if not block:
                break
            data += block
        return data.partition(b"\n")[0]


def _flush_folder(folder: Path) -> None:
    """A new file's name is on the disk only when its folder is."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _triple(usage: Usage) -> list[int]:
    return [usage.num_prompt, usage.num_cached, usage.num_answer]


def _line_of(line: dict[str, Any]) -> bytes:
    """A line of UTF-8, or of escapes where a text holds what UTF-8 cannot (lone surrogates)."""
    try:
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
