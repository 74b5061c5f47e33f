"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chiasm.errors import UserError


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its name when the block ends, flushed to the disk.

    When the block fails nothing is left behind. Raises `UserError` when `target` exists and is not empty, and for
    whatever the disk refuses.
    """
    target = Path(target)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"{target} exists already. Give another name or remove it; nothing is overwritten")
    partial = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        yield partial
        for path in sorted(partial.rglob("*"), reverse=True):
            _flush(path)
        _flush(partial)
        partial.replace(target)  # over an empty folder this is allowed
        _flush(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{target} could not be written: {reason}. Free space or choose another place") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """The same for a single file, which may replace an older one."""
    target = Path(target)
    partial = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        partial.replace(target)
        _flush(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{target} could not be written: {reason}. Free space or choose another place") from error
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows has no way to flush a folder
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
