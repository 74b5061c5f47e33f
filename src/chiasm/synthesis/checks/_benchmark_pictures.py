"""Pictures that a benchmark asks about, so that none of them is trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from chiasm.data.records import RecordFile
from chiasm.errors import UserError
from chiasm.synthesis.sample import Context

# COCO's own names: COCO_val2014_000000310196.jpg of 2014, 000000310196.jpg since 2017, and the bare number of its ids.
# A number with fewer than twelve digits and leading zeros (001.jpg) is somebody else's.
_COCO = re.compile(r"(?:COCO_\w+_)?(\d{12})|([1-9]\d{0,11})", re.IGNORECASE)
_FIELDS = ("image", "image_id", "file_name", "filename", "img", "image_path")


@dataclass(frozen=True)
class BenchmarkPictures:
    """Names of pictures -> the file that asks about them; COCO pictures are the same under each of their names."""

    names: dict[int | str, str]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> BenchmarkPictures:
        """The pictures of benchmark files (JSON lists or lines whose records name their `image`: POPE, LLaVA-Bench).

        Raises `UserError` for a file that names none.
        """
        names: dict[int | str, str] = {}
        for path in paths:
            before = len(names)
            num_named = 0
            for record in RecordFile(path):
                for image in _images(record):
                    names.setdefault(_name(image), path.name)
                    num_named += 1
            if len(names) == before and not num_named:
                raise UserError(
                    f"{path}: no record names a picture. Expected records with one of: {', '.join(_FIELDS)}, as in "
                    "POPE's and LLaVA-Bench's question files"
                )
        return cls(names)

    def benchmark(self, context: Context) -> str | None:
        """The file that asks about this picture, or None."""
        return self.names.get(_name(context.image)) or self.names.get(_name(context.id))


def _images(record: object) -> Iterable[object]:
    if not isinstance(record, dict):
        return ()
    values = [record[field] for field in _FIELDS if field in record]
    return [v for value in values for v in (value if isinstance(value, list) else [value]) if isinstance(v, str | int)]


def _name(image: object) -> int | str:
    """The number of a COCO picture, else the file name without folders, in lower case."""
    name = PurePosixPath(str(image).replace("\\", "/")).name
    stem = name.rsplit(".", 1)[0] if "." in name else name
    if match := _COCO.fullmatch(stem):
        return int(match[1] or match[2])
    return name.lower()
