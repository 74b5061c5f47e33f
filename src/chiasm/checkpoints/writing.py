"""A described model to a new folder in one of the two layouts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch

from chiasm.atomic import new_folder
from chiasm.checkpoints import (
    familiar_file,
    huggingface,
    manifest,
    original,
    processor_json,
    shards,
    vocabulary,
    weights,
)
from chiasm.checkpoints.description import Description
from chiasm.checkpoints.filling import empty
from chiasm.checkpoints.json_files import note
from chiasm.checkpoints.model_configs import vocabulary_size
from chiasm.checkpoints.progress import bytes_bar
from chiasm.checkpoints.tensors import Stored
from chiasm.checkpoints.tokenizer_files import for_hf
from chiasm.models.config import LlavaConfig
from chiasm.models.language import output_head
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PICTURE


@dataclass(frozen=True, slots=True)
class _Contents:
    """A folder to be: small files, tensors under their names on disk, and a tower that gets a folder of its own."""

    files: dict[str, bytes]
    tensors: dict[str, Stored]
    tower_folder: str | None = None
    tower: dict[str, Stored] = field(default_factory=dict)


def write(
    target: Path,
    described: Description,
    layout: Literal["hf", "original"],
    provenance: dict[str, Any] | None,
    max_shard_bytes: int,
    progress: bool,
    before_commit: Callable[[], None] = lambda: None,
) -> None:
    """Write `described` to `target`, whole or not at all. `before_commit` may still refuse, after the last byte."""
    if layout not in ("hf", "original"):
        raise ValueError(f"layout must be 'hf' or 'original', not {layout!r}")
    with new_folder(target) as folder:
        contents = _hf(described) if layout == "hf" else _original(described)
        for name, data in contents.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        total = sum(tensor.num_bytes for tensor in (*contents.tensors.values(), *contents.tower.values()))
        digests: dict[str, str] = {}
        with bytes_bar(f"writing {target.name}", total, progress) as done:
            planned = shards.plan(contents.tensors, max_shard_bytes)
            for name, shard in planned.items():
                digests[name] = shards.write_shard(folder / name, shard, done)
            if contents.tower_folder is not None:
                name = f"{contents.tower_folder}/model.safetensors"
                digests[name] = shards.write_shard(folder / name, contents.tower, done)
        if (familiar := described.folder / familiar_file.FILE).is_file() and described.folder != target:
            (folder / familiar.name).write_bytes(familiar.read_bytes())  # the tower is the same
        if len(planned) > 1:
            (folder / "model.safetensors.index.json").write_bytes(shards.index(planned))
        before_commit()
        num_tensors = len(contents.tensors) + len(contents.tower)
        (folder / manifest.FILE).write_bytes(manifest.written(folder, digests, num_tensors, provenance))


def small_files(described: Description) -> dict[str, bytes]:
    """Every small file of the Hugging Face layout, by name."""
    return _hf(described).files


def _hf(described: Description) -> _Contents:
    """The model with the layout's own two tokens in tokenizer and vocabulary."""
    processor = described.processor
    tokenizer = for_hf(processor.tokenizer, processor.eos_token, processor.max_length)
    num_rows = vocabulary.padded(tokenizer.num_ids, vocabulary_size(described.config))
    tensors = with_rows(described.config, described.tensors, num_rows)
    config = _with_vocabulary(described.config, num_rows, tokenizer.image_token_id)
    processor = _with_image_token(processor, tokenizer.image_token_id)
    record = original.recorded(described.original, tokenizer.added)
    files = huggingface.files(config, processor, tokenizer, described.dtype)
    files[processor_json.FILE] = processor_json.written(processor, record)
    return _Contents(files, {weights.to_hf(name): tensor for name, tensor in tensors.items()})


def _original(described: Description) -> _Contents:
    """The model as the folder it once was, or as a new one with its tower's weights inside."""
    config, tensors = described.config, described.tensors
    processor = _with_image_token(described.processor, PICTURE)
    record = original.usable_record(described.original, config, processor)
    if described.original is not None and record is None:
        note("the model has been changed since it was in the original layout: its config.json is written anew")
    tower: dict[str, Stored] = {}
    if record is not None:
        tensors = with_rows(config, tensors, record.vocab_size)
        if not record.tower_weights:
            tower = {name: tensor for name, tensor in tensors.items() if name.startswith("vision_tower.")}
            tensors = {name: tensor for name, tensor in tensors.items() if name not in tower}
    files = original.files(config, processor, described.dtype, record)
    files[processor_json.FILE] = processor_json.written(processor, None)
    base = huggingface.base_of(config)
    named = {weights.to_original(name, config.connector, base): tensor for name, tensor in tensors.items()}
    folder = original.own_tower_folder(record) if record is not None else None
    if folder is None:
        return _Contents(files, named)
    files |= original.tower_files(config, processor, folder)
    in_folder = {f"vision_model.{name.removeprefix('vision_tower.')}": tensor for name, tensor in tower.items()}
    return _Contents(files, named, folder if tower else None, in_folder)


def with_rows(config: LlavaConfig, tensors: dict[str, Stored], num_rows: int) -> dict[str, Stored]:
    """The tensors with `num_rows` rows in everything that has one a token."""
    if num_rows == vocabulary_size(config):
        return tensors
    model = empty(config, torch.float32, "meta")
    language = cast(Any, model.language_model)
    rows = {id(p) for module in (language.get_input_embeddings(), output_head(language)) for p in module.parameters()}
    names = {name for name, p in model.named_parameters(remove_duplicate=False) if id(p) in rows}
    return {name: vocabulary.resized(tensor, num_rows) if name in names else tensor for name, tensor in tensors.items()}


def _with_vocabulary(config: LlavaConfig, num_rows: int, image_token_id: int) -> LlavaConfig:
    language = {**config.language, "vocab_size": num_rows}
    return config.model_copy(update={"language": language, "image_token_id": image_token_id})


def _with_image_token(processor: Processor, image_token_id: int) -> Processor:
    changed = copy.copy(processor)
    changed.image_token_id = image_token_id
    return changed
