"""The original layout, as liuhaotian/llava-v1.5-7b has it: described, and written.

Its language model is the folder; the vision tower usually is not in it but is named in `config.json`
(`mm_vision_tower`): a folder inside or beside the checkpoint, an absolute path, or a name on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from chiasm.checkpoints import processor_json, towers, weights
from chiasm.checkpoints.description import Description, assume_template, processor_of
from chiasm.checkpoints.huggingface import base_of
from chiasm.checkpoints.json_files import read_json, without_code, write_json
from chiasm.checkpoints.model_configs import completed, tower_numbers, vocabulary_size
from chiasm.checkpoints.processor_json import OriginalRecord
from chiasm.checkpoints.tensors import Stored, read_folder
from chiasm.checkpoints.tokenizer_files import (
    FolderTokenizer,
    end_of_sequence,
    for_original,
    json_files,
    without_tokens,
)
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PICTURE

# model_type -> the language model's, and the template that is assumed where no file names one (LLaVA's builder.py and
# eval/run_llava.py choose by the folder's name; the model type at least is written by the trainer).
_FAMILIES: Mapping[str, tuple[str, str]] = {
    "llava_llama": ("llama", "vicuna_v1"),
    "llava": ("llama", "vicuna_v1"),  # checkpoints of 2023
    "llava_mistral": ("mistral", "mistral_instruct"),
    "llava_mpt": ("mpt", "mpt"),
    "llava_qwen": ("qwen2", "qwen"),
}
# Keys of LLaVA's own in config.json, which are none of the language model's.
_OWN_KEYS = ("mm_", "tune_mm_", "freeze_mm_", "unfreeze_mm_", "use_mm_", "image_", "tokenizer_", "vision_tower", "s2")

TOWER_FOLDER = "vision_tower"  # where a tower's configuration goes that is in no other place


def is_original(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is of this layout."""
    return config.get("model_type") in _FAMILIES and "text_config" not in config and "mm_vision_tower" in config


def describe(
    folder: Path,
    manifest: dict[str, Any] | None,
    template: str | None = None,
    stored: Mapping[str, Stored] | None = None,
    words: Path | None = None,
) -> Description:
    """What the folder is; raises `UserError` for whatever does not fit together, or a tower that cannot be found.

    `stored` are the tensors of a folder that has no weight files of its own, `words` is where its tokenizer lies.
    """
    path = folder / "config.json"
    whole = read_json(path)
    raw = without_code(whole, folder)
    said = processor_json.read(folder)
    family, usual_template = _FAMILIES[raw["model_type"]]
    _check_supported(raw, path)
    tower = towers.open_tower(raw["mm_vision_tower"], beside=folder)
    text = {key: value for key, value in raw.items() if not key.startswith(_OWN_KEYS)} | {"model_type": family}
    config = LlavaConfig(
        vision=tower.config,
        language=completed(text, "language model"),
        connector=raw.get("mm_projector_type", "linear"),  # LLaVA's builder.py: linear where it is not named
        feature_layer=raw.get("mm_vision_select_layer", -2),
        class_token=raw.get("mm_vision_select_feature", "patch") == "cls_patch",
        image_token_id=PICTURE,
    )
    if said is not None:
        processor_json.check_numbers(said, config, folder)

    def chosen_template(_: FolderTokenizer) -> str:
        if template is not None:
            return template
        return said.template if said else assume_template(usual_template, processor_json.FILE)

    def images() -> ImageProcessing:
        return ImageProcessing.from_preprocessor_config(
            tower.preprocessor,
            raw.get("image_aspect_ratio") or "square",
            tower_numbers(config).patch_size,
            class_token=config.class_token,
        )

    words = words or folder
    processor = processor_of(
        words, said, config, chosen_template, images, lambda tokens: end_of_sequence(tokens, words, config.language)
    )
    length = raw.get("tokenizer_model_max_length")
    if said is None and isinstance(length, int):
        processor.max_length = length
    base = base_of(config)
    found = read_folder(folder) if stored is None else stored
    tensors, strangers = weights.renamed(
        {name: tensor for name, tensor in found.items() if not weights.is_derived(name)},
        lambda name: weights.from_original(name, config.connector, base),
    )
    has_tower = any(name.startswith("vision_tower.") for name in tensors)
    if not has_tower and stored is None:
        tensors.update({f"vision_tower.{name}": tensor for name, tensor in tower.weights().items()})
    record = OriginalRecord(
        config=whole,
        tower_weights=has_tower,
        vocab_size=vocabulary_size(config),
        files=json_files(words),
        had_tokenizer_json=(words / "tokenizer.json").is_file(),
    )
    return Description(folder, "original", config, processor, tensors, tuple(strangers), manifest, has_tower, record)


def files(
    config: LlavaConfig, processor: Processor, dtype: torch.dtype, record: OriginalRecord | None
) -> dict[str, bytes]:
    """Every small file of the layout but `processor.json`; as `record` has them where the model was such a one."""
    if record is not None:
        kept = for_original(processor.tokenizer)
        result = {"config.json": write_json(record.config)}
        result.update({name: write_json(contents) for name, contents in record.files.items()})
        if "tokenizer.model" in kept:
            result["tokenizer.model"] = kept["tokenizer.model"]
        if record.had_tokenizer_json or "tokenizer.model" not in kept:
            result["tokenizer.json"] = without_tokens(kept["tokenizer.json"], record.added_tokens)
        return result
    families = {family: name for name, (family, _) in reversed(tuple(_FAMILIES.items()))}
    kind = config.language["model_type"]
    if kind not in families:
        raise UserError(f"the original layout has no {kind} models; known: {', '.join(families)}. Write hf instead")
    model = {
        **config.language,
        "architectures": [f"Llava{families[kind].removeprefix('llava_').capitalize()}ForCausalLM"],
        "image_aspect_ratio": processor.images.policy,
        "mm_hidden_size": config.vision_width,
        "mm_patch_merge_type": "flat",
        "mm_projector_type": config.connector,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "cls_patch" if config.class_token else "patch",
        "mm_vision_select_layer": config.feature_layer,
        "mm_vision_tower": TOWER_FOLDER,
        "model_type": families[kind],
        "tokenizer_model_max_length": processor.max_length,
        "tokenizer_padding_side": "right",
        "torch_dtype": str(dtype).removeprefix("torch."),
        "use_mm_proj": True,
    }
    generation = {key: config.language[key] for key in ("bos_token_id", "eos_token_id") if key in config.language}
    return {
        **for_original(processor.tokenizer),
        "config.json": write_json(model),
        "generation_config.json": write_json(generation),
        **tower_files(config, processor, TOWER_FOLDER),
    }


def usable_record(record: OriginalRecord | None, config: LlavaConfig, processor: Processor) -> OriginalRecord | None:
    """The record if it still describes this model, None if the model has been changed since."""
    if record is None:
        return None
    raw = record.config
    unchanged = (
        raw.get("hidden_size") in (None, config.language_width)
        and raw.get("num_hidden_layers") in (None, config.language.get("num_hidden_layers"))
        and raw.get("mm_projector_type", "linear") == config.connector
        and raw.get("mm_vision_select_layer", -2) == config.feature_layer
        and (raw.get("image_aspect_ratio") or "square") == processor.images.policy
    )
    return record if unchanged else None


def own_tower_folder(record: OriginalRecord) -> str | None:
    """The name under which a tower must lie inside the checkpoint, None for one that is found elsewhere or inside.

    A bare folder name says the tower lay beside the original; a copy goes inside, so that the result can be loaded.
    """
    name = record.config.get("mm_vision_tower")
    is_bare = isinstance(name, str) and "/" not in name and "\\" not in name and not name.startswith(".")
    return str(name) if is_bare else None


def tower_files(config: LlavaConfig, processor: Processor, folder: str) -> dict[str, bytes]:
    """A tower's configuration and preprocessor for a folder of its own."""
    vision = {**config.vision, "architectures": [towers.TOWER_CLASSES[config.vision["model_type"]]]}
    plain = processor.images.model_copy(update={"policy": "square"})  # the tower's own; the policy is the checkpoint's
    return {
        f"{folder}/config.json": write_json(vision),
        f"{folder}/preprocessor_config.json": write_json(plain.to_preprocessor_config()),
    }


def _check_supported(raw: dict[str, Any], path: Path) -> None:
    if raw.get("mm_use_im_start_end"):
        raise UserError(f"{path} says mm_use_im_start_end: pictures between two tokens of their own are not supported")
    if raw.get("mm_vision_select_feature", "patch") not in ("patch", "cls_patch"):
        raise UserError(
            f"{path} says mm_vision_select_feature {raw['mm_vision_select_feature']!r}; expected patch or cls_patch"
        )
    for key, kind in (("mm_vision_select_layer", int), ("mm_projector_type", str), ("mm_vision_tower", str)):
        if key in raw and not isinstance(raw[key], kind):
            raise UserError(f"{path} says {key}: {raw[key]!r}; expected a {'number' if kind is int else 'name'}")


def recorded(record: OriginalRecord | None, added_tokens: tuple[str, ...]) -> OriginalRecord | None:
    """The record with the tokens that the Hugging Face layout added."""
    return record.model_copy(update={"added_tokens": added_tokens}) if record is not None else None
