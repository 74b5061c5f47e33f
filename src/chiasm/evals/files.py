"""Finding a benchmark's files below the folder a user names, in whichever of its published places they lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chiasm.data.records import RecordFile
from chiasm.errors import UserError


def find_file(data: Path, task: str, places: Sequence[str], *, folders: Sequence[str] = ()) -> Path:
    """The first of `places` (relative paths, `*` allowed) that is a file below `data`.

    Looked for in `data` itself, then in its subfolders `folders` (the names LLaVA's evaluation bundle uses, such as
    "scienceqa"), so that the bundle's `playground/data/eval` and the benchmark's own folder both work. Raises
    `UserError` listing what was looked for.
    """
    found = find_path(data, places, folders=folders)
    if found is None:
        where = " or ".join(str(data / folder) for folder in ("", *folders))
        raise UserError(
            f"{task}: none of its files ({', '.join(places)}) is in {where}. "
            "Name with --data the folder of the benchmark's release, or of LLaVA's evaluation bundle"
        )
    return found


def find_path(data: Path, places: Sequence[str], *, folders: Sequence[str] = ()) -> Path | None:
    """Like `find_file`, for files and folders, None when there is none."""
    if not data.is_dir():
        raise UserError(f"the folder {data} does not exist: name with --data where the benchmark's files are")
    for root in (data, *(data / folder for folder in folders)):
        for place in places:
            if found := sorted(root.glob(place)):
                return found[0]
    return None


def read_json(path: Path) -> Any:
    """The one JSON value of a file; raises `UserError` with the place where it stops being one."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}. Fetch the file again") from None


def read_records(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON list or of JSON lines; raises `UserError` where one is none or the file is torn."""
    file = RecordFile(path)
    if file.torn:
        raise UserError(f"{file.torn}: a benchmark's file must be whole. Fetch it again")
    records = list(file)
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise UserError(f"{path}: record {number} is {type(record).__name__}, expected an object")
    return records
