"""`chiasm serve`: a model behind OpenAI's API, and a page to talk to it."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chiasm.chat import Looked
from chiasm.cli.known_values import DeviceOption, DtypeOption, TemplateOption
from chiasm.conversation import Conversation
from chiasm.errors import UserError

if TYPE_CHECKING:
    from chiasm.backends.local import LocalChatModel
    from chiasm.processing.pictures import PictureLimits

KEY_VARIABLE = "CHIASM_API_KEY"


def serve(  # noqa: PLR0913, PLR0917 - one argument an option
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A checkpoint folder or hub name. [default: the assistant that comes with chiasm]"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    name: Annotated[str | None, typer.Option(help="What clients call the model. [default: its folder's name]")] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="A file of keys, one a line, one of which clients must send. [or: CHIASM_API_KEY]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A host name clients may reach this server by; repeatable.")
    ] = None,
    allow_media_domain: Annotated[
        list[str] | None, typer.Option(help="A host pictures may be fetched from by https; repeatable. [default: none]")
    ] = None,
    max_running: Annotated[int, typer.Option(min=1, max=256, help="Answers written side by side.")] = 16,
    max_waiting: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait; others get 429.")] = 64,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer anybody may ask for.")] = 2048,
    grace: Annotated[float, typer.Option(min=0, help="Seconds that answers have to end when the server stops.")] = 30.0,
    template: TemplateOption = None,
    dtype: DtypeOption = None,
    device: DeviceOption = None,
) -> None:
    """Serve a model: OpenAI's API under /v1, and a page to talk to it.

    \b
    Examples:
      chiasm serve -m FOLDER
      chiasm serve -m FOLDER --host 0.0.0.0 --api-key-file keys.txt
    """
    from chiasm import bundled
    from chiasm.backends import open_local
    from chiasm.serving.app import Server, Settings
    from chiasm.serving.listening import bound, listener
    from chiasm.serving.pictures import PictureGuard

    keys = known_keys(api_key_file)
    domains = frozenset(_domain(domain) for domain in allow_media_domain or ())
    listening = bound(host, port)  # before the model: a port in use should not cost minutes
    try:
        called = name or (_name_of(model) if model else bundled.NAME)
        answerer: LocalChatModel | None = None

        def count(conversation: Conversation) -> tuple[int, tuple[int, ...], int | None]:
            assert answerer is not None
            return answerer.prompt_tokens(conversation)

        def open_ahead(content: bytes, limits: PictureLimits) -> tuple[int, int]:
            assert answerer is not None
            return answerer.open_ahead(content, limits)

        def check_schema(schema: str) -> None:
            assert answerer is not None
            answerer.check_schema(schema)

        def look(conversation: Conversation, answer: str) -> Looked:
            assert answerer is not None
            return answerer.looked(conversation, answer)

        try:
            settings = Settings(
                called,
                keys=keys,
                hosts=frozenset(h.lower() for h in allow_host or ()) if _is_loopback(host) or allow_host else None,
                max_running=max_running,
                max_waiting=max_waiting,
                max_tokens=max_tokens,
                grace=grace,
                pictures=PictureGuard(domains=domains, opens=open_ahead),
                count=count,
                tells_likely=True,
                check_schema=check_schema,
                look=look,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--name") from None
        with ThreadPoolExecutor(1, thread_name_prefix="chiasm-computing") as thread:
            answerer = _opened_in(
                thread, lambda: open_local(model, dtype=dtype, device=device, template=template).only_asked()
            )
            server = Server(answerer, settings)
            _announce(host, listening.getsockname()[1], called, keyed=bool(keys))
            listener(server, grace).run([listening])
    finally:
        listening.close()


def _opened_in(thread: Executor, opened: Callable[[], LocalChatModel]) -> LocalChatModel:
    """The model, opened in the thread that will compute."""
    try:
        return thread.submit(opened).result().compute_in(thread)
    except KeyboardInterrupt:
        os._exit(130)  # a thread that reads weights cannot be told to stop, and would be waited for


def known_keys(file: Path | None) -> tuple[str, ...]:
    """The keys of `file`, else of CHIASM_API_KEY; none where neither is given. Raises `UserError`, which shows none."""
    if file is None:
        written = os.environ.get(KEY_VARIABLE)
        if written is None:
            return ()
        found, origin = [written.strip()], KEY_VARIABLE
    else:
        try:
            found, origin = file.read_text("utf-8").split("\n"), str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"cannot read the keys in {file}: {getattr(error, 'strerror', None) or 'no text'}"
            ) from None
    keys = tuple(key.strip() for key in found if key.strip())
    if not keys:
        raise UserError(f"{origin} holds no key: write one, or leave it out to let everybody in")
    return keys


def _domain(domain: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain.lower()):
        raise typer.BadParameter(
            f"{domain!r} is not a host name such as images.example.org", param_hint="--allow-media-domain"
        )
    return domain.lower()


def _name_of(model: str | Path) -> str:
    """The last part of a path or hub name, in letters a name may have."""
    last = Path(str(model)).resolve().name if Path(str(model)).exists() else str(model).rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._:@+-]+", "-", last)[:100] or "model"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _announce(host: str, port: int, name: str, *, keyed: bool) -> None:
    """Where it is, and how to ask."""
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    if not _is_loopback(host):
        everybody = "" if keyed else ", without a key: --api-key-file asks for one"
        print(f"warning: {host} can be reached from other machines{everybody}", file=sys.stderr)
    body = f'{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    key = f' -H "Authorization: Bearer ${KEY_VARIABLE}"' if keyed else ""
    print(f"{name} at {url} (the API at {url}/v1); Ctrl-C stops it", file=sys.stderr)
    print(
        f"  curl {url}/v1/chat/completions{key} -H 'Content-Type: application/json' -d {shlex.quote(body)}",
        file=sys.stderr,
    )
    sys.stderr.flush()
