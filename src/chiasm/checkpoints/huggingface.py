"""The Hugging Face layout, as llava-hf/llava-1.5-7b-hf has it: described, and written.

transformers' `LlavaForConditionalGeneration` and `AutoProcessor`, vLLM and SGLang read what is written here. Our own
`processor.json` beside it says what those files have no word for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from chiasm.checkpoints import chat_templates, processor_json, weights
from chiasm.checkpoints.description import Description, assume_template, processor_of
from chiasm.checkpoints.json_files import note, read_json, read_json_if_there, section, without_code, write_json
from chiasm.checkpoints.model_configs import completed, tower_numbers, tower_of
from chiasm.checkpoints.tensors import Stored, read_folder
from chiasm.checkpoints.tokenizer_files import FolderTokenizer, HfTokenizer, end_of_sequence
from chiasm.conversation import IMAGE_MARKER
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor

CONNECTOR = "mlp2x_gelu"  # the only connector transformers' Llava has
CONNECTOR_KEY = "mm_projector_type"  # the original layout's word for it, used here for the others


def describe(
    folder: Path,
    manifest: dict[str, Any] | None,
    template: str | None = None,
    stored: Mapping[str, Stored] | None = None,
) -> Description:
    """What the folder is; raises `UserError` for whatever does not fit together.

    `stored` are the tensors of a folder that has no weight files of its own.
    """
    path = folder / "config.json"
    raw = without_code(read_json(path), folder)
    said = processor_json.read(folder)
    config = LlavaConfig(
        vision=tower_of({"model_type": "clip_vision_model", **section(raw, "vision_config", path)}),
        language=completed({"model_type": "llama", **section(raw, "text_config", path)}, "language model"),
        connector=_connector(raw, path),
        feature_layer=_integer(raw, "vision_feature_layer", -2, path),
        class_token=False,
        image_token_id=_integer(raw, "image_token_index", raw.get("image_token_id", 32000), path),
    )
    config = config.model_copy(update={"class_token": _class_token(raw, config, path)})
    if said is not None:
        processor_json.check_numbers(said, config, folder)

    def chosen_template(tokenizer: FolderTokenizer) -> str:
        if template is not None:
            return template
        return said.template if said else _recognised(folder, tokenizer)

    def images() -> ImageProcessing:
        tower = tower_numbers(config)
        # transformers 5 writes the image processor into the processor's own file.
        inside = read_json_if_there(folder / "processor_config.json").get("image_processor")
        path = folder / "preprocessor_config.json"
        preprocessor = inside if isinstance(inside, dict) and not path.is_file() else read_json(path)
        return ImageProcessing.from_preprocessor_config(
            preprocessor, None, tower.patch_size, class_token=config.class_token
        )

    processor = processor_of(
        folder, said, config, chosen_template, images, lambda tokens: end_of_sequence(tokens, folder, config.language)
    )
    _check_image_token(processor, folder)
    base = base_of(config)
    found = read_folder(folder) if stored is None else stored
    tensors, strangers = weights.renamed(
        {name: tensor for name, tensor in found.items() if not weights.is_derived(name)},
        lambda name: weights.from_hf(name, base),
    )
    return Description(
        folder=folder,
        layout="chiasm" if said else "hf",
        config=config,
        processor=processor,
        tensors=tensors,
        strangers=tuple(strangers),
        manifest=manifest,
        tower_weights=True,
        original=said.original if said else None,
    )


def base_of(config: LlavaConfig) -> str:
    """What the language model's family calls its blocks: `model` for Llama, `transformer` for GPT-2 and MPT."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    family: Any = MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[config.language["model_type"]]]
    return str(family.base_model_prefix)


def files(config: LlavaConfig, processor: Processor, tokenizer: HfTokenizer, dtype: torch.dtype) -> dict[str, bytes]:
    """Every small file of the layout but `processor.json`. `config` has the image token in its vocabulary already."""
    if config.connector != CONNECTOR:
        note(f"transformers knows no connector '{config.connector}': only chiasm will read this folder")
    tower = tower_numbers(config)
    strategy = "default" if tower.has_class_token and not config.class_token else "full"
    text = {**config.language, "torch_dtype": _name(dtype), "pad_token_id": tokenizer.pad_token_id}
    model: dict[str, Any] = {
        "architectures": ["LlavaForConditionalGeneration"],
        "ignore_index": -100,
        "image_seq_length": tower.layout(config.class_token).tokens_per_tile,
        "image_token_index": config.image_token_id,
        "model_type": "llava",
        "pad_token_id": tokenizer.pad_token_id,
        "projector_hidden_act": "gelu",
        "text_config": text,
        "tie_word_embeddings": bool(config.language.get("tie_word_embeddings", False)),
        "torch_dtype": _name(dtype),
        "vision_config": config.vision,
        "vision_feature_layer": config.feature_layer,
        "vision_feature_select_strategy": strategy,
    }
    if config.connector != CONNECTOR:
        model[CONNECTOR_KEY] = config.connector
    numbers = {
        "image_token": IMAGE_MARKER,
        # Without these three, transformers and vLLM count 575 tokens a picture.
        "num_additional_image_tokens": int(tower.has_class_token),
        "patch_size": tower.patch_size,
        "processor_class": "LlavaProcessor",
        "vision_feature_select_strategy": strategy,
    }
    generation: dict[str, Any] = {
        key: config.language[key] for key in ("bos_token_id", "eos_token_id") if key in config.language
    }
    preprocessor = {**processor.images.to_preprocessor_config(), "processor_class": "LlavaProcessor"}
    result: dict[str, bytes] = {
        **tokenizer.files,
        "config.json": write_json(model),
        "generation_config.json": write_json({**generation, "pad_token_id": tokenizer.pad_token_id}),
        "preprocessor_config.json": write_json(preprocessor),
        "processor_config.json": write_json(numbers),
    }
    jinja = chat_templates.jinja(processor.template)
    if jinja is not None:
        result["chat_template.jinja"] = jinja.encode()
    return result


def _connector(raw: dict[str, Any], path: Path) -> str:
    name = raw.get(CONNECTOR_KEY, CONNECTOR)
    if not isinstance(name, str) or raw.get("projector_hidden_act", "gelu") != "gelu":
        raise UserError(
            f"{path} wants the connector {name!r} with {raw.get('projector_hidden_act')!r} between its layers; "
            "expected the name of a connector, and 'gelu'"
        )
    return name


def _class_token(raw: dict[str, Any], config: LlavaConfig, path: Path) -> bool:
    strategy = raw.get("vision_feature_select_strategy", "default")
    has_class_token = tower_numbers(config).has_class_token
    if strategy not in ("default", "full") or (strategy == "default" and not has_class_token):
        raise UserError(
            f"{path} says vision_feature_select_strategy {strategy!r}; expected 'full'"
            + (" or 'default'" if has_class_token else ": this tower has no class token to drop")
        )
    return bool(strategy == "full" and has_class_token)


def _integer(raw: dict[str, Any], key: str, default: object, path: Path) -> int:
    value = raw.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{path} says {key}: {value!r}; expected one whole number")
    return value


def _recognised(folder: Path, tokenizer: FolderTokenizer) -> str:
    """The template whose text the folder's chat template writes, else Vicuna's, said aloud."""
    start = tokenizer.tokenizer.id_to_token(tokenizer.bos_ids[0]) if tokenizer.bos_ids else None
    for source in _jinja_sources(folder):
        if (name := chat_templates.recognise(source, start)) is not None:
            return name
    return assume_template("vicuna_v1", processor_json.FILE)


def _jinja_sources(folder: Path) -> list[str]:
    """The folder's chat templates, wherever transformers has kept them over the years."""
    sources: list[object] = []
    path = folder / "chat_template.jinja"
    if path.is_file() and path.stat().st_size < 1_000_000:
        sources.append(path.read_text(encoding="utf-8", errors="replace"))
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        sources.append(read_json_if_there(folder / name).get("chat_template"))
    return [source for source in sources if isinstance(source, str)]


def _check_image_token(processor: Processor, folder: Path) -> None:
    """Raise `UserError` when the id that stands for pictures is an ordinary word's."""
    token = processor.tokenizer.tokenizer.id_to_token(processor.image_token_id)
    if processor.image_token_id >= 0 and token is not None and token not in processor.tokenizer.special:
        raise UserError(
            f"{folder}: config.json puts pictures at id {processor.image_token_id}, which the tokenizer reads as the "
            f"word {token!r}. Config and tokenizer belong to different models"
        )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
