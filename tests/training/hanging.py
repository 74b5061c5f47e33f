"""`python -m tests.training.hanging PICTURE ARGUMENTS`: the command line, where reading that picture never ends.

What the first look reads, the beginning of the file, still comes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chiasm.processing import pictures


def reader(name: str, until: threading.Event, beginning: bool = False) -> Callable[..., bytes]:
    """In place of what reads pictures' files: waits `until` for the whole of the picture `name`, or its `beginning`."""
    original = pictures._read_file

    def read(path: Path, limits: Any, shown: str, most: int | None = None) -> bytes:
        if path.name == name and (most is not None) == beginning:
            until.wait()
        return original(path, limits, shown, most)

    return read


if __name__ == "__main__":
    from chiasm.cli import main

    pictures._read_file = reader(sys.argv.pop(1), threading.Event())
    main()
