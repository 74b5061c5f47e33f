"""How a picture is called in records when a file gives its number, its name, or both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from chiasm.errors import UserError

COCO_FORMAT = "{:012d}.jpg"  # file names of COCO 2017


@dataclass(frozen=True, slots=True)
class Naming:
    """`image_format` makes a file name of an image id, as "coco/train2017/{:012d}.jpg" does.

    None: the name that stands in the file, else COCO 2017's. Raises `UserError` for a format that does not take one
    number.
    """

    image_format: str | None = None

    def __post_init__(self) -> None:
        if self.image_format is None:
            return
        try:
            different = self.image_format.format(1) != self.image_format.format(2)
        except (ValueError, IndexError, KeyError, AttributeError):
            different = False
        if not different:
            raise UserError(
                f"--image-format {self.image_format!r} does not make a file name of a number. "
                f"Expected something like '{COCO_FORMAT}' or 'coco/train2017/{COCO_FORMAT}'"
            )

    def of(self, image_id: int | None, file_name: object = None) -> tuple[str, str]:
        """(id, image) of a picture: the id is the file name without folders and suffix.

        Raises `UserError` without a number and without a name.
        """
        image = file_name if isinstance(file_name, str) and file_name.strip() else None
        if image_id is not None and (image is None or self.image_format is not None):
            image = (self.image_format or COCO_FORMAT).format(image_id)
        if image is not None and any("\ud800" <= letter <= "\udfff" for letter in image):
            raise UserError("the name of a picture holds half a character (a lone surrogate), which no file can hold")
        if image is None:
            raise UserError("a picture without 'image', 'file_name' or 'image_id' cannot be named in a record")
        return PurePosixPath(image).stem, image
