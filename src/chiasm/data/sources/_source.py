"""What a data set is to a mixture: the files its release consists of, and how they become LLaVA's JSON.

Knows neither mixtures nor any single set. A source yields records whose picture names are relative to its own folder of
pictures; the mixture puts the folder in front.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chiasm.conversation import RecordError
from chiasm.errors import UserError

Record = dict[str, Any]
# Called with what the damaged piece is called, the short word it is counted under, and what is wrong with it.
Drop = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Needed:
    """A file of a release: `key` names it in a mixture's `files`, `places` are the relative paths releases have it at.

    `*` is allowed in places; each is also looked for with `.gz` behind it.
    """

    key: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """The files of a set, found, with what a mixture says about them.

    `drop` is told of everything that is damaged. `left_out` counts by reason what the set or an option leaves out on
    purpose (another split, a filter), which may be most of it.
    """

    files: Mapping[str, Path]
    options: Mapping[str, Any]
    seed: int
    drop: Drop
    left_out: Counter[str] = field(default_factory=Counter)

    def random(self, *key: object) -> random.Random:
        """A generator that depends on the seed and `key` alone, so that no record changes with its neighbours."""
        return random.Random("/".join(map(str, (self.seed, *key))))

    def each(
        self, entries: Iterable[tuple[str, Any]], convert: Callable[[Any], Iterable[Record] | None]
    ) -> Iterator[Record]:
        """What `convert` makes of each named entry; one that raises `RecordError` is dropped by its name."""
        for name, entry in entries:
            try:
                records = list(convert(entry) or ())
            except RecordError as error:
                self.drop(name, error.reason, str(error))
                continue
            yield from records

    def take_in(self, entries: Iterable[tuple[str, Any]], note: Callable[[Any], object]) -> None:
        """Show each named entry to `note`; one at which it raises `RecordError` is dropped by its name."""
        for name, entry in entries:
            try:
                note(entry)
            except RecordError as error:
                self.drop(name, error.reason, str(error))


def _never(record: Mapping[str, Any]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Source:
    """A data set by name.

    `records(release)` yields LLaVA JSON in an order that the files and the seed alone decide, and hands what it cannot
    use to `release.drop`. `images` is the folder LLaVA's own instructions keep the pictures in; `folders` are
    subfolders in which the files are looked for besides the root. `published_count` is how many records of
    llava_v1_5_mix665k are of this source, None where none is. `format_prompts` are the strings that tell the model in
    which form to answer. `options` are what a mixture may change, with their defaults. `recognises(record)` tells a
    published record of this source; no two sources recognise the same one.
    """

    about: str
    files: tuple[Needed, ...]
    records: Callable[[Release], Iterator[Record]]
    images: str = ""
    folders: tuple[str, ...] = ()
    published_count: int | None = None
    format_prompts: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    recognises: Callable[[Mapping[str, Any]], bool] = _never


class Absent(UserError):
    """Files of a release that are not there."""


def locate(source: Source, root: Path, given: Mapping[str, str]) -> dict[str, Path]:
    """The files of `source` below `root`: those `given` by key, the others where releases have them.

    Raises `Absent`, one line, naming everything that was looked for and where.
    """
    found: dict[str, Path] = {}
    absent: list[str] = []
    for needed in source.files:
        path = root / given[needed.key] if needed.key in given else _first(needed, root, source.folders)
        if path is not None and path.is_file():
            found[needed.key] = path
        else:
            absent.append(str(path) if path is not None else " or ".join(needed.places) or f"files: {needed.key}")
    if absent:
        folders = f" or its folders {', '.join(source.folders)}" if source.folders else ""
        raise Absent(f"no {', no '.join(absent)} in {root}{folders}")
    return found


def _first(needed: Needed, root: Path, folders: tuple[str, ...]) -> Path | None:
    # The set's own folder first: some sets call their files alike (VQA v1 and OK-VQA).
    for folder in (*folders, ""):
        for place in needed.places:
            for ending in ("", ".gz"):
                if files := sorted(path for path in (root / folder).glob(place + ending) if path.is_file()):
                    return files[0]
    return None
