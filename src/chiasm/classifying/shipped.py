"""Where the CLIP lies that comes with chiasm. A path only."""

from __future__ import annotations

from pathlib import Path

import chiasm
from chiasm.errors import UserError

FOLDER = Path(chiasm.__file__).parent / "bundled" / "clip"


def shipped_clip() -> Path:
    """The folder of the CLIP that comes with chiasm; raises `UserError` where it does not."""
    if not (FOLDER / "config.json").is_file():
        raise UserError(
            "this version of chiasm brings no CLIP of its own: name one with -m, a folder or a hub name such as "
            "openai/clip-vit-base-patch32, or a run of `chiasm train tiny`"
        )
    return FOLDER
