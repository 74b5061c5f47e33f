"""Answers through files: requests as OpenAI-Batch JSONL, results read back whenever they are there.

The road to millions: the provider's Batch API costs half, and `vllm run-batch` needs no server. The folder holds

    requests-0001.jsonl ...     written here; submit them
    any other name.jsonl        results, put there by whoever ran the batch, in any order and any number of files

It sends nothing and waits for nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.backends.openai_wire import UNKNOWN_USAGE, answer_of, failure_of, request_body
from chiasm.chat import Answer, AnswerError, Delta, FinishReason, Sampling
from chiasm.conversation import Conversation
from chiasm.dispatch import Unanswerable, Waiting, content_key
from chiasm.errors import UserError

# What one file may hold (OpenAI's guide to its Batch API).
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
_LONGEST_ID = 200  # characters of the caller's id inside a custom_id; ours
_REQUESTS_FILE = re.compile(r"requests-(\d+)\.jsonl")


class BatchFileChatModel:
    """The model `name`, asked through files in `folder`.

    A request's `custom_id` is the conversation's `id`, a dot, and 16 digits of what is asked (turns, sampling, model):
    a result never passes for the answer to something else. `notes` say, after `answer_all`, what was odd.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str,
        *,
        most_requests: int = MOST_REQUESTS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        if not name.strip():
            raise UserError(
                "the name of the model is empty: it must look like batchfile:NAME, as the provider calls it"
            )
        self.folder, self.name = Path(folder), name
        self.notes: list[str] = []
        self._most_requests, self._most_bytes = most_requests, most_bytes

    def __repr__(self) -> str:
        return f"BatchFileChatModel({str(self.folder)!r}, {self.name!r})"

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Delta]:
        """The answer in one piece; raises `Waiting` as `answer_all` does."""
        for answer in self.answer_all([conversation], sampling):
            yield Delta(answer.text, answer.finish_reason, answer.usage)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """The answers whose results are in the folder; then, when some are missing, `Waiting` is raised.

        Requests that are in no file of the folder yet are written first. A result that is an error comes last, as an
        empty text that ended with "content_filter" or "unknown"; a second result for one request is left out.
        """
        indices: dict[str, list[int]] = {}
        for index, conversation in enumerate(conversations):
            indices.setdefault(self.custom_id(conversation, sampling), []).append(index)
        answered = bytearray(len(conversations))
        failed: dict[str, AnswerError] = {}
        self.notes, counts = [], {"lines are no results": 0, "results answer nothing asked now": 0, "came twice": 0}
        for custom_id, result in self._results(counts):
            if custom_id not in indices:
                counts["results answer nothing asked now"] += 1
            elif answered[indices[custom_id][0]]:
                counts["came twice"] += 1
            elif isinstance(result, AnswerError):
                failed[custom_id] = result
            else:
                for index in indices[custom_id]:
                    answered[index] = 1
                    yield Answer(result.text, result.finish_reason, result.usage, index)
        for custom_id, error in failed.items():
            for index in indices[custom_id]:
                if not answered[index]:  # another file may have brought an answer after all
                    answered[index] = 2
                    yield Answer("", _finish_reason(error), UNKNOWN_USAGE, index)
        num_errors = answered.count(2)
        self.notes = [f"{count} {what}" for what, count in counts.items() if count]
        if num_errors:
            last = next(reversed(failed.values()))
            self.notes.append(f"{num_errors} requests were answered by an error, the last: {last}")
        missing = [i for positions in indices.values() if not answered[positions[0]] for i in positions]
        if missing:
            self._write((conversations[i] for i in missing), sampling)
            raise self._waiting(len(missing), len(conversations))

    def custom_id(self, conversation: Conversation, sampling: Sampling) -> str:
        """What names the request, in its file and in its result."""
        digest = content_key(conversation, sampling, self.name)[:16]
        name = conversation.id or ""
        if len(name) > _LONGEST_ID:
            name = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{name}.{digest}" if name else digest

    # ---- results -------------------------------------------------------------------------------------------------

    def _results(self, counts: dict[str, int]) -> Iterator[tuple[str, Answer | AnswerError]]:
        """Every result of the folder by its custom_id."""
        for path in self._files(results=True):
            for line in _lines(path):
                if not line.strip():
                    continue
                record = _object(line)
                custom_id = record.get("custom_id") if record is not None else None
                if record is None or not isinstance(custom_id, str):
                    counts["lines are no results"] += 1
                    continue
                yield custom_id, _result(record)

    def _files(self, *, results: bool) -> list[Path]:
        """The files of results, or those of requests, by name."""
        found = sorted(path for path in self.folder.glob("*.jsonl") if path.is_file())
        return [path for path in found if (_REQUESTS_FILE.fullmatch(path.name) is None) == results]

    # ---- requests ------------------------------------------------------------------------------------------------

    def _write(self, conversations: Iterable[Conversation], sampling: Sampling) -> None:
        """Put the requests that are in no file yet into new files, each there whole or not at all."""
        written = self._written_ids()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = _RequestFiles(self.folder, self._most_requests, self._most_bytes)
            try:
                for conversation in conversations:
                    custom_id = self.custom_id(conversation, sampling)
                    if custom_id not in written:
                        written.add(custom_id)
                        file.add(self._line(custom_id, conversation, sampling))
                file.finish()
            finally:
                file.abandon()
        except OSError as error:
            raise UserError(f"cannot write requests into {self.folder}: {error.strerror or error}") from None

    def _line(self, custom_id: str, conversation: Conversation, sampling: Sampling) -> bytes:
        # Both OpenAI and vLLM know the newer name of the limit; the older fails with OpenAI's newest models.
        body = request_body(conversation, sampling, self.name, "max_completion_tokens")
        request = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(request).encode("ascii") + b"\n"

    def _written_ids(self) -> set[str]:
        ids = set()
        for path in self._files(results=False):
            for line in _lines(path):
                record = _object(line)
                if record is not None and isinstance(record.get("custom_id"), str):
                    ids.add(record["custom_id"])
        return ids

    def _waiting(self, num_missing: int, num_asked: int) -> Waiting:
        files = self._files(results=False)
        names = files[0].name + (f" to {files[-1].name}" if len(files) > 1 else "")
        return Waiting(
            f"{num_missing} of {num_asked} answers are not there yet. Submit {names} in {self.folder} (to the "
            "provider's Batch API for /v1/chat/completions, or `vllm run-batch -i FILE -o results.jsonl --model "
            f"{self.name}`), put the files of results into the same folder and run the same command again. Requests "
            "whose file of requests you remove are written anew",
            num_missing=num_missing,
            num_asked=num_asked,
        )


class _RequestFiles:
    """New files of requests, numbered on from those of the folder, none beyond the limits."""

    def __init__(self, folder: Path, most_requests: int, most_bytes: int) -> None:
        self._folder, self._most_requests, self._most_bytes = folder, most_requests, most_bytes
        names = (_REQUESTS_FILE.fullmatch(path.name) for path in folder.iterdir())
        self._number = max((int(name[1]) for name in names if name), default=0)
        self._partial = folder / ".requests.partial"  # one that a killed program left is written over
        self._file = self._partial.open("wb")
        self._num_requests = self._num_bytes = 0

    def add(self, line: bytes) -> None:
        if len(line) > self._most_bytes:
            raise UserError(f"a request of {len(line):,} bytes is larger than a file may be ({self._most_bytes:,})")
        if self._num_requests == self._most_requests or self._num_bytes + len(line) > self._most_bytes:
            self.finish()
            self._file = self._partial.open("wb")
        self._file.write(line)
        self._num_requests += 1
        self._num_bytes += len(line)

    def finish(self) -> None:
        """Give the file its name, if it holds anything."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._num_requests:
            self._number += 1
            self._partial.rename(self._folder / f"requests-{self._number:04d}.jsonl")
        self._num_requests = self._num_bytes = 0

    def abandon(self) -> None:
        """Leave nothing half behind."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def _result(record: Mapping[str, Any]) -> Answer | AnswerError:
    """What a line of results says; errors as values."""
    response, error = record.get("response"), record.get("error")
    if not isinstance(response, Mapping):
        return failure_of(500, error if error else "no response")
    status = response.get("status_code", 200)
    body = response.get("body")
    if status != 200:
        return failure_of(status if isinstance(status, int) else 500, body)
    try:
        return answer_of(body)
    except AnswerError as failure:
        return failure


def _finish_reason(error: AnswerError) -> FinishReason:
    filtered = isinstance(error, Unanswerable) and error.reason == "content_filter"
    return "content_filter" if filtered else "unknown"


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
