"""From a model that blocks to an event loop that must not: one thread writes an answer, the loop reads along.

Closing ends the thread at its next piece, and waits until it has ended. It knows the port `ChatModel` and no HTTP.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from chiasm.chat import ChatModel, Delta, Sampling
from chiasm.conversation import Conversation
from chiasm.serving.mailbox import Mailbox

# Both ours.
_AHEAD = 64  # pieces a model may be ahead of its reader
_FIRST_SECONDS = 0.01  # the first piece has to be on its way, ten times over, unless the client does not read


class Answering:
    """An answer on its way. Read it with `next`; `close` it whatever happens."""

    def __init__(self, threads: ThreadPoolExecutor, mailbox: Mailbox, model: ChatModel) -> None:
        self._threads, self._mailbox, self._model = threads, mailbox, model
        self._pieces: asyncio.Queue[Delta | BaseException] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._closed = threading.Event()
        self._num_asked = 0
        self._first_gone = threading.Event()
        self._work: asyncio.Future[None] | None = None
        self._over = False

    def begin(self, conversation: Conversation, sampling: Sampling) -> None:
        """Start writing."""
        self._work = asyncio.get_running_loop().run_in_executor(self._threads, self._write, conversation, sampling)

    async def next(self) -> Delta | None:
        """The next piece; None behind the last. Raises what the model raised."""
        if self._over:
            return None
        self._num_asked += 1
        if self._num_asked == 2:
            self._first_gone.set()
        piece = await self._pieces.get()
        self._room.release()
        if isinstance(piece, BaseException):
            self._over = True
            # What would end the whole program has only ended this answer.
            raise piece if isinstance(piece, Exception) else RuntimeError(type(piece).__name__)
        self._over = piece.finish_reason is not None
        return piece

    async def close(self) -> None:
        """Stop writing; returns when the thread is free again."""
        self._closed.set()
        self._first_gone.set()
        self._room.release()
        if self._work is not None:
            await asyncio.shield(asyncio.wait([self._work]))

    def _write(self, conversation: Conversation, sampling: Sampling) -> None:
        deltas: Any = None
        try:
            if self._closed.is_set():
                return
            deltas = self._model.stream(conversation, sampling)
            for delta in deltas:
                says = bool(delta.text or delta.tokens or delta.finish_reason)
                if says:
                    self._tell(delta)
                if self._closed.is_set() or delta.finish_reason is not None:
                    return
                if says:
                    # Computing the next piece would take the processor from the loop, which has the first to send.
                    self._first_gone.wait(_FIRST_SECONDS)
            raise ValueError("the stream ended without saying why")
        except BaseException as error:  # handed to the reader: whatever a model raises, somebody must say so
            self._tell(error)
        finally:
            if hasattr(deltas, "close"):
                cast("Generator[Delta, None, None]", deltas).close()

    def _tell(self, piece: Delta | BaseException) -> None:
        self._room.acquire()
        if not self._closed.is_set():
            self._mailbox.send(self._pieces.put_nowait, piece)
