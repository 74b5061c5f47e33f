"""Where a benchmark's pictures lie: named, never opened, and not required to be there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

_LOOKED_FOR = 20  # pictures of a benchmark looked for before a folder is taken to hold none of them; ours


def picture_folder(roots: Iterable[Path], places: Sequence[str], names: Iterable[str]) -> Path:
    """The first folder `root / place` that holds one of the pictures `names` (the first few are looked for).

    The first of all, where a release has them, when none does: whoever opens a picture says which one is missing.
    """
    wanted = list(dict.fromkeys(islice(names, _LOOKED_FOR)))
    folders = [Path(os.path.normpath(root / place)) for root in roots for place in places]  # "../images" is beside root
    for folder in folders:
        if folder.is_dir() and any((folder / name).is_file() for name in wanted):
            return folder
    return folders[0]
