"""Refuses to write over what is read. It knows paths, no verb and no file's insides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from chiasm.errors import UserError


def refuse_overwriting(written: Mapping[str, Path | None], read: Iterable[Path | None]) -> None:
    """Raise `UserError` where a file to be written, by its option, is one that is read, or that another option writes.

    Links are followed, and absent files (None) are no files. A folder is compared as itself, not by what is in it.
    """
    inputs = {_real(path): path for path in read if path is not None}
    taken: dict[Path, str] = {}
    for option, path in written.items():
        if path is None:
            continue
        real = _real(path)
        if real in inputs:
            raise UserError(f"{option} {path} would write over {inputs[real]}, which is read. Name another file")
        if (other := taken.setdefault(real, option)) != option:
            raise UserError(f"{other} and {option} both name {path}. Name two files")


def _real(path: Path) -> Path:
    return path.resolve()
