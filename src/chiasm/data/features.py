"""Features of pictures on disk: what a frozen tower made of each is kept under the digest of the picture's bytes.

A folder holds one folder for each key, that is for each tower, layer, image policy and type of number; what was made
under another key is never read. In it shards lie in pairs: numbers one behind the other, and a list of what is in them,
which is written last: a shard without its list was never finished and is removed by whoever writes next. Numbers are
memory-mapped, and held against their digest whenever they are read. It knows neither towers nor texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from chiasm.errors import UserError
from chiasm.processing.images import ImageLayout

FORMAT = 1
_SHARD_BYTES = 64 * 1024 * 1024  # ours: what a kill can cost at most; 57 pictures of CLIP-L/336 in bfloat16
_MOST_MAPS = 200  # each holds a file open; systems allow 1024 or more a process
_NUMBERS, _LIST, _ABOUT = ".features", ".json", "key.json"


class Damaged(Exception):
    """Numbers that are not those that were written."""


@dataclass(frozen=True, slots=True)
class _Entry:
    shard: str
    offset: int
    num_bytes: int
    sha256: str
    layout: ImageLayout


class FeatureStore:
    """Features (tiles, tokens of a tile, `width`) of `dtype` by the digest of the picture, made as `key` says.

    Safe for several processes: each writes shards of its own, and only one at a time.
    """

    def __init__(self, root: Path, key: Mapping[str, Any], width: int, dtype: torch.dtype) -> None:
        whole = {"format": FORMAT, "width": width, "dtype": str(dtype), **key}
        self._key = json.dumps(whole, sort_keys=True)
        self.root = root
        self.folder = root / hashlib.sha256(self._key.encode()).hexdigest()[:24]
        self._width, self._dtype = width, dtype
        self._entries: dict[str, _Entry] = {}
        self._shards: set[str] = set()
        self._damaged: dict[str, set[str]] = {}  # digests by shard
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()
        self._maps_lock = threading.Lock()
        self.look()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, digest: str) -> bool:
        return digest in self._entries

    def look(self) -> None:
        """Take in what other processes finished meanwhile. A list that cannot be read is passed over with its shard."""
        for path in sorted(self.folder.glob(f"*{_LIST}")):
            if path.stem in self._shards or path.name == _ABOUT:
                continue
            try:
                found = {
                    digest: _Entry(path.stem, int(offset), int(num_bytes), str(sha256), ImageLayout(**layout))
                    for digest, (offset, num_bytes, sha256, layout) in _listed(path).items()
                }
                size = path.with_suffix(_NUMBERS).stat().st_size
            except (OSError, ValueError, TypeError, AttributeError):
                continue
            self._shards.add(path.stem)
            for digest, entry in found.items():
                if entry.offset + entry.num_bytes <= size and entry.num_bytes == self.num_bytes(entry.layout):
                    self._entries.setdefault(digest, entry)

    def num_bytes(self, layout: ImageLayout) -> int:
        """What a picture of this layout takes."""
        return layout.num_tokens * self._width * self._dtype.itemsize

    def layout(self, digest: str) -> ImageLayout:
        """How the features of a picture lie."""
        return self._entries[digest].layout

    def read(self, digest: str) -> torch.Tensor:
        """Features (tiles, tokens of a tile, width); raises `Damaged`, and knows them no longer, if they changed."""
        entry = self._entries[digest]
        try:
            content = bytearray(self._map(entry.shard)[entry.offset : entry.offset + entry.num_bytes])
        except (OSError, ValueError):  # removed, or empty
            content = bytearray()
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            self._entries.pop(digest, None)
            self._damaged.setdefault(entry.shard, set()).add(digest)
            raise Damaged(f"{self.folder / entry.shard}{_NUMBERS} no longer holds what was written")
        layout = entry.layout
        return torch.frombuffer(content, dtype=self._dtype).view(layout.tiles, layout.tokens_per_tile, self._width)

    def _map(self, shard: str) -> mmap.mmap:
        with self._maps_lock:
            if shard not in self._maps:
                with (self.folder / f"{shard}{_NUMBERS}").open("rb") as file:
                    self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                if len(self._maps) > _MOST_MAPS:
                    self._maps.popitem(last=False)
            return self._maps[shard]

    def sound(self, digest: str) -> bool:
        """Whether the features of a picture are here and whole."""
        try:
            return digest in self._entries and self.read(digest) is not None
        except Damaged:
            return False

    def stored_bytes(self) -> int:
        """What all keys of the root take together."""
        total = 0
        for path in self.root.glob(f"*/*{_NUMBERS}"):
            with contextlib.suppress(FileNotFoundError):  # another process tidies up
                total += path.stat().st_size
        return total

    @contextlib.contextmanager
    def writing(self, waiting: Callable[[], None]) -> Iterator[Callable[[str, ImageLayout, torch.Tensor], None]]:
        """Within the block features may be added, by this process alone; `waiting` is called if another is at it.

        What was added stays, also when the block is left by an error. Raises `UserError` for what the disk refuses.
        """
        with self._refusals():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.folder / _ABOUT, self._key)  # for people
            with (self.folder / "lock").open("ab") as lock, _alone(lock, waiting):
                self.look()
                self._tidy()
                with self.writing_beside() as add:
                    yield add

    @contextlib.contextmanager
    def writing_beside(self) -> Iterator[Callable[[str, ImageLayout, torch.Tensor], None]]:
        """The same without the lock, for a process whose fellow is inside `writing` as long as this block lasts."""
        with self._refusals():
            self.look()
            shard = _Shard(self.folder)
            try:
                yield lambda digest, layout, x: self._add(shard, digest, layout, x)
            finally:
                shard.finish()
                self.look()

    def damaged(self) -> dict[str, list[str]]:
        """Digests of the pictures whose features were found changed, by shard."""
        return {shard: sorted(digests) for shard, digests in self._damaged.items()}

    def take_for_damaged(self, found: Mapping[str, list[str]]) -> None:
        """Believe a fellow process what it found changed: `writing` will take it off the lists."""
        for shard, digests in found.items():
            self._damaged.setdefault(shard, set()).update(digests)
            for digest in digests:
                self._entries.pop(digest, None)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"the features cannot be kept in {self.folder}: {error.strerror or error}. Make room, name another "
                "--cache-dir, or leave 'features: cache' out of the stage"
            ) from None

    def _tidy(self) -> None:
        """Take what is damaged off the lists, and remove what no list names."""
        for shard, digests in self._damaged.items():
            path = self.folder / f"{shard}{_LIST}"
            if path.exists():
                _write(path, json.dumps({d: place for d, place in _listed(path).items() if d not in digests}))
        self._damaged.clear()
        for path in self.folder.glob(f"*{_NUMBERS}"):
            if not path.with_suffix(_LIST).exists():
                path.unlink()

    def _add(self, shard: _Shard, digest: str, layout: ImageLayout, x: torch.Tensor) -> None:
        expected = (layout.tiles, layout.tokens_per_tile, self._width)
        if tuple(x.shape) != expected or x.dtype != self._dtype:
            raise ValueError(f"features {tuple(x.shape)} of {x.dtype}, expected {expected} of {self._dtype}")
        shard.add(digest, layout, x.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        if shard.num_bytes >= _SHARD_BYTES:
            shard.finish()


class _Shard:
    """The shard being written; after `finish` the next one begins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self.num_bytes = 0
        self._name = uuid.uuid4().hex[:16]
        self._listed: dict[str, Any] = {}
        self._file: BinaryIO | None = None

    def add(self, digest: str, layout: ImageLayout, content: bytes) -> None:
        """Numbers of one picture."""
        if self._file is None:
            self._file = (self._folder / f"{self._name}{_NUMBERS}").open("wb")
        self._file.write(content)
        self._listed[digest] = (self.num_bytes, len(content), hashlib.sha256(content).hexdigest(), asdict(layout))
        self.num_bytes += len(content)

    def finish(self) -> None:
        """Make it durable, then list it."""
        if self._file is None:
            return
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        _write(self._folder / f"{self._name}{_LIST}", json.dumps(self._listed))
        self._begin()


def _listed(path: Path) -> dict[str, Any]:
    """What a shard's list says."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _write(path: Path, text: str) -> None:
    """A small file, whole or not at all."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(lock: BinaryIO, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock; the system gives it back when the process dies. Without locks (Windows) two may write the same."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not told:
                waiting()
            told = True
            time.sleep(0.2)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
