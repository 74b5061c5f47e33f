"""Which pictures paths, folders and patterns name, always in the same order. Opens none of them.

Folders are searched through and through, also where a link leads, each folder once: a link back to a folder above ends
there. In folders and patterns a picture is told by its ending, so that a million other files cost nothing; a file that
is named itself is taken whatever it is called. Hidden files and folders (a dot in front) are left out unless named.
"""

from __future__ import annotations

import glob
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chiasm.errors import UserError

# What `chiasm.processing.pictures` decodes, by the endings such files have; ours.
ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
_PATTERN = frozenset("*?[")


@dataclass(slots=True)
class Found:
    """`pictures`: paths as they were named, each file name once. `notes`: what was left out or could not be read."""

    pictures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_pictures(named: Iterable[str]) -> Found:
    """The pictures `named`: in the order named, those of a folder or pattern by name. Raises `UserError` for none.

    A name that is a path is one, even with a `*` in it; else a `*`, `?` or `[` makes it a pattern (`**` for any depth).
    """
    found, seen, folders = Found(), set[str](), set[tuple[int, int]]()
    for name in named:
        before, num_folders = len(found.pictures), len(folders)
        for path in _named(name, folders, found.notes):
            if (key := key_of(path)) not in seen and not _is_sidecar(path):
                seen.add(key)
                found.pictures.append(str(path))
        if len(found.pictures) == before and len(folders) > num_folders:
            found.notes.append(
                f"no pictures in {name} that were not named before (endings: {' '.join(sorted(ENDINGS))})"
            )
    if not found.pictures:
        raise UserError(f"no pictures there: {'; '.join(found.notes) or 'nothing but sidecars was named'}")
    return found


def key_of(picture: str | Path) -> str:
    """What two names of one path have in common: `./a.jpg` and `a.jpg`. Links are not followed."""
    return str(Path(picture).absolute())


def _named(name: str, folders: set[tuple[int, int]], notes: list[str]) -> Iterator[Path]:
    path = Path(name).expanduser() if name.startswith("~") else Path(name)
    if path.is_dir():
        yield from _in_folder(path, folders, notes)
    elif is_there(path):
        yield path
    elif _PATTERN & set(name):
        # `Path.glob` would take hidden files and refuse patterns that begin at the root.
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
        if not matches:
            raise UserError(f"nothing matches the pattern {name}: look with `ls {name}`")
        for match in map(Path, matches):
            if match.is_dir():
                yield from _in_folder(match, folders, notes)
            elif _is_picture(match):
                yield match
    else:
        raise UserError(f"{name}: there is no such file or folder")


def _in_folder(folder: Path, folders: set[tuple[int, int]], notes: list[str]) -> Iterator[Path]:
    """Files before folders, each by name. Not recursive: a chain of folders may be longer than Python's stack."""
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in folders:
                continue
            folders.add((status.st_dev, status.st_ino))
            inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            notes.append(f"{folder} cannot be read: {error.strerror}")
            continue
        below = [path for path in inside if path.is_dir()]
        yield from sorted(path for path in {*inside} - {*below} if _is_picture(path))
        waiting += reversed(below)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def _is_sidecar(path: Path) -> bool:
    """Whether `path` is the `.txt` beside a picture, as a shell's `*` names it too."""
    if path.suffix.lower() != ".txt":
        return False
    endings = (*ENDINGS, *map(str.upper, ENDINGS))
    return _is_picture(path.with_suffix("")) or any(path.with_suffix(each).is_file() for each in endings)


class Sidecars:
    """Where the text beside a picture goes: `photo.txt` for `photo.jpg`.

    Where `photo.png` lies in the same folder too, each has its whole name in front: `photo.jpg.txt`.
    """

    def __init__(self) -> None:
        self._stems: dict[Path, Counter[str]] = {}

    def path(self, picture: str) -> Path:
        """The sidecar of `picture`."""
        path = Path(picture)
        if path.parent not in self._stems:
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            self._stems[path.parent] = Counter(each.stem for each in beside if _is_picture(each))
        alone = self._stems[path.parent][path.stem] - _is_picture(path) == 0
        return path.with_name(f"{path.stem if alone and path.suffix else path.name}.txt")


def is_there(path: Path) -> bool:
    """Whether something has the name `path`, be it a link that leads nowhere."""
    try:
        return stat.S_IFMT(path.lstat().st_mode) != 0
    except OSError:
        return False
