"""`processor.json`: how text and pictures become what the model sees. The file that makes a folder say what it is.

It stands beside the files other programs read (`config.json`, `preprocessor_config.json`, ...) and carries what they
have no word for: the template, the image policy, and what an original checkpoint had before it was converted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chiasm.checkpoints.json_files import read_json, write_json
from chiasm.checkpoints.model_configs import tower_numbers
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor

FILE = "processor.json"
FORMAT = 1  # raised when an older chiasm could misread a newer file


class OriginalRecord(BaseModel):
    """What a checkpoint in the original layout was like, so that it can be written back the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: dict[str, Any]
    tower_weights: bool
    vocab_size: int
    added_tokens: tuple[str, ...] = ()
    files: dict[str, dict[str, Any]] = Field(default_factory=dict)
    had_tokenizer_json: bool = False


class ProcessorFile(BaseModel):
    """The contents of `processor.json`. `tokens_per_tile` repeats what the numbers give, to notice edits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    template: str
    images: ImageProcessing
    tokens_per_tile: int
    image_token_id: int
    max_length: int
    eos_token: str | None = None
    original: OriginalRecord | None = None


def check_format(found: object, known: int, path: Path) -> None:
    """Raise `UserError` with both versions when a file was written by a newer chiasm."""
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise UserError(f"{path} says format {found!r}; expected a number from 1 to {known}")
    if found > known:
        raise UserError(
            f"{path} has format {found}, written by a newer chiasm; this one reads up to {known}. Update it"
        )


def read(folder: Path) -> ProcessorFile | None:
    """The folder's `processor.json`, None where there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    values = read_json(path)
    check_format(values.get("format"), FORMAT, path)
    try:
        return ProcessorFile.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {where}: {first['msg']} (it is {first.get('input')!r})") from None


def written(processor: Processor, original: OriginalRecord | None) -> bytes:
    """The bytes of `processor.json`."""
    contents = ProcessorFile(
        template=processor.template_name,
        images=processor.images,
        tokens_per_tile=processor.images.one_tile().tokens_per_tile,
        image_token_id=processor.image_token_id,
        max_length=processor.max_length,
        eos_token=processor.eos_token,
        original=original,
    )
    return write_json(contents.model_dump(mode="json", exclude_none=True))


def check_numbers(said: ProcessorFile, config: LlavaConfig, folder: Path) -> None:
    """Raise `UserError` when `processor.json` and `config.json` disagree, with both numbers."""
    tower = tower_numbers(config)
    layout = tower.layout(config.class_token)
    pairs = {
        "tokens a tile": (said.tokens_per_tile, layout.tokens_per_tile),
        "pixels a tile": (said.images.size, tower.size),
        "pixels a patch": (said.images.patch_size, tower.patch_size),
        "as the picture's token id": (said.image_token_id, config.image_token_id),
    }
    for what, (here, there) in pairs.items():
        if here != there:
            raise UserError(
                f"{folder / FILE} says {here} {what} but config.json gives {there}. One of them was edited; "
                f"remove {FILE} to go by config.json"
            )
