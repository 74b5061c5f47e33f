"""Pictures from the network: only by https, only from hosts that were named, only from public addresses.

There is one reading of an address, by a pattern that takes plain ones and nothing else; the machine dialled is the very
address that was checked, so that a name which changes its mind in between gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
from dataclasses import dataclass

_SECONDS = 10.0  # for all of it: connecting, the handshake, headers and body; ours
_PIECE = 1 << 16
_ADDRESS = re.compile(
    r"https://(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+)(?::443)?"
    r"(?P<target>/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?)?\Z",
    re.ASCII,
)
_LONGEST = 2048
# Ways to write an IPv4 address inside an IPv6 one, each of which would go round a check of the outer: RFC 4291 (mapped,
# compatible), RFC 6052 and 8215 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo).
_WRAPPED = [
    ipaddress.IPv6Network(network)
    for network in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]


@dataclass(frozen=True, slots=True)
class Address:
    """An address that may be fetched."""

    host: str
    target: str


def read_address(url: str, domains: frozenset[str]) -> Address | None:
    """The host and target of a plain https address on one of `domains` (lower case); None for everything else."""
    if len(url) > _LONGEST:
        return None
    found = _ADDRESS.match(url)
    if found is None or found["host"] not in domains:
        return None
    return Address(found["host"], found["target"] or "/")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, in every reading of it."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a scope, for example
        return False
    if isinstance(ip, ipaddress.IPv6Address) and any(ip in network for network in _WRAPPED):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def fetch(url: str, domains: frozenset[str], max_bytes: int) -> bytes:
    """The content of `url`; raises `OSError` or `ValueError`, whose text is not for the client."""
    address = read_address(url, domains)
    if address is None:
        raise ValueError("not an address that may be fetched")
    return Fetching(address, max_bytes).run()


class Fetching:
    """One request, which is over after `seconds` whatever the other side does."""

    def __init__(
        self, address: Address, max_bytes: int, seconds: float = _SECONDS, context: ssl.SSLContext | None = None
    ) -> None:
        self._address, self._max_bytes, self._seconds = address, max_bytes, seconds
        self._context = context or ssl.create_default_context()
        self._socket: socket.socket | None = None
        self._late = False

    def run(self) -> bytes:
        """The content."""
        ip = resolved(self._address.host)
        watch = threading.Timer(self._seconds, self._give_up)
        watch.daemon = True
        watch.start()
        try:
            plain = self._socket = dialled(ip, self._seconds)
            with self._context.wrap_socket(plain, server_hostname=self._address.host) as secured:
                self._socket = secured
                return self._read(secured)
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from error
        finally:
            watch.cancel()
            if self._socket is not None:
                self._socket.close()

    def _read(self, connected: socket.socket) -> bytes:
        connection = http.client.HTTPConnection(self._address.host)
        connection.sock = connected
        connection.request("GET", self._address.target, headers={"Accept": "image/*", "Accept-Encoding": "identity"})
        with connection.getresponse() as response:
            if response.status != 200:
                raise OSError(f"status {response.status}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise OSError("compressed")
            if response.length is not None and response.length > self._max_bytes:
                raise OSError("too long")
            expected, content = response.length, bytearray()
            while piece := response.read1(_PIECE):
                content += piece
                if len(content) > self._max_bytes:
                    raise OSError("too long")
            if self._late or (expected is not None and len(content) != expected):
                raise OSError("cut short")
            return bytes(content)

    def _give_up(self) -> None:
        self._late = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._socket.close()


def resolved(host: str) -> str:
    """The address to dial for `host`; raises `OSError` unless every address it has is public."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)]
    if not found or not all(is_public(ip) for ip in found):
        raise OSError("not a public address")
    return found[0]


def dialled(ip: str, seconds: float) -> socket.socket:
    """A connection to `ip`, an address and no name, so that nothing is looked up again."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((ip, 443))
    except BaseException:
        connection.close()
        raise
    return connection
