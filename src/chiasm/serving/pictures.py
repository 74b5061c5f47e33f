"""The guard in front of every picture a client sends: from URLs to bytes that are known to open, or a refusal.

`data:` URLs always; `https:` only on the hosts named; nothing else, and nothing is looked up for what is refused.
Pictures are opened here once, so that a bad one is told before an answer begins; which content opened is remembered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from chiasm.processing.pictures import PictureError, PictureLimits, open_picture
from chiasm.serving.faults import Refused
from chiasm.serving.fetching import fetch, read_address

# All ours. Laid over white, or brought down from 16 bits, 25 million pixels keep a core busy for a second; padded to a
# square, and resized, 10,000 a side for half of another. TIFF is left
# out: libtiff has had the most faults of all, and complains to stderr by itself.
LIMITS = PictureLimits(
    max_pixels=25_000_000,
    max_side=10_000,
    max_bytes=20 << 20,
    max_scans=32,
    formats=("JPEG", "PNG", "WebP", "GIF", "BMP"),
)
_REMEMBERED = 4096
_AT_ONCE = 256 << 10  # characters of URLs that are looked up in less time than it takes to ask another thread to
_KEPT = 2 << 20  # characters of the URLs that are kept with what they hold: 60 photographs of 25 KB
# RFC 2397, with a media type and without parameters beside `;base64`.
_DATA_HEAD = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64\Z", re.IGNORECASE)


def _opened(content: bytes, limits: PictureLimits) -> tuple[int, int]:
    return open_picture(content, limits).size


@dataclass
class PictureGuard:
    """Bounds of the pictures of one request, and the hosts they may come from. Used by several threads.

    `opens` opens the content of a picture within limits, says its width and height, and may keep what it opened for
    whoever answers; it raises `PictureError`.
    """

    limits: PictureLimits = LIMITS
    max_pictures: int = 16
    max_total_pixels: int = 40_000_000
    domains: frozenset[str] = frozenset()
    fetch: Callable[[str, frozenset[str], int], bytes] = fetch
    opens: Callable[[bytes, PictureLimits], tuple[int, int]] = _opened
    _known: OrderedDict[bytes, int] = field(default_factory=OrderedDict)  # pixels by digest of the content
    _kept: OrderedDict[str, tuple[bytes, int]] = field(default_factory=OrderedDict)  # content and pixels by data URL
    _num_kept: int = 0  # characters of these URLs
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, urls: Sequence[str]) -> None:
        """Raise `Refused` for what can be told without decoding, looking up or fetching anything."""
        if len(urls) > self.max_pictures:
            raise Refused(
                400, f"{len(urls)} pictures, at most {self.max_pictures} are taken in one request", param="messages"
            )
        for number, url in enumerate(urls, 1):
            if url[:5].lower() == "data:":
                self._check_data(url, number)
            else:
                self._check_address(url, number)

    def known(self, urls: Sequence[str]) -> list[bytes] | None:
        """What `open` would give, where all are small and have been opened lately; else None. Quick."""
        if sum(map(len, urls)) > _AT_ONCE:
            return None
        with self._lock:
            kept = [url for url in urls if url in self._kept]
            for url in kept:
                self._kept.move_to_end(url)
            found = [self._kept[url] for url in kept]
        if len(found) < len(urls) or sum(num_pixels for _, num_pixels in found) > self.max_total_pixels:
            return None
        return [content for content, _ in found]

    def open(self, urls: Sequence[str]) -> list[bytes]:
        """The content of each picture, which opens; raises `Refused`. Slow: decodes, and fetches where allowed."""
        self.check(urls)
        contents: list[bytes] = []
        left = self.max_total_pixels
        for number, url in enumerate(urls, 1):
            content = self._content(url, number)
            num_pixels = self._pixels(content, number, left)
            left -= num_pixels
            contents.append(content)
            self._keep(url, content, num_pixels)
        return contents

    def _keep(self, url: str, content: bytes, num_pixels: int) -> None:
        if len(url) > _AT_ONCE or url[:5].lower() != "data:":
            return
        with self._lock:
            if url not in self._kept:
                self._num_kept += len(url)
            self._kept[url] = content, num_pixels
            self._kept.move_to_end(url)
            while self._num_kept > _KEPT:
                self._num_kept -= len(self._kept.popitem(last=False)[0])

    def _check_data(self, url: str, number: int) -> None:
        comma = url.find(",", 0, 100)
        if comma < 0 or not _DATA_HEAD.match(url[:comma]):
            raise _refused(number, "a data URL must look like 'data:image/png;base64,...'")
        if (len(url) - comma - 1) * 3 // 4 > self.limits.max_bytes + 2:
            raise _refused(number, f"more than the {self.limits.max_bytes:,} bytes allowed; save it smaller")

    def _check_address(self, url: str, number: int) -> None:
        scheme = url[:8].lower()
        if not scheme.startswith(("http://", "https://")):
            raise _refused(number, "pictures come as data URLs: no other address is opened")
        if not self.domains:
            raise _refused(number, "remote images are disabled here: send the picture as a data URL")
        if read_address(url, self.domains) is None:
            raise _refused(number, "remote images are taken by https from allowed hosts only; send it as a data URL")

    def _content(self, url: str, number: int) -> bytes:
        if url[:5].lower() != "data:":
            try:
                return self.fetch(url, self.domains, self.limits.max_bytes)
            except (OSError, ValueError):
                raise _refused(number, "could not fetch image") from None
        try:
            content = base64.b64decode(url[url.index(",") + 1 :].encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            raise _refused(number, "the data URL is not valid base64") from None
        if not content:
            raise _refused(number, "the data URL holds no bytes")
        return content

    def _pixels(self, content: bytes, number: int, left: int) -> int:
        """How many pixels `content` has, at most `left`; it opens."""
        digest = hashlib.sha256(content).digest()
        with self._lock:
            num_pixels = self._known.get(digest)
        if num_pixels is not None and num_pixels <= left:
            return num_pixels
        too_many = f"all pictures together have more than {self.max_total_pixels:,} pixels; make them smaller"
        try:
            width, height = self.opens(content, replace(self.limits, max_pixels=min(left, self.limits.max_pixels)))
        except PictureError as error:
            if left < self.limits.max_pixels and error.reason == "too large":
                raise _refused(number, too_many) from None
            raise _refused(number, str(error).removeprefix("the picture: "), error.reason) from None
        with self._lock:
            self._known[digest] = width * height
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if width * height > left:  # it was kept, and nobody looked at the limits
            raise _refused(number, too_many)
        return width * height


def _refused(number: int, message: str, reason: str | None = None) -> Refused:
    code = "invalid_image" if reason is None else "invalid_image_" + reason.replace(" ", "_")
    return Refused(400, f"picture {number}: {message}", param="messages", code=code)
