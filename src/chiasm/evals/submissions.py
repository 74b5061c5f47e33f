"""The files benchmark servers and official scripts take: a JSON list of small objects, an id and an answer each.

Written whole or not at all; read back as answers. Knows no benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from chiasm.data.records import RecordFile
from chiasm.errors import UserError
from chiasm.evals.journal import write_whole
from chiasm.evals.task import Question


def write_submission(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    """Write the list in one move and return `path`; a record a line, for people who look into it."""
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    write_whole(path, f"[{lines}]\n")
    return path


def read_submission(
    path: Path, id_field: str, answer_field: str, key: Callable[[object], str] = str
) -> dict[str, str] | None:
    """Texts by key from a list of {`id_field`: ..., `answer_field`: ...}; None when the file is no such list.

    `key` turns an id into `Question.key`. Raises `UserError` with counts for records that lack one of the two and for
    ids answered twice.
    """
    if not path.is_file():
        return None
    file = RecordFile(path)
    first = file[0] if file.is_list and len(file) else None
    if not (isinstance(first, dict) and id_field in first and answer_field in first):
        return None
    texts: dict[str, str] = {}
    wrong, twice = [], []
    for number, record in enumerate(file):
        identity = record.get(id_field) if isinstance(record, dict) else None
        text = record.get(answer_field) if isinstance(record, dict) else None
        if not isinstance(text, str) or not isinstance(identity, int | str) or isinstance(identity, bool):
            wrong.append(number)
        elif key(identity) in texts:
            twice.append(str(identity))
        else:
            texts[key(identity)] = text
    if wrong or twice:
        parts = []
        if wrong:
            parts.append(
                f"{len(wrong):,} of {len(file):,} records lack {id_field} or {answer_field} (first: {wrong[0]})"
            )
        if twice:
            parts.append(f"{len(twice):,} are second answers to one question (first: {twice[0]})")
        raise UserError(f"{path}: {' and '.join(parts)}. Expected one answer a question: write the file again")
    return texts


def reader(
    id_field: str, answer_field: str, key: Callable[[object], str] = str
) -> Callable[[Path, Sequence[Question]], Mapping[str, str] | None]:
    """A `Task.read_answers` for such lists."""
    return lambda path, _: read_submission(path, id_field, answer_field, key)
