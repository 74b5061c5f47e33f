"""Tiny random models in both implementations, and prompts for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaForConditionalGeneration
from transformers import LlavaConfig as TheirConfig

from chiasm.generation.prompt import Picture, Prompt
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava

IMAGE = 100
NUM_PATCHES = 4
VISION: dict[str, Any] = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
LANGUAGE: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
    "max_position_embeddings": 256,
    # Answers of a fresh model repeat one token; wide weights make it wander, so that a wrong position shows.
    "initializer_range": 0.6,
}


def ours(language: dict[str, Any] | None = None) -> Llava:
    torch.manual_seed(0)
    return Llava(LlavaConfig(vision=VISION, language=language or LANGUAGE, image_token_id=IMAGE)).eval()


def both() -> tuple[Llava, Any]:
    """Our model and transformers' own with the same weights."""
    torch.manual_seed(0)
    vision = CLIPVisionConfig(**{k: v for k, v in VISION.items() if k != "model_type"})
    language = LlamaConfig(**{k: v for k, v in LANGUAGE.items() if k != "model_type"})
    theirs = LlavaForConditionalGeneration(
        TheirConfig(vision_config=vision, text_config=language, image_token_index=IMAGE)
    ).eval()
    mine = ours()
    mine.load_state_dict({_our_name(name): tensor for name, tensor in theirs.state_dict().items()})
    return mine, theirs


def _our_name(name: str) -> str:
    if name.startswith("lm_head"):
        return f"language_model.{name}"
    name = name.removeprefix("model.").replace("multi_modal_projector.linear_1", "connector.0")
    name = name.replace("multi_modal_projector.linear_2", "connector.2")
    return name.replace("language_model.", "language_model.model.", 1) if name.startswith("language_model") else name


def pixels(seed: int) -> torch.Tensor:
    return torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(seed))


def prompt(*parts: Sequence[int] | str) -> Prompt:
    """Lists are ids; a string is a picture, its name the seed of its pixels."""
    ids: list[int] = []
    pictures, tiles = [], []
    for part in parts:
        if isinstance(part, str):
            pictures.append(Picture(part, len(ids), len(ids) + NUM_PATCHES, len(tiles), 1))
            tiles.append(pixels(int(part)))
            ids += [IMAGE] * NUM_PATCHES
        else:
            ids += part
    return Prompt(ids, torch.cat([torch.zeros(0, 3, 28, 28), *tiles]), tuple(pictures))
