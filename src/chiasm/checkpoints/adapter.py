"""Low-rank adapters as peft stores them: what `adapter_config.json` says, and the weights they come to.

A layer's weight becomes W + scale * B A. Nothing here needs peft, and nothing knows which model the layers are of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from chiasm.checkpoints.json_files import read_json, write_json
from chiasm.checkpoints.tensors import WEIGHT_FILES, Stored, read_files
from chiasm.errors import UserError

CONFIG = "adapter_config.json"
FILES = ("adapter_model.safetensors", "adapter_model.bin")  # peft's names and order
_PREFIX = "base_model.model."  # peft's wrapper around the model, in every name it writes

# What changes the sum W + scale * B A or its parts, and the only values with which it is that.
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": (None, "none"),
    "fan_in_fan_out": (None, False),
    "use_dora": (None, False),
    "lora_bias": (None, False),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "layer_replication": (None, []),
    "target_parameters": (None, []),
    "trainable_token_indices": (None, [], {}),
    # The others take something out of the base's weights before they begin, so that these no longer fit.
    "init_lora_weights": (None, True, False, "gaussian", "orthogonal", "eva"),
}


@dataclass(frozen=True, slots=True)
class Adapter:
    """Factors by the layers' names in the language model: `model.layers.0.mlp.up_proj.lora_A.weight` (rank, in)."""

    tensors: Mapping[str, torch.Tensor]
    rank: int
    alpha: float
    dropout: float

    def config(self, base: str | None) -> bytes:
        """The bytes of `adapter_config.json`; `base` names the language model."""
        layers = {name.rpartition(".lora_")[0] for name in self.tensors}
        contents = {
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "init_lora_weights": True,
            "lora_alpha": int(self.alpha) if float(self.alpha).is_integer() else self.alpha,
            "lora_dropout": self.dropout,
            "modules_to_save": None,
            "peft_type": "LORA",
            "r": self.rank,
            "target_modules": sorted({layer.rpartition(".")[2] for layer in layers}),
            "task_type": "CAUSAL_LM",
            "use_dora": False,
            "use_rslora": False,
        }
        return write_json(contents)

    def stored(self) -> dict[str, Stored]:
        """The tensors of `adapter_model.safetensors`, under peft's names."""
        return {_PREFIX + name: Stored.of(tensor) for name, tensor in self.tensors.items()}


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds adapters for another model's weights, and none of its own.

    Raises `UserError` where it holds both: which is meant, it does not say.
    """
    if not (folder / CONFIG).is_file():
        return False
    if whole := [name for name in WEIGHT_FILES if (folder / name).is_file()]:
        raise UserError(
            f"{folder} holds both whole weights ({whole[0]}) and adapters ({CONFIG}). Remove what is not meant"
        )
    return True


def check_config(folder: Path) -> tuple[float, int, str | None]:
    """Scale, rank and the base's name of `adapter_config.json`; raises `UserError` for what is no plain LoRA."""
    path = folder / CONFIG
    config = read_json(path)
    for key, plain in _PLAIN.items():
        if config.get(key) not in plain:
            raise UserError(
                f"{path} says {key}: {config.get(key)!r}; only plain LoRA is read, with {key} {plain[-1]!r}. Merge it "
                "with the program that made it"
            )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise UserError(f"{path} says r: {rank!r}; expected the adapters' rank")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise UserError(f"{path} says lora_alpha: {alpha!r}; expected a number")
    base = config.get("base_model_name_or_path")
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return scale, rank, base if isinstance(base, str) and base else None


def read_pairs(folder: Path, rank: int) -> dict[str, tuple[Stored, Stored]]:
    """Both factors of every layer of the folder's adapter file, by the layer's name in the wrapped model."""
    present = [folder / name for name in FILES if (folder / name).is_file()]
    if not present:
        raise UserError(f"{folder} has {CONFIG} but no adapters: expected {' or '.join(FILES)} beside it")
    halves: dict[str, dict[str, Stored]] = {}
    strangers = []
    for name, tensor in read_files(present[:1]).items():
        layer, dot, factor = name.removeprefix(_PREFIX).rpartition(".lora_")
        factor = factor.replace(".default.", ".")
        if not (dot and name.startswith(_PREFIX) and factor in ("A.weight", "B.weight")):
            strangers.append(name)
            continue
        halves.setdefault(layer, {})[factor[0]] = tensor
    alone = [layer for layer, factors in halves.items() if len(factors) < 2]
    if strangers or alone or not halves:
        what = f"tensors that are none: {', '.join(strangers)}" if strangers else f"half an adapter: {', '.join(alone)}"
        raise UserError(f"{present[0]} holds {what if strangers or alone else 'no adapters'}. Copy it again, whole")
    for layer, factors in halves.items():
        shapes = factors["A"].shape, factors["B"].shape
        if any(len(shape) != 2 for shape in shapes) or (shapes[0][0], shapes[1][1]) != (rank, rank):
            raise UserError(
                f"{present[0]}: the factors of {layer} are {shapes[0]} and {shapes[1]}; {CONFIG} says rank {rank}"
            )
    return {layer: (factors["A"], factors["B"]) for layer, factors in halves.items()}


def merged(weight: Stored, pair: tuple[Stored, Stored], scale: float, layer: str) -> Stored:
    """The layer's weight with its adapter added, in the weight's dtype; the sum is made in float32, as peft makes it.

    Raises `UserError` when the adapter is of another shape.
    """
    a_RI, b_OR = pair
    if (b_OR.shape[0], a_RI.shape[1]) != weight.shape:
        raise UserError(
            f"the adapter of {layer} is for a weight of {b_OR.shape[0]} x {a_RI.shape[1]}, the base's is "
            f"{' x '.join(map(str, weight.shape))}: it was trained on another model. Name its own with --base"
        )

    def read() -> torch.Tensor:
        delta_OI = (b_OR.read().float() @ a_RI.read().float()) * scale
        return (weight.read().float() + delta_OI).to(weight.dtype)

    return replace(weight, read=read)
