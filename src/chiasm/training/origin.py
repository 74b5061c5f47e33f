"""The model a run begins with: from checkpoints, from separate backbones, or from nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from chiasm import checkpoints
from chiasm.checkpoints import backbones, connector_files, towers
from chiasm.checkpoints.checkpoint import Checkpoint
from chiasm.checkpoints.locating import locate
from chiasm.checkpoints.model_configs import completed
from chiasm.checkpoints.tensors import Stored
from chiasm.checkpoints.tokenizer_files import FolderTokenizer
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer
from chiasm.training.config import Model, Recipe, Vocabulary
from chiasm.training.vocabulary import learn

_NUM_READ = 512  # of each parameter, evenly spread; ours


def build_model(recipe: Recipe) -> tuple[Llava, Processor]:
    """Model and processor before the first stage; random weights are a function of the recipe's seed."""
    origin = recipe.model
    dtype = torch.float32 if recipe.precision == "float32" else torch.bfloat16
    torch.manual_seed(recipe.seed)
    if origin.start is not None:
        checkpoint = checkpoints.load(origin.start, dtype=dtype)
    elif isinstance(origin.vision, str) and isinstance(origin.language, str):
        checkpoint = checkpoints.load_backbones(
            vision=origin.vision,
            language=origin.language,
            connector=origin.connector,
            feature_layer=origin.feature_layer,
            class_token=origin.class_token,
            dtype=dtype,
            seed=recipe.seed,
        )
    else:
        checkpoint = _from_configurations(origin)
    if origin.connector_weights is not None:
        _read_connector(checkpoint.model, origin.connector_weights)
    return checkpoint.model, checkpoint.processor


def fingerprint(model: Llava) -> str:
    """A digest of the name, shape and type of every parameter and of some of its numbers.

    For other weights it is another one, also where a file has the name and the shapes of another. Not all numbers are
    read, so one that was altered by itself may pass: checkpoints have digests of their own.
    """
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        numbers = parameter.detach().flatten()
        some = numbers[:: max(1, len(numbers) // _NUM_READ)].contiguous()
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
        digest.update(some.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read_connector(model: Llava, source: str) -> None:
    """Put a stage-1 connector into a model it fits."""
    expected = {name: tuple(parameter.shape) for name, parameter in model.connector.state_dict().items()}
    tensors = connector_files.read_connector(source)
    connector_files.check_connector(tensors, expected, model.config.connector, source)
    model.connector.load_state_dict(tensors)


def _from_configurations(origin: Model) -> Checkpoint:
    """Random weights for the parts given as configurations; a part given as a folder keeps its own, and its habits."""
    tower_tensors: dict[str, torch.Tensor] = {}
    language_tensors: dict[str, torch.Tensor] = {}
    eos_token: str | None = "</s>"  # of the vocabularies made here; others carry it or get none
    if isinstance(origin.vision, str):
        tower = towers.open_tower(origin.vision)
        vision, tower_tensors = tower.config, _read(tower.weights())
        images = ImageProcessing.from_preprocessor_config(
            tower.preprocessor, None, vision["patch_size"], class_token=origin.class_token
        )
    else:
        assert origin.vision is not None  # `Model` refuses recipes without
        vision = completed(origin.vision, "vision tower")
        images = ImageProcessing(
            size=vision["image_size"], patch_size=vision["patch_size"], class_token=origin.class_token
        )
    if isinstance(origin.language, str):
        words = backbones.open_language(origin.language)
        language, language_tensors = words.config, _read(words.weights())
        tokenizer: PieceTokenizer = words.tokenizer
        eos_token = words.eos_token
    else:
        assert origin.language is not None
        tokenizer = _tokenizer(origin)
        language = {**origin.language, **_vocabulary_settings(tokenizer)}
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
    return Checkpoint(model, Processor(tokenizer, "vicuna_v1", images, eos_token=eos_token), "chiasm")


def _read(stored: Mapping[str, Stored]) -> dict[str, torch.Tensor]:
    return {name: tensor.read() for name, tensor in stored.items()}


def _tokenizer(origin: Model) -> PieceTokenizer:
    if isinstance(origin.vocabulary, Vocabulary):
        return PieceTokenizer(learn(origin.vocabulary))
    return FolderTokenizer.from_folder(locate(str(origin.vocabulary), what="the vocabulary"))


def _vocabulary_settings(tokenizer: PieceTokenizer) -> dict[str, Any]:
    """What a fresh language model must know of its tokenizer."""
    ids = {"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"}
    return {"vocab_size": len(tokenizer), **{key: tokenizer.special.get(token) for key, token in ids.items()}}
