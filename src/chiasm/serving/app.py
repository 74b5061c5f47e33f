"""The application: OpenAI's protocol over a `ChatModel`, the page, health and metrics, as one ASGI app.

Every request of the model goes the same way: body, fields, place, pictures, slot, answer. Whatever ends it - the
answer, an error, the client, the deadline, the server's own end - gives back all of it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chiasm.chat import ChatModel, Looked
from chiasm.conversation import Conversation
from chiasm.serving import looking, openapi, page, replies
from chiasm.serving.access import LOOPBACK, Asgi, Door
from chiasm.serving.asking import Asking, House
from chiasm.serving.bodies import Bodies
from chiasm.serving.desk import Desk
from chiasm.serving.faults import Refused, broken
from chiasm.serving.mailbox import Mailbox
from chiasm.serving.metrics import CONTENT_TYPE, Metrics, resident_bytes
from chiasm.serving.pictures import PictureGuard
from chiasm.serving.trimming import Trimming

log = logging.getLogger("chiasm.serving")

_BEGINNING = 4  # threads that begin the answers of a model that tells them, and say where it looked; ours

Count = Callable[[Conversation], tuple[int, tuple[int, ...], int | None]]
Look = Callable[[Conversation, str], Looked]


@dataclass(frozen=True)
class Settings:
    """How a server behaves. The numbers are ours.

    `count` says of a conversation how many tokens it takes, how many of them each picture, and how many the context
    holds. `tells_likely`: the model says how likely tokens were, if asked. `check_schema` raises `UserError` for a JSON
    schema the model cannot keep to; None: it keeps to none. `look` says where the model looked for an answer; None: it
    does not say. `hosts`: the names it answers to beside the loopback ones; None: to any. `grace`: seconds that answers
    have to end when the server stops. `deadline`: seconds a request may take in all.
    """

    name: str
    keys: tuple[str, ...] = ()
    hosts: frozenset[str] | None = frozenset()
    max_running: int = 16
    max_waiting: int = 64
    max_tokens: int = 2048
    max_body_bytes: int = 32 << 20
    max_held_bytes: int = 512 << 20
    body_seconds: float = 30.0
    deadline: float = 600.0
    grace: float = 30.0
    pictures: PictureGuard = field(default_factory=PictureGuard)
    count: Count | None = None
    tells_likely: bool = False
    check_schema: Callable[[str], None] | None = None
    look: Look | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._:@+-]{1,100}", self.name):
            raise ValueError(f"a model is served under letters, digits and . _ : @ + -, not {self.name!r}")


def app(model: ChatModel, settings: Settings) -> Asgi:
    """The ASGI app that serves `model`. It has to be run with its lifespan."""
    return Server(model, settings).door


class Server:
    """One model being served. `stop` begins the end; `door` is the ASGI app."""

    def __init__(self, model: ChatModel, settings: Settings) -> None:
        self._settings, self._created = settings, int(time.time())
        self.desk = Desk(settings.max_running, settings.max_waiting)
        self.metrics = Metrics()
        bodies = Bodies(settings.max_body_bytes, settings.max_held_bytes, settings.body_seconds)
        self._house = House(
            model,
            settings.name,
            self.desk,
            self.metrics,
            bodies,
            settings.pictures,
            settings.max_tokens,
            settings.deadline,
            settings.count,
            settings.tells_likely,
            settings.check_schema,
            settings.look,
            Trimming(lambda: self.desk.num_in == 0),
        )
        self._page = page.files()
        self._openapi = openapi.document(
            settings.name,
            keyed=bool(settings.keys),
            counts_tokens=settings.count is not None,
            looks=settings.look is not None,
        )
        hosts = None if settings.hosts is None else LOOPBACK | settings.hosts
        self.door = Door(
            self._starlette(),
            settings.keys,
            hosts,
            {"/health", *self._page},
            lambda _, status: self._count("-", status),
        )

    def stop(self) -> None:
        """Take no more requests; those on their way have the settings' grace."""
        self.desk.stop(self._settings.grace)

    def _starlette(self) -> Starlette:
        posts = {"/v1/chat/completions": Asking.chat}
        if self._settings.count is not None:
            posts["/v1/chat/completions/tokens"] = Asking.tokens
        if self._settings.look is not None:
            posts[looking.PATH] = Asking.looked
        gets: Mapping[str, Callable[[Request], Awaitable[Response]]] = {
            "/v1/models": self._models,
            "/v1/models/{model}": self._model,
            "/health": self._health,
            "/metrics": self._metrics,
            "/openapi.json": self._document,
        }
        routes = [Route(path, self._counted(path, get), methods=["GET"]) for path, get in gets.items()]
        routes += [Route(path, self._asked(path, ask), methods=["POST"]) for path, ask in posts.items()]
        routes += [Route(path, self._counted("page", self._page_file), methods=["GET"]) for path in self._page]
        application = Starlette(
            routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: self._lost, Exception: _fault}
        )
        application.router.redirect_slashes = False
        return application

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        most = self._settings.max_running  # a thread for each answer, where none is told
        num_threads = most if self._house.teller is None else min(_BEGINNING, most)
        with (
            ThreadPoolExecutor(num_threads, thread_name_prefix="chiasm-answers") as answers,
            ThreadPoolExecutor(2, thread_name_prefix="chiasm-pictures") as pictures,
        ):
            self._house.mailbox, self._house.threads, self._house.picture_threads = Mailbox(), answers, pictures
            self._house.trimming.begin()
            yield
            self._house.trimming.close()

    def _count(self, route: str, status: int) -> None:
        self.metrics.requests[route, status] += 1

    def _counted(
        self, route: str, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handled(request: Request) -> Response:
            response = await handle(request)
            self._count(route, response.status_code)
            return response

        return handled

    def _asked(
        self, route: str, ask: Callable[[Asking], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handled(request: Request) -> Response:
            try:
                response = await ask(Asking(self._house, request))
            except Refused as refused:
                response = JSONResponse(refused.body, refused.status, {**refused.headers})
                refused.forget()
            except Exception:
                log.exception("a request failed")
                response = JSONResponse(broken().body, 500)
            self._count(route, response.status_code)
            return response

        return handled

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def _model(self, request: Request) -> Response:
        if request.path_params["model"] != self._settings.name:
            refused = Refused(404, f"the model here is '{self._settings.name}'", param="model", code="model_not_found")
            return JSONResponse(refused.body, 404)
        return JSONResponse(self._card())

    def _card(self) -> dict[str, object]:
        return replies.model_card(self._settings.name, self._created, looks=self._settings.look is not None)

    async def _health(self, _: Request) -> Response:
        desk = self.desk
        health = {"status": desk.status, "running": desk.num_running, "waiting": desk.num_waiting}
        return JSONResponse(health, 200 if desk.status == "ok" else 503)

    async def _metrics(self, _: Request) -> Response:
        gauges = {
            "running": ("Answers being written.", self.desk.num_running),
            "waiting": ("Requests waiting for a slot.", self.desk.num_waiting),
            "held_body_bytes": ("Request bodies in memory.", self._house.bodies.num_held),
            "resident_memory_bytes": ("Memory of the process.", resident_bytes()),
        }
        return Response(self.metrics.text(gauges), headers={"Content-Type": CONTENT_TYPE})

    async def _document(self, _: Request) -> Response:
        return JSONResponse(self._openapi)

    async def _page_file(self, request: Request) -> Response:
        file = self._page[request.scope["path"]]
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers={**headers, "Content-Type": file.media_type})

    async def _lost(self, _: Request, error: Exception) -> Response:
        """A path or a method nobody here knows."""
        assert isinstance(error, HTTPException)
        words = {404: "there is nothing here", 405: "this method is not for this path"}
        refused = Refused(error.status_code, words.get(error.status_code, "refused"), code="not_found")
        self._count("-", error.status_code)
        return JSONResponse(refused.body, error.status_code, {**(error.headers or {}), "Connection": "close"})


async def _fault(_: Request, __: Exception) -> Response:
    return JSONResponse(broken().body, 500)
