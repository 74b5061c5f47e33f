"""Records to files: JSON list, JSON lines, parquet, WebDataset shards. Each is there whole or not at all.

The same records give the same bytes: no clock, no user name, no order of a set goes into a file. Knows no mixture.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from chiasm.atomic import new_file, new_folder
from chiasm.conversation import RecordError, picture_path
from chiasm.errors import UserError

Form = Literal["json", "jsonl", "parquet", "wds"]
FORMS: tuple[Form, ...] = get_args(Form)
Add = Callable[[Mapping[str, Any]], None]

_ROWS = 10_000  # records of a parquet row group and of a shard; ours
_SHARD_BYTES = 1 << 30  # a shard is closed when it has grown beyond this; ours
_PICTURE_BYTES = 64 << 20  # the largest picture packed, that of `chiasm.processing.pictures.PictureLimits`
_PICTURES = (
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webp"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL), "bmp"),
    (re.compile(rb"II\x2a\x00|MM\x00\x2a"), "tif"),
)


def form_of(out: Path) -> Form:
    """The form a file's name asks for; raises `UserError` for a name that asks for none."""
    endings: dict[str, Form] = {".json": "json", ".jsonl": "jsonl", ".parquet": "parquet"}
    if out.suffix.lower() in endings:
        return endings[out.suffix.lower()]
    raise UserError(
        f"{out.name} does not say in which form to write: end it in .json, .jsonl or .parquet, or give --format"
    )


def open_writer(form: Form, out: Path, images: Path | None = None) -> AbstractContextManager[Add]:
    """A function that writes one record to `out`, which takes its name when the block ends without an error.

    `wds` makes `out` a folder of tar shards and packs the pictures below the folder `images`; there, writing a record
    raises `RecordError` when one of its pictures cannot be packed, and writes nothing of it.
    """
    if form == "wds":
        if images is None:
            raise UserError("a WebDataset holds the pictures themselves: say with --images where they are")
        return _shards(out, images)
    return {"json": _json_list, "jsonl": _json_lines, "parquet": _parquet}[form](out)


@contextmanager
def _json_list(out: Path) -> Iterator[Add]:
    """A list with one record a line: what LLaVA loads, and still to be read with grep and head."""
    with new_file(out) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        between = "\n"

        def add(record: Mapping[str, Any]) -> None:
            nonlocal between
            file.write(between + json.dumps(record, ensure_ascii=False))
            between = ",\n"

        yield add
        file.write("\n]\n")
        file.flush()


@contextmanager
def _json_lines(out: Path) -> Iterator[Add]:
    with new_file(out) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:

        def add(record: Mapping[str, Any]) -> None:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

        yield add
        file.flush()


@contextmanager
def _parquet(out: Path) -> Iterator[Add]:
    """Columns id, source, image (a list), conversations; `extra` is the JSON of the other keys, empty without any."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UserError("parquet needs pyarrow: pip install 'chiasm[data]', or write .jsonl") from error
    text = arrow.string()
    turn = arrow.struct([("from", text), ("value", text)])
    columns = {
        "id": text,
        "source": text,
        "image": arrow.list_(text),
        "conversations": arrow.list_(turn),
        "extra": text,
    }
    schema = arrow.schema(list(columns.items()))
    waiting: list[dict[str, Any]] = []
    with new_file(out) as partial, parquet.ParquetWriter(partial, schema, compression="zstd") as file:

        def write() -> None:
            file.write_table(arrow.Table.from_pylist(waiting, schema=schema))
            waiting.clear()

        def add(record: Mapping[str, Any]) -> None:
            waiting.append(_row(record))
            if len(waiting) == _ROWS:
                write()

        yield add
        write()


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    turns = [{"from": turn["from"], "value": turn["value"]} for turn in record["conversations"]]
    extra = {key: value for key, value in record.items() if key not in ("id", "source", "image", "conversations")}
    return {
        "id": str(record.get("id", "")),
        "source": record.get("source", ""),
        "image": _names(record),
        "conversations": turns,
        "extra": json.dumps(extra, ensure_ascii=False) if extra else "",
    }


@contextmanager
def _shards(out: Path, images: Path) -> Iterator[Add]:
    """Shards 000000.tar, ... of samples NNNNNNNN.json with NNNNNNNN.jpg, or NNNNNNNN.0.jpg and so on for several.

    No name inside comes from a record, so that unpacking can write nowhere else; the record keeps its picture names.
    """
    with new_folder(out) as partial, ExitStack() as stack:
        number, size = 0, 0
        tar: tarfile.TarFile | None = None

        def add(record: Mapping[str, Any]) -> None:
            nonlocal number, size, tar
            pictures = [_picture(images, name) for name in _names(record)]
            if tar is None or number % _ROWS == 0 or size > _SHARD_BYTES:
                stack.pop_all().close()
                path = partial / f"{len(list(partial.iterdir())):06d}.tar"
                tar, size = stack.enter_context(tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)), 0
            members = [("json", json.dumps(record, ensure_ascii=False).encode("utf-8"))]
            for place, (ending, data) in enumerate(pictures):
                members.append((ending if len(pictures) == 1 else f"{place}.{ending}", data))
            for ending, data in members:
                entry = tarfile.TarInfo(f"{number:08d}.{ending}")  # owner, time and mode are the same everywhere
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
                size += len(data)
            number += 1

        yield add


def _names(record: Mapping[str, Any]) -> list[str]:
    image = record.get("image", [])
    return image if isinstance(image, list) else [image]


def _picture(images: Path, name: str) -> tuple[str, bytes]:
    """A picture's ending, by its content, and its bytes; raises `RecordError`."""
    path = picture_path(images, name)
    try:
        if not path.is_file():
            raise RecordError("missing", f"{path}: there is no such file")
        with path.open("rb") as file:
            data = file.read(_PICTURE_BYTES + 1)
    except OSError as error:
        raise RecordError("not readable", f"{path}: {error.strerror or error}") from None
    if len(data) > _PICTURE_BYTES:
        raise RecordError("too large", f"{path} has more than {_PICTURE_BYTES:,} bytes")
    ending = next((ending for pattern, ending in _PICTURES if pattern.match(data)), None)
    if ending is None:
        raise RecordError("not an image", f"{path} is none of JPEG, PNG, WebP, GIF, BMP, TIFF")
    return ending, data
