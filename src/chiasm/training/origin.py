"""The model a run begins with: from checkpoints, from separate backbones, or from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from chiasm import checkpoints
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer
from chiasm.training.config import Model, Recipe, Vocabulary
from chiasm.training.vocabulary import learn


def build_model(recipe: Recipe) -> tuple[Llava, Processor]:
    """Model and processor before the first stage; random weights are a function of the recipe's seed."""
    origin = recipe.model
    dtype = torch.float32 if recipe.precision == "float32" else torch.bfloat16
    torch.manual_seed(recipe.seed)
    if origin.start is not None:
        checkpoint = checkpoints.load(origin.start, dtype=dtype)
        model, processor = checkpoint.model, checkpoint.processor
    elif isinstance(origin.vision, str) and isinstance(origin.language, str):
        checkpoint = checkpoints.load_backbones(
            vision=origin.vision,
            language=origin.language,
            connector=origin.connector,
            feature_layer=origin.feature_layer,
            class_token=origin.class_token,
            dtype=dtype,
        )
        model, processor = checkpoint.model, checkpoint.processor
    else:
        model, processor = _from_configurations(origin)
    if origin.connector_weights is not None:
        model.connector.load_state_dict(checkpoints.read_connector(Path(origin.connector_weights)))
    return model, processor


def _from_configurations(origin: Model) -> tuple[Llava, Processor]:
    """Random weights for the parts given as configurations; a part given as a folder keeps its own."""
    tower_tensors: dict[str, torch.Tensor] = {}
    language_tensors: dict[str, torch.Tensor] = {}
    vision, language = origin.vision, origin.language
    if isinstance(vision, str):
        vision, tower_tensors = checkpoints.read_tower(vision)
    if isinstance(language, str):
        language, language_tensors = checkpoints.read_language(language)
    assert vision is not None  # `Model` refuses recipes without
    assert language is not None
    tokenizer = _tokenizer(origin)
    if language.get("vocab_size") is None or isinstance(origin.language, dict):
        language = {**language, **_vocabulary_settings(tokenizer)}
    config = LlavaConfig(
        vision=vision,
        language=language,
        connector=origin.connector,
        feature_layer=origin.feature_layer,
        class_token=origin.class_token,
    )
    model = Llava(config)
    if tower_tensors:
        model.vision_tower.load_state_dict(tower_tensors)
    if language_tensors:
        model.language_model.load_state_dict(language_tensors)
    images = ImageProcessing(size=vision["image_size"], patch_size=vision["patch_size"], class_token=origin.class_token)
    return model, Processor(tokenizer, "vicuna_v1", images, eos_token="</s>")


def _tokenizer(origin: Model) -> PieceTokenizer:
    if isinstance(origin.vocabulary, Vocabulary):
        return PieceTokenizer(learn(origin.vocabulary))
    folder = origin.vocabulary if origin.vocabulary is not None else origin.language
    return PieceTokenizer.from_folder(Path(str(folder)))


def _vocabulary_settings(tokenizer: PieceTokenizer) -> dict[str, Any]:
    """What a fresh language model must know of its tokenizer."""
    ids = {"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"}
    return {"vocab_size": len(tokenizer), **{key: tokenizer.special.get(token) for key, token in ids.items()}}
