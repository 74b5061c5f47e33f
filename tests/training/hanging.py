"""`python -m tests.training.hanging PICTURE ARGUMENTS`: the command line, where reading that picture never ends.

What the first look reads, the ends of the file, still comes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chiasm.processing import pictures


def reader(name: str, until: threading.Event, read: str = "_read_file") -> Callable[..., Any]:
    """In place of what reads pictures' files, whole or at their ends: waits `until` for the one `name`."""
    original = getattr(pictures, read)

    def waiting(path: Path, *rest: Any) -> Any:
        if path.name == name:
            until.wait()
        return original(path, *rest)

    return waiting


if __name__ == "__main__":
    from chiasm.cli import main

    pictures._read_file = reader(sys.argv.pop(1), threading.Event())
    main()
