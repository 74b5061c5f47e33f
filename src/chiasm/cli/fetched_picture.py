"""Fetching a picture somebody named by its address in their own terminal: https only, bounded in size and time.

Redirects are followed to other https addresses. Every address is looked up once and must be a public one: a page must
not lead into the network of whoever follows its link. Proxies are not used, cookies and credentials never sent.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from chiasm.errors import UserError
from chiasm.version import __version__

# All ours. Pictures larger than this are refused by `chiasm.processing.pictures` anyway.
MAX_BYTES = 64 * 2**20
SECONDS = 30.0
_REDIRECTS = 4
_CONNECT_SECONDS = 10.0

Connect = Callable[[str, int], http.client.HTTPConnection]


def fetch(url: str, connect: Connect | None = None, *, seconds: float = SECONDS, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes at `url`. Raises `UserError` for whatever stands in the way. `connect` is for tests."""
    connect, end = connect or _connection, time.monotonic() + seconds
    for _ in range(_REDIRECTS + 1):
        where = _checked(url)
        shown = f"{where.hostname}{where.path}"[:100]
        connection = connect(where.hostname or "", where.port or 443)
        with contextlib.closing(connection), _deadline(connection, end - time.monotonic()) as late:
            try:
                path = quote(where.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{where.query}" if where.query else "")
                headers = {"User-Agent": f"chiasm/{__version__}", "Accept": "image/*"}
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                if response.status in (301, 302, 303, 307, 308) and (onward := response.getheader("location")):
                    url = urljoin(url, onward)
                    continue
                if response.status != 200:
                    raise UserError(f"{shown}: the server answered {response.status} {response.reason}")
                return _read(response, max_bytes, shown)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if late.is_set():
                    raise UserError(f"{shown}: not fetched within {seconds:g} seconds") from None
                raise UserError(f"{shown}: cannot be fetched: {str(error) or type(error).__name__}") from None
    raise UserError(f"{url[:100]}: more than {_REDIRECTS} redirects")


def _checked(url: str) -> SplitResult:
    try:
        where = urlsplit(url)
        _ = where.port  # raises for one that is no number
    except ValueError as error:
        raise UserError(f"{url[:100]}: not an address: {error}") from None
    if where.scheme != "https" or not where.hostname:
        raise UserError(f"{url[:100]}: only https addresses are fetched. Save the picture and name the file")
    if where.username is not None or where.password is not None:
        raise UserError(f"{where.hostname}: addresses with a name or password in them are not fetched")
    return where


def _read(response: http.client.HTTPResponse, max_bytes: int, shown: str) -> bytes:
    data = bytearray()
    while piece := response.read1(65536):
        data += piece
        if len(data) > max_bytes:
            raise UserError(f"{shown}: more than {max_bytes / 2**20:g} MiB; save it smaller")
    if response.length:  # what the server promised and did not send
        raise UserError(f"{shown}: the connection ended {response.length:,} bytes early")
    return bytes(data)


@contextlib.contextmanager
def _deadline(connection: http.client.HTTPConnection, seconds: float) -> Iterator[threading.Event]:
    """Hang up after so many seconds: a server that sends a byte now and then never runs into a socket's timeout."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, seconds), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def public_address(host: str, port: int) -> str:
    """An address of `host`, if all it has are public. Raises `UserError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UserError(f"{host}: no such host ({error})") from None
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        number = ipaddress.ip_address(address.partition("%")[0])
        inside = getattr(number, "ipv4_mapped", None) or getattr(number, "sixtofour", None) or number
        if not number.is_global or not inside.is_global or number.is_multicast:
            raise UserError(f"{host} is {address}, which is not a public address. Save the picture and name the file")
    return addresses[0]


class _ToAddress(http.client.HTTPSConnection):
    """Speaks to the address that was checked, not to whatever the name means a moment later."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, port, timeout=_CONNECT_SECONDS, context=self._tls)
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _connection(host: str, port: int) -> http.client.HTTPConnection:
    return _ToAddress(host, port, public_address(host, port))
