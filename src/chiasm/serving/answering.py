"""From a model in threads to an event loop that must not block: the loop reads along while an answer is written.

A model that tells its answers is told to; of one that does not, a thread reads each. Both know the port and no HTTP.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from chiasm.chat import ChatModel, Delta, Sampling, Teller, Telling
from chiasm.conversation import Conversation
from chiasm.serving.mailbox import Mailbox

# Both ours.
_AHEAD = 64  # pieces a model may be ahead of its reader, unless it goes on for others
_FIRST_SECONDS = 0.01  # the first piece has to be on its way, ten times over, unless the client does not read


class Answering(ABC):
    """An answer on its way. Read it with `next`; `close` it whatever happens.

    The second piece is begun when the first has been sent (or, of a model that does not tell, in a moment): computing
    it would take the processor from the loop, which has the first to send.
    """

    def __init__(self, threads: ThreadPoolExecutor, mailbox: Mailbox) -> None:
        self._threads, self._mailbox = threads, mailbox
        self._pieces: asyncio.Queue[Delta | BaseException] = asyncio.Queue()
        self._closed = threading.Event()
        self._num_asked = 0
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
        self._write_on()
        piece = await self._pieces.get()
        if isinstance(piece, BaseException):
            self._over = True
            # What would end the whole program has only ended this answer.
            raise piece if isinstance(piece, Exception) else RuntimeError(type(piece).__name__)
        self._over = piece.finish_reason is not None
        return piece

    async def close(self) -> None:
        """Stop writing; returns when the thread is free again."""
        self._closed.set()
        self._write_on()
        if self._work is not None:
            await asyncio.shield(asyncio.wait([self._work]))

    @abstractmethod
    def _write(self, conversation: Conversation, sampling: Sampling) -> None:
        """What the thread does; it raises nothing."""

    @abstractmethod
    def _write_on(self) -> None:
        """`_num_asked` has grown, or it is `_closed`."""

    def _send(self, piece: Delta | BaseException) -> None:
        if not self._closed.is_set():
            self._mailbox.send(self._pieces.put_nowait, piece)


class Told(Answering):
    """Of a model that tells, which it is a `Reader` of; the thread only begins it."""

    def __init__(self, threads: ThreadPoolExecutor, mailbox: Mailbox, model: Teller) -> None:
        super().__init__(threads, mailbox)
        self._model = model
        self._telling: Telling | None = None
        self._num_told = 0
        self._is_held_up = False

    async def close(self) -> None:
        """Stop writing."""
        try:
            await super().close()
        finally:
            if self._telling is not None:
                self._telling.close()

    def hear(self, piece: Delta | Exception) -> None:
        """Pass it on to the loop, unless it is empty."""
        if isinstance(piece, Exception) or piece.text or piece.tokens or piece.finish_reason:
            self._num_told += 1
            self._send(piece)

    def wants(self) -> bool:
        """Whether the loop has sent the first piece, and is not too far behind."""
        self._is_held_up = True  # first: whoever asks for a piece from here on says that it may go on
        num_ahead = self._num_told - self._num_asked
        self._is_held_up = num_ahead >= (_AHEAD if self._num_asked > 1 else 0)
        return not self._is_held_up

    def _write(self, conversation: Conversation, sampling: Sampling) -> None:
        try:
            if not self._closed.is_set():
                self._telling = self._model.tell(conversation, sampling, self)
                self._write_on()  # the loop may have tried to, and found nobody to say it to
                if self._closed.is_set():
                    self._telling.close()
        except BaseException as error:  # handed to the reader: whatever a model raises, somebody must say so
            self._send(error)

    def _write_on(self) -> None:
        if self._is_held_up and self._telling is not None:
            self._telling.go_on()


class Pulled(Answering):
    """Of a model that gives pieces to who waits for them: the thread does."""

    def __init__(self, threads: ThreadPoolExecutor, mailbox: Mailbox, model: ChatModel) -> None:
        super().__init__(threads, mailbox)
        self._model = model
        self._room = threading.Semaphore(_AHEAD)
        self._first_gone = threading.Event()

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
                    self._first_gone.wait(_FIRST_SECONDS)
            raise ValueError("the stream ended without saying why")
        except BaseException as error:  # handed to the reader: whatever a model raises, somebody must say so
            self._tell(error)
        finally:
            if hasattr(deltas, "close"):
                cast("Generator[Delta, None, None]", deltas).close()

    def _write_on(self) -> None:
        self._room.release()
        if self._num_asked > 1 or self._closed.is_set():
            self._first_gone.set()

    def _tell(self, piece: Delta | BaseException) -> None:
        self._room.acquire()
        self._send(piece)
