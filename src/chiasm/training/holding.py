"""The folder of a run belongs to one process at a time: two would take each other's checkpoints away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from chiasm.errors import UserError

LOCK = ".lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes out of `folder`, which is made if need be, with those above; what stayed empty goes again.

    The system lets go of it however this process ends. Raises `UserError` when another one is in it. Without locks
    (Windows, some network file systems, a folder that cannot be written) nothing is kept out.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _opened(folder / LOCK)
    except OSError:  # whoever writes there will say it better
        yield
        return
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another process is training in {folder}: wait for it, stop it, or name another folder with --out"
                ) from None
            except OSError:
                break
            if _is_still(lock, folder / LOCK):
                break
            os.close(lock)  # the one before us took it away between our opening and locking it
            lock = _opened(folder / LOCK)
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: the run has begun
                for path in made:
                    path.rmdir()
    finally:
        os.close(lock)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _is_still(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
