"""What a Llava is, as a value: enough to build the empty module, nothing about its weights or its text."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from chiasm.errors import UserError


class LlavaConfig(BaseModel):
    """The shape of a model. `vision` and `language` are configurations of transformers, as their JSON files say it.

    `feature_layer` counts like Python: -2 is the output of the last layer but one (LLaVA's choice), -1 of the last.
    `class_token` keeps the tower's class token among the features. `image_token_id` stands in ids where a picture's
    features go: a row of the vocabulary (Hugging Face layout: 32000) or a negative number that is in none (-200).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vision: dict[str, Any]
    language: dict[str, Any]
    connector: str = "mlp2x_gelu"
    feature_layer: int = -2
    class_token: bool = False
    image_token_id: int = -200

    def resized(self, size: int) -> LlavaConfig:
        """The same for pictures of `size` x `size` pixels."""
        return self.model_copy(update={"vision": {**self.vision, "image_size": size}})

    @property
    def vision_width(self) -> int:
        """Width of the tower's features."""
        return _width(self.vision, "vision tower")

    @property
    def language_width(self) -> int:
        """Width of the language model's embeddings."""
        return _width(self.language, "language model")


def _width(config: dict[str, Any], what: str) -> int:
    for key in ("hidden_size", "n_embd", "d_model"):  # Llama and most; GPT-2; MPT
        if isinstance(config.get(key), int):
            return int(config[key])
    raise UserError(f"the configuration of the {what} names no width: expected 'hidden_size', got {', '.join(config)}")
