"""Conversations to prompts for the local model: in which order, each picture opened once, ahead of who computes.

It knows the processor and what a prompt is made of, but neither the model nor how an answer is generated. torch is
imported only for who asks for a `Prompt`.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from chiasm.conversation import Conversation
from chiasm.errors import UserError
from chiasm.generation.prompt import Picture, Prompt
from chiasm.processing.images import ImageLayout
from chiasm.processing.pictures import PictureLimits, fingerprint, open_picture
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PICTURE
from chiasm.templates import Written

# All ours.
_ALBUM_BYTES = 64 << 20  # pixels of 47 pictures of one 336-pixel tile
_OPENED_AT_ONCE = 2  # by as many threads as there may be: a large picture takes 0.5 GB while it is opened
_FIRST_WINDOW, _LARGEST_WINDOW = 4, 32  # conversations made ready at once: few at first, so that computing can begin

_NAMED = 3  # conversations without an answer that are named in the error; all are counted

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class UnansweredError(UserError):
    """Some of many conversations got no answer; all others did. `failures`: why, by their index."""

    def __init__(self, message: str, failures: Mapping[int, UserError] | None = None) -> None:
        super().__init__(message)
        self.failures = dict(failures or {})


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture as the tower takes it: `pixels` (tiles, 3, size, size), and the digest of what was opened.

    `size` is its own width and height.
    """

    layout: ImageLayout
    pixels: npt.NDArray[np.float32]
    key: str
    size: tuple[int, int]


class Album:
    """The pictures opened last, so that neighbouring questions about one open it once. Safe to share between threads.

    Bytes are remembered by their digest, and `paths` if those stay what they are; arrays and PIL images may change and
    are looked at each time.
    """

    def __init__(self, processor: Processor, max_bytes: int = _ALBUM_BYTES, *, paths: bool = True) -> None:
        self._processor, self._max_bytes = processor, max_bytes
        self._remembered = (str, Path, bytes) if paths else (bytes,)
        self._kept: OrderedDict[str | bytes, Opened] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()
        self._opening = threading.Semaphore(_OPENED_AT_ONCE)

    def open(self, source: object, limits: PictureLimits | None = None) -> Opened:
        """The picture `source`; raises `PictureError` when it cannot be used.

        `limits` in place of the processor's, unless it is here already.
        """
        if not isinstance(source, self._remembered):
            return self._opened(source, limits)
        key = hashlib.sha256(source).digest() if isinstance(source, bytes) else str(source)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        opened = self._opened(source, limits)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = opened
                self._num_bytes += opened.pixels.nbytes
            while self._num_bytes > self._max_bytes and len(self._kept) > 1:
                self._num_bytes -= self._kept.popitem(last=False)[1].pixels.nbytes
        return opened

    def _opened(self, source: object, limits: PictureLimits | None) -> Opened:
        with self._opening:
            picture = open_picture(source, limits or self._processor.limits)
            images = self._processor.images
            return Opened(images.layout(*picture.size), images.pixel_array(picture), fingerprint(picture), picture.size)


@dataclass(frozen=True, slots=True)
class WrittenPrompt:
    """Ids with every picture's placeholders; where the pictures are, and these as they were `opened`, in order."""

    ids: list[int]
    pictures: tuple[Picture, ...]
    opened: tuple[Opened, ...]


class PromptWriter:
    """Writes conversations as prompts with the template, tokenizer and image policy of one processor."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor

    def album(self, *, paths: bool = True) -> Album:
        """An empty album; see there for `paths`."""
        return Album(self._processor, paths=paths)

    def prompt(self, conversation: Conversation, album: Album) -> Prompt:
        """What `written` gives, with the pixels of all pictures as one tensor."""
        import torch

        written = self.written(conversation, album)
        if len(written.opened) == 1:  # the very memory, which the prompts of all questions about the picture then share
            pixels = torch.from_numpy(written.opened[0].pixels)
        else:
            # By numpy: torch would begin threads for whoever asks; see `LocalChatModel.compute_in`.
            none = np.zeros((0, 3, self._processor.images.size, self._processor.images.size), np.float32)
            pixels = torch.from_numpy(np.concatenate([none, *(opened.pixels for opened in written.opened)]))
        return Prompt(written.ids, pixels, written.pictures)

    def written(self, conversation: Conversation, album: Album) -> WrittenPrompt:
        """What asks for an answer to the last user turn: the ids of `Processor.encode`.

        Raises `UserError` for a conversation without question, a turn out of order or a picture that cannot be used.
        """
        turns = conversation.turns
        if turns and turns[-1].role != "user":
            raise UserError("the last turn is the assistant's: there is nothing to answer. End with a turn of the user")
        tokens = self._processor.tokenizer.encode(self._processor.template.render(conversation)).ids
        opened = [album.open(image.source) for image in conversation.images]
        ids: list[int] = []
        pictures: list[Picture] = []
        waiting, num_tiles = iter(opened), 0
        for token in tokens:
            if token != PICTURE:
                ids.append(token)
                continue
            picture = next(waiting)
            start, layout = len(ids), picture.layout
            ids += [self._processor.image_token_id] * layout.num_tokens
            pictures.append(Picture(picture.key, start, len(ids), num_tiles, layout.tiles))
            num_tiles += layout.tiles
        return WrittenPrompt(ids, tuple(pictures), tuple(opened))

    def answer_ids(self, conversation: Conversation, answer: str) -> list[int]:
        """The ids of `answer` as the template writes it behind `conversation`, without what ends it.

        Raises `UserError` when there is nothing in it.
        """
        text = answer.strip()
        if not text:
            raise UserError(f"{answer!r} is no option: there is nothing in it to be likely")
        pieces = self._processor.template.render(conversation.said("assistant", text))
        last = max(i for i, piece in enumerate(pieces) if isinstance(piece, Written) and piece.trained)
        written = pieces[last]
        assert isinstance(written, Written)
        end = written.text.index(text) + len(text)
        tokens = self._processor.tokenizer.encode([*pieces[:last], Written(written.text[:end], trained=True)])
        num_answer = sum(1 for _ in itertools.takewhile(bool, reversed(tokens.trained)))
        return tokens.ids[len(tokens.ids) - num_answer :]


def in_groups(conversations: Sequence[Conversation]) -> list[int]:
    """The indices of `conversations`, those with the same system text and pictures next to each other.

    Groups come in the order of their first, members in theirs. Nothing is opened: a picture is told by its source.
    """
    groups: dict[object, list[int]] = {}
    for index, conversation in enumerate(conversations):
        shown = tuple(_name(image.source) for image in conversation.images)
        groups.setdefault((conversation.system, shown), []).append(index)
    return list(itertools.chain.from_iterable(groups.values()))


def _name(source: object) -> object:
    return source if isinstance(source, str | Path | bytes) else id(source)


def ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """`items`, made by another thread a window ahead of who takes them. Closing it ends that thread."""
    making = iter(items)
    # Windows grow, so that the first items come soon and later ones without waiting.
    sizes: Callable[[], int] = itertools.chain(
        (_FIRST_WINDOW << i for i in range(10) if _FIRST_WINDOW << i < _LARGEST_WINDOW),
        itertools.repeat(_LARGEST_WINDOW),
    ).__next__

    def window() -> list[_Item]:
        return list(itertools.islice(making, sizes()))

    with ThreadPoolExecutor(1, thread_name_prefix="chiasm-prompts") as thread:
        coming = thread.submit(window)
        while ready := coming.result():
            coming = thread.submit(window)
            yield from ready


class Attempts(Generic[_Made]):
    """What `make` makes of the index of each conversation: group by group, ahead of time, the failures set aside."""

    def __init__(self, conversations: Sequence[Conversation], make: Callable[[int], _Made]) -> None:
        self._conversations, self._make = conversations, make
        self.failures: dict[int, UserError] = {}

    def __iter__(self) -> Iterator[tuple[int, _Made]]:
        for index, made in ahead(map(self._attempt, in_groups(self._conversations))):
            if isinstance(made, UserError):
                self.failures[index] = made
            else:
                yield index, made

    def check(self) -> None:
        """Raise `UnansweredError` if there were failures; the one error itself where one conversation was all."""
        if not self.failures:
            return
        if len(self._conversations) == 1:
            raise self.failures[0]
        named = [f"{self._called(index)}: {error}" for index, error in sorted(self.failures.items())[:_NAMED]]
        more = f"; and {len(self.failures) - _NAMED:,} more" if len(self.failures) > _NAMED else ""
        raise UnansweredError(
            f"{len(self.failures):,} of {len(self._conversations):,} conversations could not be answered, all others "
            f"were: {'; '.join(named)}{more}",
            self.failures,
        )

    def _attempt(self, index: int) -> tuple[int, _Made | UserError]:
        try:
            return index, self._make(index)
        except UserError as error:
            return index, error

    def _called(self, index: int) -> str:
        name = self._conversations[index].id
        return f"number {index + 1}" if name is None else f"number {index + 1} ({name})"
