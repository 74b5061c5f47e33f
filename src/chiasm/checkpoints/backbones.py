"""A new model from separately trained parts: a vision tower, a language model, and a fresh or stage-1 connector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chiasm.checkpoints import connector_files, weights
from chiasm.checkpoints.checkpoint import Checkpoint
from chiasm.checkpoints.filling import check_names, empty, fill
from chiasm.checkpoints.json_files import read_json, without_code
from chiasm.checkpoints.locating import locate
from chiasm.checkpoints.model_configs import completed, tower_numbers
from chiasm.checkpoints.tensors import Stored, read_folder
from chiasm.checkpoints.tokenizer_files import FolderTokenizer, check_ids, end_of_sequence
from chiasm.checkpoints.towers import open_tower
from chiasm.errors import UserError
from chiasm.models import connectors
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor


@dataclass(frozen=True, slots=True)
class Language:
    """A causal language model's folder: its configuration, its tokenizer, and its tensors on request."""

    folder: Path
    config: dict[str, Any]
    tokenizer: FolderTokenizer
    eos_token: str | None

    def weights(self) -> dict[str, Stored]:
        """Tensors under transformers' names of the bare model."""
        return {name: tensor for name, tensor in read_folder(self.folder).items() if not weights.is_derived(name)}


def open_language(source: str | Path) -> Language:
    """A causal language model and its tokenizer from a folder or the hub."""
    folder = locate(source, what="the language model")
    config = completed(without_code(read_json(folder / "config.json"), folder), "language model")
    tokenizer = FolderTokenizer.from_folder(folder)
    check_ids(tokenizer, int(config.get("vocab_size", len(tokenizer))), folder)
    return Language(folder, config, tokenizer, end_of_sequence(tokenizer, folder, config))


def read_language(source: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A language model's configuration and its tensors, named as in the bare model, from a folder or the hub."""
    language = open_language(source)
    return language.config, {name: tensor.read() for name, tensor in language.weights().items()}


def load_backbones(  # noqa: PLR0913 - a recipe's fields, one to one
    vision: str | Path,
    language: str | Path,
    connector: str = "mlp2x_gelu",
    *,
    template: str = "vicuna_v1",
    image_policy: str = "pad",
    feature_layer: int = -2,
    class_token: bool = False,
    max_length: int = 2048,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    seed: int = 0,
    connector_weights: str | Path | None = None,
    force: bool = False,
    progress: bool = True,
) -> Checkpoint:
    """A model of a tower, a language model and a connector that nobody has joined yet.

    The connector is drawn with `seed`, or read from a stage-1 file (`mm_projector.bin`, safetensors, or a folder with
    one). The vocabulary stays the language model's own: a picture is id -200, in no table. `dtype` None is the one the
    language model is stored in (float16 becomes bfloat16 on a CPU, see `load`).
    """
    tower, words = open_tower(vision), open_language(language)
    config = LlavaConfig(
        vision=tower.config,
        language=words.config,
        connector=connector,
        feature_layer=feature_layer,
        class_token=class_token,
    )
    images = ImageProcessing.from_preprocessor_config(
        tower.preprocessor, image_policy, tower_numbers(config).patch_size, class_token=class_token
    )
    if images.size != tower_numbers(config).size:
        raise UserError(
            f"{tower.folder}: preprocessor_config.json makes {images.size} pixels but config.json takes "
            f"{tower_numbers(config).size}"
        )
    processor = Processor(
        words.tokenizer, template, images, config.image_token_id, max_length=max_length, eos_token=words.eos_token
    )
    language_tensors = words.weights()
    dtypes = [tensor.dtype for tensor in language_tensors.values() if tensor.dtype.is_floating_point]
    dtype = dtype or compute_dtype(max(set(dtypes), key=dtypes.count, default=torch.float32), device)
    model = empty(config, dtype)
    fresh = _connector(config, dtype, seed, connector_weights)
    tensors = {
        **{f"vision_tower.{name}": tensor for name, tensor in tower.weights().items()},
        **{f"connector.{name}": Stored.of(tensor) for name, tensor in fresh.items()},
        **{f"language_model.{name}": tensor for name, tensor in language_tensors.items()},
    }
    check_names(model, tensors, (), f"{tower.folder} with {words.folder}")
    fill(model, tensors, force=force, progress=progress)
    return Checkpoint(model.to(device), processor, "chiasm", None)


def compute_dtype(stored: torch.dtype, device: str) -> torch.dtype:
    """The dtype to compute in where none is asked for: the stored one, but bfloat16 for float16 on a CPU.

    Both take two bytes. On a CPU torch multiplies float16 matrices more slowly than float32: a prompt of 256 tokens
    against a 4096 x 4096 matrix took 138 ms in float16, 43 ms in float32 and 10 ms in bfloat16 (AVX-512, two cores).
    """
    return torch.bfloat16 if stored == torch.float16 and torch.device(device).type == "cpu" else stored


def _connector(
    config: LlavaConfig, dtype: torch.dtype, seed: int, source: str | Path | None
) -> dict[str, torch.Tensor]:
    """The connector's tensors, read or drawn; drawn in float32, so that a seed means the same in every dtype."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = connectors.build(config.connector, config.vision_width, config.language_width).to(torch.float32)
    if source is None:
        return {name: tensor.to(dtype) for name, tensor in drawn.state_dict().items()}
    read = connector_files.read_connector(source)
    expected = {name: tuple(tensor.shape) for name, tensor in drawn.state_dict().items()}
    connector_files.check_connector(read, expected, config.connector, source)
    return {name: tensor.to(dtype) for name, tensor in read.items()}
