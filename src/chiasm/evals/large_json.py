"""One JSON value of a file of hundreds of megabytes, plain or gzipped, thinned out while it is read.

Parsed whole, COCO's annotations would take ten times their size in memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chiasm.errors import UserError


def read_large_json(path: Path, thin: Callable[[dict[str, Any]], object] | None = None) -> Any:
    """The value of `path` (gunzipped if it ends in .gz), each object in it replaced by `thin` of it, inner ones first.

    Raises `UserError` naming the file.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {error}. Fetch the file again") from None
    try:
        return json.loads(content.decode("utf-8-sig"), object_hook=thin)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}. Fetch the file again") from None


def list_of(whole: object, name: str, path: Path) -> list[dict[str, Any]]:
    """The list `name` of objects inside `whole`; raises `UserError` when it is none."""
    records = whole.get(name) if isinstance(whole, dict) else None
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise UserError(f"{path}: expected an object with a list of objects '{name}'. Fetch the release's file again")
    return records
