"""A whole CLIP in a folder, as transformers keeps it: both towers, tokenizer, preprocessor. Read and written.

Reading trusts nothing: sizes are compared with the files' headers before anything is allocated, no code is run, and
what a folder lacks or has too much of is said in one line. It knows neither classifying nor training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer, processors
from torch import nn

from chiasm.atomic import new_folder
from chiasm.checkpoints import manifest, shards, weights
from chiasm.checkpoints.json_files import read_json, section, without_code, write_json
from chiasm.checkpoints.locating import locate
from chiasm.checkpoints.manifest import WeightCheck
from chiasm.checkpoints.model_configs import completed
from chiasm.checkpoints.tensors import Stored, read_folder
from chiasm.checkpoints.tokenizer_files import check_ids
from chiasm.errors import UserError
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer

CLIP = "clip"  # the folder's name where it lies within another
MAX_TEXT_TOKENS = 4096  # of a text tower's positions; ours, fifty times CLIP's own


@dataclass(frozen=True, slots=True)
class ClipParts:
    """The configurations of a CLIP's towers, as transformers writes them, and the width of their common space."""

    vision: dict[str, Any]
    text: dict[str, Any]
    common: int


@dataclass(frozen=True, slots=True)
class LoadedClip:
    """A CLIP ready to compare: transformers' module in eval mode, its tokenizer with its own end, its pictures."""

    folder: Path
    model: Any
    tokenizer: Tokenizer
    images: ImageProcessing
    max_tokens: int


def write_clip(
    folder: Path,
    parts: ClipParts,
    tensors: Mapping[str, torch.Tensor],
    processor: Processor,
    end: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """A new folder that `transformers.CLIPModel.from_pretrained` and `load_clip` read; texts end with token `end`."""
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": parts.common,
        "text_config": {**_plain(parts.text), "projection_dim": parts.common},
        "vision_config": {**_plain(parts.vision), "projection_dim": parts.common},
    }
    token = processor.tokenizer.tokenizer.id_to_token(end)
    tokenizer = Tokenizer.from_str(processor.tokenizer.tokenizer.to_str())
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {token}", special_tokens=[(token, end)])
    names = {"eos_token": token, "pad_token": token}
    about = {
        **names,
        "model_max_length": parts.text["max_position_embeddings"],
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    files = {
        "config.json": write_json(config),
        "preprocessor_config.json": write_json(processor.images.to_preprocessor_config()),
        "tokenizer.json": tokenizer.to_str(pretty=True).encode(),
        "tokenizer_config.json": write_json(about),
        "special_tokens_map.json": write_json(names),
    }
    _write(folder, files, {name: Stored.of(tensor) for name, tensor in tensors.items()}, provenance)


def copy_clip(source: Path, target: Path, dtype: torch.dtype, provenance: dict[str, Any] | None = None) -> None:
    """What `write_clip` wrote, in a new folder with weights of `dtype`."""
    kept = [path for path in sorted(source.iterdir()) if path.suffix == ".json" and path.name != manifest.FILE]
    tensors = {name: tensor.to(dtype) for name, tensor in read_folder(source).items()}
    _write(target, {path.name: path.read_bytes() for path in kept}, tensors, provenance)


def load_clip(source: str | Path, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> LoadedClip:
    """A CLIP of transformers from a folder or the hub, or the one in the folder of a model that was trained from it.

    Raises `UserError` for whatever is no whole CLIP.
    """
    folder = locate(source, what="a CLIP")
    if (folder / CLIP / "config.json").is_file():
        folder = folder / CLIP
    listed = manifest.read(folder)
    manifest.check_small_files(folder, listed)
    config = _config(folder)
    images = ImageProcessing.from_preprocessor_config(
        read_json(folder / "preprocessor_config.json"), None, config.vision_config.patch_size
    )
    if images.size != config.vision_config.image_size:
        raise UserError(
            f"{folder}: preprocessor_config.json makes {images.size} pixels but config.json takes "
            f"{config.vision_config.image_size}"
        )
    tokenizer, max_tokens = _tokenizer(folder, config)
    with WeightCheck(folder, listed) as check:
        model = _model(folder, config, dtype)
        check.finish()
    return LoadedClip(folder, model.to(device).eval(), tokenizer, images, max_tokens)


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what is about files, and without what is not set."""
    noise = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "_attn_implementation")
    return {key: value for key, value in config.items() if key not in noise}


def _write(
    folder: Path, files: Mapping[str, bytes], tensors: Mapping[str, Stored], provenance: dict[str, Any] | None
) -> None:
    with new_folder(folder) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        name = "model.safetensors"
        digests = {name: shards.write_shard(partial / name, tensors)}
        (partial / manifest.FILE).write_bytes(manifest.written(partial, digests, len(tensors), provenance))


def _config(folder: Path) -> Any:
    from transformers import CLIPConfig

    raw = without_code(read_json(folder / "config.json"), folder)
    if raw.get("model_type") != "clip":
        raise UserError(
            f"{folder / 'config.json'} is of a {raw.get('model_type')!r} model; classifying needs a whole CLIP "
            "(model_type 'clip' with text_config and vision_config)"
        )
    towers = {}
    for side in ("text", "vision"):
        given = section(raw, f"{side}_config", folder / "config.json")
        towers[f"{side}_config"] = completed({**given, "model_type": f"clip_{side}_model"}, f"{side} tower")
    common = raw.get("projection_dim", 512)  # transformers' own default
    if not isinstance(common, int) or isinstance(common, bool) or common < 1:
        raise UserError(f"{folder / 'config.json'} says projection_dim {common!r}; expected a width")
    if not 1 <= towers["vision_config"]["patch_size"] <= towers["vision_config"]["image_size"]:
        raise UserError(f"{folder / 'config.json'}: image_size and patch_size make no grid of patches")
    try:
        return cast(Any, CLIPConfig)(**towers, projection_dim=common)
    except Exception as error:  # transformers' validation raises classes of its own
        raise UserError(f"{folder / 'config.json'} is no configuration of a CLIP: {error}") from None


def _model(folder: Path, config: Any, dtype: torch.dtype) -> nn.Module:
    from transformers import CLIPModel
    from transformers.initialization import no_init_weights

    tensors = {name: each for name, each in read_folder(folder).items() if not weights.is_derived(name)}
    try:
        with torch.device("meta"), no_init_weights():
            empty: Any = CLIPModel(config)
    except Exception as error:  # sizes that make no module
        raise UserError(f"no CLIP can be made of {folder / 'config.json'}: {error}") from None
    expected = {name: tuple(parameter.shape) for name, parameter in empty.named_parameters()}
    problems = {
        "missing": expected.keys() - tensors.keys(),
        "unexpected": tensors.keys() - expected.keys(),
        "misshapen": {name for name in expected.keys() & tensors.keys() if not _alike(expected[name], tensors[name])},
    }
    if found := [f"{len(names)} {what}: {', '.join(sorted(names)[:5])}" for what, names in problems.items() if names]:
        raise UserError(f"the weights of {folder} do not fit its config.json. {'. '.join(found)}")
    with no_init_weights():  # buffers hold values at once, parameters are about to get theirs
        model = cast(Any, CLIPModel(config)).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name].read().reshape(parameter.shape))
            if not torch.isfinite(parameter).all():
                raise UserError(f"{name} in {folder} holds values that are not finite: the file is damaged")
    return cast(nn.Module, model)


def _alike(expected: tuple[int, ...], stored: Stored) -> bool:
    """Whether shapes agree; the temperature of some old files is a list of one number."""
    return expected == stored.shape or (math.prod(expected) == 1 and math.prod(stored.shape) == 1)


def _tokenizer(folder: Path, config: Any) -> tuple[Tokenizer, int]:
    """The tokenizer, ending texts by itself, and how many tokens a text may have."""
    pieces = PieceTokenizer.from_folder(folder)  # a readable error for a damaged or missing one
    check_ids(pieces, config.text_config.vocab_size, folder)
    most = config.text_config.max_position_embeddings
    if not isinstance(most, int) or not 2 <= most <= MAX_TEXT_TOKENS:
        raise UserError(f"{folder / 'config.json'} says {most!r} positions for texts; expected 2 to {MAX_TEXT_TOKENS}")
    tokenizer = Tokenizer.from_str(json.dumps(json.loads(pieces.tokenizer.to_str())))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    tokenizer.encode_special_tokens = True  # what a person types is text, also where it looks like a special token
    end, ends = config.text_config.eos_token_id, tokenizer.encode("a").ids[-1]
    # transformers reads 2 as "the largest id of the text", as the oldest files mean it.
    if ends != end and not (end == 2 and ends == max(tokenizer.get_vocab(with_added_tokens=True).values())):
        raise UserError(f"the tokenizer of {folder} ends texts with id {ends}, config.json expects {end}")
    return tokenizer, most
