"""What a checkpoint folder says it is, before any tensor is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError

from chiasm.checkpoints.json_files import note
from chiasm.checkpoints.model_configs import tower_numbers, vocabulary_size
from chiasm.checkpoints.processor_json import OriginalRecord, ProcessorFile
from chiasm.checkpoints.tensors import Stored
from chiasm.checkpoints.tokenizer_files import FolderTokenizer, check_ids, length_limit
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor

Layout = Literal["chiasm", "hf", "original"]

_CONTEXT = 2048  # LLaVA's model_max_length in every published recipe, for folders that name no length


@dataclass(frozen=True, slots=True)
class Description:
    """A folder understood: the model's shape, its processor, and the tensors waiting under their names in memory.

    `strangers` are names of the files that no part of the model has; `tower_weights` says whether the folder itself
    holds the tower; `original` is what to remember for writing the original layout again.
    """

    folder: Path
    layout: Layout
    config: LlavaConfig
    processor: Processor
    tensors: dict[str, Stored]
    strangers: tuple[str, ...]
    manifest: dict[str, Any] | None
    tower_weights: bool
    original: OriginalRecord | None
    bases: tuple[tuple[Path, dict[str, Any]], ...] = ()
    """Other folders that tensors are read from, with what their files must be."""

    @property
    def num_parameters(self) -> int:
        """Of the whole model, as stored."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())

    @property
    def dtype(self) -> torch.dtype:
        """The dtype most of the language model is stored in."""
        sizes: dict[torch.dtype, int] = {}
        for name, tensor in self.tensors.items():
            if name.startswith("language_model.") and tensor.dtype.is_floating_point:
                sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.num_bytes
        return max(sizes, key=lambda dtype: sizes[dtype], default=torch.float32)


def processor_of(
    folder: Path,
    said: ProcessorFile | None,
    config: LlavaConfig,
    template: Callable[[FolderTokenizer], str],
    images: Callable[[], ImageProcessing],
    eos_token: Callable[[FolderTokenizer], str | None],
) -> Processor:
    """The folder's processor: as `processor.json` says it, else put together from what the other files say."""
    tokenizer = FolderTokenizer.from_folder(folder)
    check_ids(tokenizer, vocabulary_size(config), folder)
    positions = config.language.get("max_position_embeddings")
    lengths = [n for n in (length_limit(folder), positions) if isinstance(n, int)]
    processor = Processor(
        tokenizer,
        template(tokenizer),
        said.images if said else _images(images, config, folder),
        image_token_id=config.image_token_id,
        max_length=said.max_length if said else min(lengths, default=_CONTEXT),
        eos_token=said.eos_token if said else eos_token(tokenizer),
    )
    if processor.eos_token is not None and processor.eos_token not in tokenizer.tokenizer.get_vocab():
        raise UserError(f"{folder} ends texts with {processor.eos_token!r}, which its tokenizer does not have")
    return processor


def _images(read: Callable[[], ImageProcessing], config: LlavaConfig, folder: Path) -> ImageProcessing:
    """What the image processor's file says, held against the tower."""
    try:
        images = read()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "numbers"
        raise UserError(
            f"the preprocessor_config.json of {folder} or its tower: {where}: {first['msg']} (it is {first['input']!r})"
        ) from None
    size = tower_numbers(config).size
    if images.size != size:
        raise UserError(
            f"the preprocessor_config.json of {folder} or its tower makes {images.size} pixels a side, but the tower "
            f"takes {size}. They belong to different models"
        )
    return images


def assume_template(name: str, file: str) -> str:
    """The template a folder without `processor.json` gets, said aloud."""
    note(f"{file} is missing; assuming template {name} (set another with --template)")
    return name
