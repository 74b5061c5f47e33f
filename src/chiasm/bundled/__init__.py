"""The small assistant that comes with chiasm, and the parts it was made of. Knows where they lie, not what they are.

`clip` is a CLIP of transformers (both towers), `language` the language model before it saw a picture, `assistant` what
the recipe `tiny` makes of them. `manifest.json` says by which recipe and data, how long it took, and how good it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from chiasm.errors import UserError

Part = Literal["clip", "language", "assistant"]
NAME = "chiasm-tiny"  # what the assistant is called where models have names
MANIFEST = Path(__file__).parent / "manifest.json"


def folder(part: Part) -> Path:
    """The folder of a bundled part. Raises `UserError` where chiasm was installed without its weights."""
    path = Path(__file__).parent / part
    if not path.is_dir():
        raise UserError(
            f"this installation of chiasm has no weights in {path}. Name a model with -m FOLDER, or install the "
            "package as it is published"
        )
    return path
