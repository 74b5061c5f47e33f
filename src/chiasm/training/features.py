"""What a frozen tower makes of the pictures of a stage: computed once, then read from disk by every epoch and run.

Kept by the digest of the picture's file, under a key of everything that decides the numbers: the tower's weights and
configuration, the layer, the image policy, the type of number. It knows nothing of texts or losses.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from chiasm.conversation import Conversation
from chiasm.data.daemon_pool import DaemonPool, Late, why_late
from chiasm.data.features import Damaged, FeatureStore
from chiasm.errors import UserError
from chiasm.models import vision
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageLayout
from chiasm.processing.pictures import PictureError, open_picture, read_picture
from chiasm.processing.processor import Example, Processor
from chiasm.training.metrics import Reporter
from chiasm.training.parallel import ALONE, World
from chiasm.training.waiting import advice

GIGABYTE = 1e9
# Seconds between looks: shared file systems show what others wrote after a while. Ours.
_LOOKS = (1.0, 5.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where features are kept and how many gigabytes (1e9 bytes) they may take there in all, other runs' included."""

    folder: Path | None = None
    """None: `chiasm/features` in the user's folder of caches."""
    max_gb: float = 50.0

    def root(self) -> Path:
        """The folder itself."""
        if self.folder is not None:
            return self.folder
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chiasm" / "features"


@dataclass(frozen=True, slots=True)
class _Missing:
    digest: str
    source: Path
    layout: ImageLayout


class TowerFeatures:
    """Features of pictures, from disk where they are there and else from the tower, which must be frozen."""

    def __init__(self, model: Llava, processor: Processor, dtype: torch.dtype, settings: CacheSettings) -> None:
        self._model, self._processor, self._settings, self._dtype = model, processor, settings, dtype
        model.vision_tower.requires_grad_(False).to(dtype=dtype).eval()
        config = model.config
        key = {
            "tower": _digest(model),
            "layer": config.feature_layer,
            "class_token": config.class_token,
            "images": processor.images.model_dump(mode="json"),
        }
        self._store = FeatureStore(settings.root(), key, config.vision_width, dtype)
        self._digests: dict[str, str] = {}

    def fill(
        self,
        sources: Iterable[str | Path],
        workers: int,
        reporter: Reporter,
        world: World = ALONE,
        patience: float = math.inf,
    ) -> None:
        """Compute what is missing, after saying how much that is. Pictures that cannot be read are passed over.

        The processes of a run look through a share each, and compute what that lacks. Raises `UserError` with both
        numbers when it would not fit, and with its name for a picture that does not come in `patience` seconds.
        """
        distinct = list(dict.fromkeys(Path(source) for source in sources))
        with _in_time(patience), DaemonPool(workers, "pictures") as pool:
            looked_at = pool.map(self._looked_at, distinct[world.rank :: world.size], patience)
            missing = {each.digest: each for each in looked_at if each is not None}
            mine = [len(missing), sum(self._store.num_bytes(each.layout) for each in missing.values())]
            count, num_bytes = (sum(numbers) for numbers in zip(*world.exchange(mine), strict=True))
            if not count:
                reporter.note(f"features: all {len(distinct)} pictures are in {self._store.folder}")
                return
            world.from_first(lambda: self._check_room(count, num_bytes, reporter))
            for each in list(missing.values())[:1]:
                self._check_steady(*pool.map(self._pixels, (each, each), patience))
            share = "" if world.size == 1 else f" (the share of one of {world.size} processes)"
            with self._writing(world, reporter) as add:
                left = [each for digest, each in missing.items() if digest not in self._store]
                for done, (each, x) in enumerate(self._computed(left, pool, patience), start=1):
                    if x is not None:
                        add(each.digest, each.layout, x)
                    if done * 10 // len(left) > (done - 1) * 10 // len(left):
                        reporter.note(f"features: {done} of {len(left)} pictures{share}")

    @contextmanager
    def _writing(self, world: World, reporter: Reporter) -> Iterator[Callable[[str, ImageLayout, torch.Tensor], None]]:
        """Within the block all processes may add features; after it each finds those of all."""
        waiting = f"features: another process is writing to {self._store.folder}; waiting for it"
        for damaged in world.exchange(self._store.damaged()):
            self._store.take_for_damaged(damaged)
        if world.leads:
            with self._store.writing(lambda: reporter.note(waiting)) as add:
                world.exchange(None)  # the folder is locked and tidy
                yield add
                world.exchange(None)  # the others have finished
        else:
            world.exchange(None)
            with self._store.writing_beside() as add:
                yield add
            world.exchange(None)
        world.exchange(None)  # the first has finished too
        for seconds in (*_LOOKS, None):
            self._store.look()
            counts = world.exchange(len(self._store))
            if len(set(counts)) == 1:
                return
            if seconds is not None:
                time.sleep(seconds)
        raise UserError(
            f"the processes find {min(counts)} to {max(counts)} pictures in {self._store.folder}: it is not the same "
            "folder on all machines. Name one that they share with --cache-dir"
        )

    def example(self, conversation: Conversation) -> Example:
        """A conversation as the model sees it, with features in place of pixels. Runs in worker threads."""
        seen = [self._of(Path(str(image.source))) for image in conversation.images]
        example = self._processor.encode_seen(conversation, [layout for layout, _ in seen], train=True)
        example.features = torch.cat([self.blank(0), *(x for _, x in seen)])
        return example

    def blank(self, tiles: int) -> torch.Tensor:
        """Features of nothing (tiles, patches, width)."""
        patches = self._processor.images.one_tile().tokens_per_tile
        return torch.zeros(tiles, patches, self._model.config.vision_width, dtype=self._dtype)

    def _of(self, source: Path) -> tuple[ImageLayout, torch.Tensor]:
        if str(source) not in self._digests:
            self._digests[str(source)] = self._file_digest(source)
        digest = self._digests[str(source)]
        if digest in self._store:
            try:
                layout = self._store.layout(digest)
                return layout, self._store.read(digest)
            except (Damaged, KeyError):  # KeyError: another thread found the same
                pass
        picture = open_picture(source, self._processor.limits)
        layout = self._processor.images.layout(*picture.size)
        return layout, self._encode(self._processor.images.pixels(picture)).cpu()

    def _looked_at(self, source: Path) -> _Missing | None:
        """What must be computed for a file; None where nothing must, or can."""
        try:
            digest = self._digests[str(source)] = self._file_digest(source)
            if self._store.sound(digest):
                return None
            picture = open_picture(source, self._processor.limits)
        except PictureError:
            self._digests.pop(str(source), None)
            return None  # whoever asks for the sample gets the error, counts and names it
        return _Missing(digest, source, self._processor.images.layout(*picture.size))

    def _file_digest(self, source: Path) -> str:
        return hashlib.sha256(read_picture(source, self._processor.limits)).hexdigest()

    def _check_room(self, count: int, num_bytes: int, reporter: Reporter) -> None:
        needed = num_bytes / GIGABYTE
        stored, most = self._store.stored_bytes() / GIGABYTE, self._settings.max_gb
        what = f"the features of {count} pictures take {needed:.3g} GB"
        root = self._store.root
        if stored + needed > most:
            raise UserError(
                f"{what}; {root} holds {stored:.3g} GB and may hold {most:g}. Allow more with --cache-gb "
                f"{stored + needed:.3g}, delete what is not needed, or leave 'features: cache' out of the stage"
            )
        there = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
        free = shutil.disk_usage(there).free / GIGABYTE
        if needed > free:
            raise UserError(f"{what}, but {there} has {free:.3g} GB left. Name another --cache-dir")
        reporter.note(f"features: {what.removeprefix('the features of ')} in {self._store.folder}")

    def _check_steady(self, pixels: torch.Tensor | None, again: torch.Tensor | None) -> None:
        """A policy that gives other pixels every time has no features that could be kept."""
        if pixels is not None and again is not None and not torch.equal(pixels, again):
            raise UserError(
                f"image policy '{self._processor.images.policy}' gives other pixels each time: leave 'features: cache' "
                "out of the stage"
            )

    def _computed(
        self, missing: list[_Missing], pool: DaemonPool, patience: float
    ) -> Iterator[tuple[_Missing, torch.Tensor | None]]:
        """Picture by picture, never several in one batch: a batch's shape may change the last bits.

        None for one that has gone since it was looked at.
        """
        for begin in range(0, len(missing), 8):  # decoded ahead, ours
            some = missing[begin : begin + 8]
            for each, pixels in zip(some, pool.map(self._pixels, some, patience), strict=True):
                yield each, None if pixels is None else self._encode(pixels)

    def _pixels(self, each: _Missing) -> torch.Tensor | None:
        try:
            return self._processor.images.pixels(open_picture(each.source, self._processor.limits))
        except PictureError:
            self._digests.pop(str(each.source), None)
            return None  # as in `_looked_at`

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """As `Llava.encode_images` does in the loop, up to the connector."""
        config, device = self._model.config, next(self._model.vision_tower.parameters()).device
        low = self._dtype == torch.bfloat16
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=low):
            pixels = pixels.to(device, self._dtype)
            x = vision.features(self._model.vision_tower, pixels, config.feature_layer, config.class_token)
        return x.to(self._dtype)


@contextmanager
def _in_time(patience: float) -> Iterator[None]:
    """Name a picture that does not come."""
    try:
        yield
    except Late as late:
        source = late.thing.source if isinstance(late.thing, _Missing) else late.thing
        told = advice("Features computed before it are kept")
        raise UserError(f"{why_late(f'the picture {source}', patience)}. {told}") from None


def _digest(model: Llava) -> str:
    """Of the tower's configuration and weights."""
    digest = hashlib.sha256(json.dumps(model.config.vision, sort_keys=True).encode())
    for name, tensor in sorted(model.vision_tower.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
