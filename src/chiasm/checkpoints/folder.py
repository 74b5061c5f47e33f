"""Loading a checkpoint folder, saving one, and turning one layout into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from chiasm.checkpoints import huggingface, lora, manifest, original
from chiasm.checkpoints.adapter import is_adapter
from chiasm.checkpoints.backbones import compute_dtype
from chiasm.checkpoints.checkpoint import Checkpoint
from chiasm.checkpoints.description import Description
from chiasm.checkpoints.familiar_file import read_familiarity
from chiasm.checkpoints.filling import check_names, empty, fill, shapes
from chiasm.checkpoints.json_files import read_json
from chiasm.checkpoints.locating import locate
from chiasm.checkpoints.manifest import WeightCheck
from chiasm.checkpoints.tensors import Stored
from chiasm.checkpoints.writing import write
from chiasm.errors import UserError
from chiasm.models.llava import Llava
from chiasm.models.vision import num_layers
from chiasm.processing.processor import Processor

_SMALL = 32_000_000  # parameters; ours: one of 5 million answers faster in float32, one of 135 million in bfloat16
MAX_SHARD_BYTES = 5 * 10**9  # the hub's own limit for one file of a checkpoint


def load(
    source: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
    template: str | None = None,
    base: str | None = None,
    only_asked: bool = False,
) -> Checkpoint:
    """The model and processor of a folder or a hub name, in either layout.

    `dtype` None keeps the stored one, except that float16 is computed as bfloat16 on a CPU, where float16 is more than
    ten times slower; ask for `torch.float16` to have the stored bits. A model that is `only_asked` is float32 on a CPU
    where it is small, which is faster. `template` overrides what the folder says; so does `base` for a folder of
    adapters, which are merged into it.
    `force` lets weights that are not finite pass. Peak memory is the model and some 100 MB. Raises `UserError` with all
    missing, unexpected and misshapen tensors in one, and for files that differ from the folder's manifest.
    """
    folder = locate(source)
    described = describe(folder, template, base)
    if dtype is None:
        is_small = described.num_parameters < _SMALL and torch.device(device).type == "cpu"
        dtype = torch.float32 if only_asked and is_small else compute_dtype(described.dtype, device)
    with _weight_checks(folder, described) as finish_checks:
        names = empty(described.config, dtype, "meta")
        check_names(names, described.tensors, described.strangers, folder)
        model = empty(described.config, dtype)
        fill(model, described.tensors, force=force, progress=progress)
        finish_checks()
    familiarity = read_familiarity(folder, described.config.vision_width, num_layers(model.vision_tower))
    return Checkpoint(model.to(device), described.processor, described.layout, described.manifest, familiarity)


def load_processor(source: str | Path, *, template: str | None = None) -> Processor:
    """The processor of a folder or a hub name; no weight is read."""
    return describe(locate(source), template).processor


def describe(folder: Path, template: str | None = None, base: str | None = None) -> Description:
    """What a folder is, its small files verified, no tensor read yet."""
    if is_adapter(folder):
        listed = manifest.read(folder)
        manifest.check_small_files(folder, listed)
        return lora.describe(folder, listed, template, base, _describe_whole)
    if base is not None:
        raise UserError(f"{folder} is a whole model, not adapters: it stands on no base. Leave --base out")
    return _describe_whole(folder, template)


def _describe_whole(folder: Path, template: str | None = None) -> Description:
    """The same for a folder that holds a whole model: adapters stand on no adapters."""
    listed = manifest.read(folder)
    manifest.check_small_files(folder, listed)
    if is_adapter(folder):
        raise UserError(f"{folder} holds adapters, but a base must be a whole model. Merge it first: chiasm convert")
    config = read_json(folder / "config.json")
    if original.is_original(config):
        return original.describe(folder, listed, template)
    if config.get("model_type") == "llava" and "text_config" in config:
        return huggingface.describe(folder, listed, template)
    raise UserError(
        f"{folder / 'config.json'} is of a {config.get('model_type')!r} model, not of a LLaVA: expected model_type "
        "'llava' with a text_config, or an original one with mm_vision_tower"
    )


def save(
    folder: str | Path,
    model: Llava,
    processor: Processor,
    *,
    layout: Literal["hf", "original"] = "hf",
    provenance: dict[str, Any] | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    progress: bool = False,
) -> None:
    """Write a checkpoint folder, whole or not at all; raises `UserError` when `folder` holds anything already.

    Raises `ValueError` for a model whose layers are no longer those of its configuration.
    `provenance` goes into the manifest as it is. Weights keep their dtype; one tensor at a time is copied to the CPU.
    """
    if processor.image_token_id != model.config.image_token_id:
        raise ValueError(
            f"the processor writes pictures as id {processor.image_token_id}, the model reads "
            f"{model.config.image_token_id}: they belong to different models"
        )
    tensors = {name: Stored.of(parameter) for name, parameter in model.named_parameters()}
    if changed := tensors.keys() ^ shapes(empty(model.config, torch.float32, "meta")).keys():
        raise ValueError(
            f"this model's layers were changed ({min(changed)}, ...), by `only_asked` perhaps: save it before that"
        )
    described = Description(
        folder=Path(folder),
        layout="chiasm",
        config=model.config,
        processor=processor,
        tensors=tensors,
        strangers=(),
        manifest=None,
        tower_weights=True,
        original=None,
    )
    write(Path(folder), described, layout, provenance, max_shard_bytes, progress)


def convert(
    source: str | Path,
    target: str | Path,
    *,
    to: Literal["hf", "original"],
    progress: bool = True,
    template: str | None = None,
    base: str | None = None,
) -> None:
    """Write `source` to a new folder in the other (or the same) layout, a tensor at a time, values untouched.

    Only a tower that lay elsewhere changes: it takes the language model's dtype, as the published code loads it. What
    the original layout had is remembered in `processor.json`, so that it can be written back name for name. Adapters
    are merged into what they stand on (`base` overrides what their folder names).
    """
    folder = locate(source)
    described = describe(folder, template, base)
    check_names(empty(described.config, torch.float32, "meta"), described.tensors, described.strangers, folder)
    if not described.tower_weights:
        tensors = {
            name: tensor.to(described.dtype) if name.startswith("vision_tower.") else tensor
            for name, tensor in described.tensors.items()
        }
        described = replace(described, tensors=tensors)
    with _weight_checks(folder, described) as finish_checks:
        write(Path(target), described, to, {"converted_from": str(source)}, MAX_SHARD_BYTES, progress, finish_checks)


@contextmanager
def _weight_checks(folder: Path, described: Description) -> Iterator[Callable[[], None]]:
    """Digests of every folder the weights come from, made meanwhile; call what this gives to wait for them."""
    with ExitStack() as stack:
        pairs = ((folder, described.manifest), *described.bases)
        checks = [stack.enter_context(WeightCheck(place, listed)) for place, listed in pairs]

        def finish() -> None:
            for check in checks:
                check.finish()

        yield finish
