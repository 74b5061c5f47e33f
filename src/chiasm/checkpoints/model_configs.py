"""transformers' configurations of towers and language models: what is left out in their files, filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageLayout

# About where a file came from, not what the model is; and names of classes, which the layout decides.
_NOISE = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype", "_attn_implementation")


def completed(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """The configuration with the sizes in it that the hub's files leave to transformers' defaults.

    `kind` names it in errors. Raises `UserError` for a model type or a value that transformers does not know.
    """
    from transformers import CONFIG_MAPPING

    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        raise UserError(f"the {kind} has model_type {model_type!r}, which this version of transformers does not know")
    settings = {key: value for key, value in config.items() if key not in _NOISE}
    try:
        full = cast(Any, CONFIG_MAPPING[model_type])(**{k: v for k, v in settings.items() if k != "model_type"})
    except Exception as error:  # transformers' validation raises classes of its own
        raise UserError(f"the configuration of the {kind} is not one of a {model_type}: {error}") from None
    sizes = ("hidden_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size")
    return {**{key: getattr(full, key) for key in sizes if hasattr(full, key)}, **settings}


def tower_of(config: dict[str, Any]) -> dict[str, Any]:
    """The tower's configuration from that of a tower alone or of a whole CLIP or SigLIP."""
    if config.get("model_type") in ("clip", "siglip") and isinstance(config.get("vision_config"), dict):
        kind = f"{config['model_type']}_vision_model"
        return completed({**config["vision_config"], "model_type": kind}, "vision tower")
    return completed(config, "vision tower")


@dataclass(frozen=True, slots=True)
class TowerNumbers:
    """Pixels of a tile's edge, pixels of a patch's, and whether a class token stands before the patches."""

    size: int
    patch_size: int
    has_class_token: bool

    def layout(self, class_token: bool) -> ImageLayout:
        """One tile as the tower gives it."""
        return ImageLayout(1, self.size // self.patch_size, self.size // self.patch_size, class_token)


def tower_numbers(config: LlavaConfig) -> TowerNumbers:
    """What the picture side of a processor must agree with; raises `UserError` when the configuration lacks it."""
    size, patch = config.vision.get("image_size"), config.vision.get("patch_size")
    if not isinstance(size, int) or not isinstance(patch, int) or not 0 < patch <= size:
        raise UserError(f"the vision tower says image_size {size!r} and patch_size {patch!r}; expected two lengths")
    return TowerNumbers(size, patch, config.vision.get("model_type") == "clip_vision_model")


def vocabulary_size(config: LlavaConfig) -> int:
    """Rows of the language model's vocabulary."""
    size = config.language.get("vocab_size")
    if not isinstance(size, int) or size < 1:
        raise UserError(f"the language model says vocab_size {size!r}; expected the number of its embeddings")
    return size
