"""One request of the model, from its body to the end of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from chiasm.chat import AnswerError, ChatModel, Delta, Looked, Teller, collect
from chiasm.conversation import Conversation
from chiasm.errors import UserError
from chiasm.serving import looking, replies, wire
from chiasm.serving.answering import Answering, Pulled, Told
from chiasm.serving.bell import Bell, RungError, at_once
from chiasm.serving.bodies import Bodies, ClientGoneError
from chiasm.serving.bounded_json import read_json
from chiasm.serving.desk import Desk
from chiasm.serving.faults import Refused, broken
from chiasm.serving.mailbox import Mailbox
from chiasm.serving.metrics import Metrics
from chiasm.serving.pictures import PictureGuard
from chiasm.serving.trimming import Trimming

log = logging.getLogger("chiasm.serving")

_Made = TypeVar("_Made")

_GONE = 499  # what nginx writes down for clients that left; nobody receives it


@dataclass
class House:
    """What all requests of the model share. Threads and mailbox come with the app's lifespan."""

    model: ChatModel
    name: str
    desk: Desk
    metrics: Metrics
    bodies: Bodies
    pictures: PictureGuard
    max_tokens: int
    deadline: float
    count: Callable[[Conversation], tuple[int, tuple[int, ...], int | None]] | None
    tells_likely: bool
    check_schema: Callable[[str], None] | None
    look: Callable[[Conversation, str], Looked] | None
    trimming: Trimming
    mailbox: Mailbox = field(init=False)
    threads: ThreadPoolExecutor = field(init=False)
    picture_threads: ThreadPoolExecutor = field(init=False)

    teller: Teller | None = field(init=False)  # the model, if it tells its answers

    def __post_init__(self) -> None:
        self.teller = self.model if isinstance(self.model, Teller) else None

    def answering(self) -> Answering:
        """An answer of the model, not yet begun."""
        if self.teller is not None:
            return Told(self.threads, self.mailbox, self.teller)
        return Pulled(self.threads, self.mailbox, self.model)


class Asking:
    """A request on its way. What it holds is in `_held`, which is let go when its response has ended."""

    def __init__(self, house: House, request: Request) -> None:
        self._house, self._request = house, request
        self._held = AsyncExitStack()
        self._begun = time.monotonic()
        self._end = self._begun + house.deadline
        self._bell = Bell()  # rings when the client, the server or the time has ended
        self._gone: asyncio.Task[None]
        self._cut: asyncio.Task[None]
        self._timer: asyncio.TimerHandle

    async def chat(self) -> Response:
        """The answer."""
        async with AsyncExitStack() as held:
            self._held = held
            try:
                asked = await self._read()
                answering = await self._begin(asked)
                # Made while the model computes: nothing should be left to do when the first words come.
                reply = replies.Reply(self._house.name, asked.include_usage, asked.sampling.num_likely is not None)
                first = await self._next(answering)
            except ClientGoneError:
                self._house.metrics.vanished += 1
                return Response(status_code=_GONE)
            self._house.metrics.count_first_token(time.monotonic() - self._begun)
            if asked.stream:
                self._held = held.pop_all()
                return EventStream(self._events(reply, answering, first), self._taken, self._held)
            return await self._whole(reply, answering, first)
        raise AssertionError("no context manager here swallows")

    async def tokens(self) -> Response:
        """How many tokens the request takes."""
        count = self._house.count
        assert count is not None
        async with AsyncExitStack() as self._held:
            try:
                asked = await self._read()
                conversation = await self._opened(asked)
                counting = asyncio.get_running_loop().run_in_executor(self._house.picture_threads, count, conversation)
                num_prompt, pictures, context = await self._within(counting)
            except ClientGoneError:
                return Response(status_code=_GONE)
            except UserError as error:
                raise Refused(400, str(error)) from None
        return JSONResponse(
            {
                "object": "chat.completion.tokens",
                "prompt_tokens": num_prompt,
                "picture_tokens": list(pictures),
                "context_tokens": context,
            }
        )

    async def looked(self) -> Response:
        """Where the model looked for an answer."""
        look = self._house.look
        assert look is not None
        async with AsyncExitStack() as self._held:
            self._held.callback(self._house.trimming.ended, self._house.picture_threads)
            try:
                where = looking.parse(await self._body())
                await self._let_in(where.asked)
                conversation = await self._opened(where.asked)
                await self._within(self._held.enter_async_context(self._house.desk.slot()))
                found = asyncio.get_running_loop().run_in_executor(
                    self._house.threads, lambda: looking.written(look(conversation, where.answer))
                )
                # Nobody can stop it half way: the slot is given back when the thread is free again.
                self._held.push_async_callback(asyncio.wait, [found])
                return Response(await self._within(asyncio.shield(found)), media_type="application/json")
            except ClientGoneError:
                return Response(status_code=_GONE)
        raise AssertionError("no context manager here swallows")

    async def _read(self) -> wire.Asked:
        """The checked request; from here on it has a place."""
        self._held.callback(self._house.trimming.ended, self._house.picture_threads)
        asked = wire.parse(await self._body(), self._house.max_tokens)
        await self._let_in(asked)
        return asked

    async def _body(self) -> object:
        headers = dict(self._request.scope["headers"])
        body = await self._held.enter_async_context(self._house.bodies.read(headers, self._request.receive))
        self._begun = time.monotonic()
        return read_json(body)

    async def _let_in(self, asked: wire.Asked) -> None:
        """Give a checked request its place, or raise `Refused`."""
        if asked.model != self._house.name:
            raise Refused(404, f"the model here is '{self._house.name}'", param="model", code="model_not_found")
        self._check_abilities(asked)
        self._house.pictures.check(asked.urls)
        await self._held.enter_async_context(self._house.desk.place())
        self._gone = asyncio.create_task(self._disconnected())
        self._cut = asyncio.create_task(self._house.desk.cut())
        for each in (self._gone, self._cut):
            each.add_done_callback(self._bell.ring)
        left = self._end - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(left, self._bell.ring)
        self._held.callback(self._watch_no_more)

    def _watch_no_more(self) -> None:
        for each in (self._gone, self._cut):
            each.remove_done_callback(self._bell.ring)
            each.cancel()
        self._timer.cancel()
        # A cancelled task knows where it was: in a method of this object. Without the way back, both are gone at once,
        # and the request's pictures with them, not when the collector next comes by.
        del self._gone, self._cut, self._timer

    def _check_abilities(self, asked: wire.Asked) -> None:
        """Raise `Refused` for what this model cannot do."""
        if asked.sampling.num_likely is not None and not self._house.tells_likely:
            message = "this model does not tell log-probabilities: leave logprobs out"
            raise Refused(400, message, param="logprobs", code="unsupported_value")
        if asked.sampling.json_schema is not None and self._house.check_schema is None:
            message = "only text is supported: this server cannot make a model keep to JSON or a schema"
            raise Refused(400, message, param="response_format", code="unsupported_value")

    async def _begin(self, asked: wire.Asked) -> Answering:
        """The answer on its way; from here on it has a slot."""
        await self._check_schema(asked.sampling.json_schema)
        conversation = await self._opened(asked)
        taking = self._held.enter_async_context(self._house.desk.slot())
        await (taking if self._house.desk.has_free_slot else self._within(taking))
        answering = self._house.answering()
        self._held.push_async_callback(answering.close)
        answering.begin(conversation, asked.sampling)
        return answering

    async def _check_schema(self, schema: str | None) -> None:
        check = self._house.check_schema
        if schema is None or check is None:
            return

        def checked() -> None:
            try:
                check(schema)
            except UserError as error:
                raise Refused(400, str(error), param="response_format", code="invalid_schema") from None

        await self._within(asyncio.get_running_loop().run_in_executor(self._house.picture_threads, checked))

    async def _opened(self, asked: wire.Asked) -> Conversation:
        if not asked.urls:
            return asked.conversation
        known = self._house.pictures.known(asked.urls)
        if known is not None:
            return wire.with_pictures(asked.conversation, known)
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._house.picture_threads, self._house.pictures.open, asked.urls)
        return wire.with_pictures(asked.conversation, await self._within(opening))

    async def _whole(self, reply: replies.Reply, answering: Answering, first: Delta | None) -> Response:
        deltas: list[Delta] = []
        delta = first
        try:
            while delta is not None:
                deltas.append(delta)
                delta = await self._next(answering)
        except ClientGoneError:
            self._house.metrics.vanished += 1
            return Response(status_code=_GONE)
        answer = collect(deltas)
        self._house.metrics.count_usage(answer.usage)
        return JSONResponse(reply.whole(answer))

    async def _events(
        self, reply: replies.Reply, answering: Answering, first: Delta | None
    ) -> AsyncGenerator[bytes, None]:
        delta, opening = first, reply.begin()
        try:
            while delta is not None:
                if delta.text or delta.tokens:
                    yield opening + reply.text(delta.text, delta.tokens)  # together: one write until the first words
                    opening = b""
                if delta.finish_reason is not None and delta.usage is not None:
                    self._house.metrics.count_usage(delta.usage)
                    yield opening + reply.end(delta.finish_reason, delta.usage, delta.unfamiliar)
                delta = await self._next(answering)
        except ClientGoneError:
            self._house.metrics.vanished += 1
        except Refused as refused:
            yield replies.failure(refused.body)
            refused.forget()

    async def _next(self, answering: Answering) -> Delta | None:
        """The next piece: not even one that is there already, once it is known that client, time or server ended."""
        return await self._within(answering.next())

    async def _within(self, work: Awaitable[_Made]) -> _Made:
        """What `work` gives, unless the client, the time or the server ends first. Its errors become ours."""
        try:
            made = await self._bell.wait_for(work)
        except RungError:
            raise self._over() from None
        except (Refused, asyncio.CancelledError):
            raise
        except Exception as error:
            raise self._refusal(error) from None
        if isinstance(made, Delta) and made.finish_reason is not None:
            self._house.desk.num_faults = 0
        return made

    async def _taken(self, sending: Coroutine[object, object, None]) -> None:
        """Send; `ClientGoneError` where the client, the time or the server ends before there is room for it."""
        if not self._bell.has_rung():
            with contextlib.suppress(RungError):
                await self._bell.wait_for(sending)
                return
        elif await at_once(sending):  # the last words
            return
        self._house.metrics.vanished += 1  # nothing can be said to who takes nothing
        raise ClientGoneError

    def _over(self) -> ClientGoneError | Refused:
        """Who ended it: the client, the server, else the time."""
        if self._gone.done():
            return ClientGoneError()
        if self._cut.done():
            return Refused(503, "the server is stopping", code="stopping", retry_after=5, close=True)
        return Refused(504, f"no end after {self._house.deadline:g} seconds", code="deadline")

    def _refusal(self, error: Exception) -> Refused:
        """What the client is told of an error of the model."""
        if isinstance(error, AnswerError):
            # Of whoever is asked in turn: their words may hold more than a client should know.
            log.warning("no answer: %s", error)
            status, wait = (502, None) if error.permanent else (503, int(error.retry_after or 5))
            return Refused(status, "the model gave no answer", code="no_answer", retry_after=wait)
        if isinstance(error, UserError):
            return Refused(400, str(error), param="messages", code=_code(error))
        self._house.desk.num_faults += 1
        log.error("the model failed", exc_info=error)
        return broken()

    async def _disconnected(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass


class EventStream(Response):
    """Server-sent events; what was held for them is let go when they end, whatever ends them.

    Each is sent through `taken`, whose `ClientGoneError` ends them: the response then stays as it is, and the
    connection is of no further use.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        taken: Callable[[Coroutine[object, object, None]], Awaitable[None]],
        held: AsyncExitStack,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._taken, self._held = events, taken, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        async with self._held, contextlib.aclosing(self._events) as events:
            waiting: list[Message] = [start]  # for the first event: to be sent with it
            with contextlib.suppress(ClientGoneError):
                async for event in events:
                    body = {"type": "http.response.body", "body": event, "more_body": True}
                    await self._taken(_sent(send, *waiting, body))
                    waiting = []
                end = {"type": "http.response.body", "body": b"", "more_body": False}
                await self._taken(_sent(send, *waiting, end))


async def _sent(send: Send, *messages: Message) -> None:
    for message in messages:
        await send(message)


def _code(error: UserError) -> str:
    return "context_length_exceeded" if "context holds" in str(error) else "invalid_request"
