"""Where requests go and with which key: what is checked before a key leaves this machine.

A key comes from an argument of the API, a file or OPENAI_API_KEY, never from a command line, where every user of the
machine could read it. No message here ever shows one.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from chiasm.errors import UserError

OPENAI_URL = "https://api.openai.com/v1"  # what the SDK itself falls back to
KEY_VARIABLE = "OPENAI_API_KEY"
HTTP_VARIABLE = "CHIASM_KEY_OVER_HTTP"  # "1": send the key over plain http to another machine all the same
_LARGEST_KEY_FILE = 10_000  # bytes; a longer file is something else


@dataclass(frozen=True, slots=True)
class Access:
    """A checked base URL and the key to send there; None where the server is told none."""

    base_url: str
    key: str | None = field(repr=False)
    on_this_machine: bool


def access(
    base_url: str | None, api_key: str | None, key_file: str | Path | None = None, *, key_over_http: bool | None = None
) -> Access:
    """Where to ask and with which key: `api_key`, else the content of `key_file`, else OPENAI_API_KEY.

    Without `base_url` it is OPENAI_BASE_URL, else OpenAI's own. Servers on this machine need no key, and so does plain
    http, over which one is only sent when forced. Raises `UserError`, which names the key but never shows it.
    """
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).strip().rstrip("/")
    host, secure = _checked(url)
    on_this_machine = _is_loopback(host)
    key, origin = _found_key(api_key, key_file)
    if key is None and secure and not on_this_machine:
        raise UserError(
            f"{KEY_VARIABLE} is not set, and {host} wants a key. Set it, or name a file that holds the key with "
            "--api-key-file, where the command has it"
        )
    forced = os.environ.get(HTTP_VARIABLE, "") not in ("", "0") if key_over_http is None else key_over_http
    if key is not None and not secure and not on_this_machine and not forced:
        raise UserError(
            f"{origin} would be sent to {host} over plain http, readable on the way. Use https, unset the key if the "
            f"server needs none, or set {HTTP_VARIABLE}=1 to send it all the same"
        )
    return Access(url, key, on_this_machine)


def _found_key(api_key: str | None, key_file: str | Path | None) -> tuple[str | None, str]:
    """The key and what to call the place it is from."""
    if api_key is not None:
        return _clean(api_key, "the API key"), "the API key"
    if key_file is not None:
        origin = f"the key file {key_file}"
        return _clean(_content(Path(key_file)), origin), origin
    found = os.environ.get(KEY_VARIABLE, "")
    return (_clean(found, KEY_VARIABLE) if found.strip() else None), KEY_VARIABLE


def _checked(url: str) -> tuple[str, bool]:
    """The host of a base URL, and whether the way there is encrypted."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    # Only the host is ever repeated: what stands before @ is a password.
    if parts.username is not None or parts.password is not None:
        raise UserError(
            f"the base URL carries a user name or password before {host}. Take it out: keys come from {KEY_VARIABLE} "
            "or --api-key-file"
        )
    if parts.scheme not in ("http", "https") or not host:
        shown = url if "@" not in url else "given"
        raise UserError(f"the base URL {shown!r} is none: it must look like http://127.0.0.1:8000/v1")
    if parts.query or parts.fragment:
        raise UserError(f"the base URL of {host} must end with its path (often /v1), without '?' or '#'")
    return host, parts.scheme == "https"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761: never another machine
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified  # 0.0.0.0, as servers print it, is this machine too


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_KEY_FILE + 1)
    except OSError as error:
        raise UserError(f"cannot read the key file {path}: {error.strerror}") from None
    if len(data) > _LARGEST_KEY_FILE:
        raise UserError(f"the key file {path} is longer than {_LARGEST_KEY_FILE} bytes: it must hold the key alone")
    return data.decode("utf-8", "replace")


def _clean(key: str, origin: str) -> str:
    """`key` without the line end around it. Raises `UserError` for what no HTTP header can carry."""
    key = key.strip()
    if not key:
        raise UserError(f"{origin} is empty: put the key there, and nothing else")
    if not key.isascii() or any(not "!" <= letter <= "~" for letter in key):
        raise UserError(
            f"{origin} holds a space, a line break or a letter outside ASCII among its {len(key)} characters: no key "
            "does. Copy it again"
        )
    return key
