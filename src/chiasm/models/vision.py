"""Features of pictures from a transformers vision tower (CLIP, SigLIP), up to the selected layer and no further."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from chiasm.errors import UserError

# Towers whose modules `features` walks: embeddings, [pre_layrnorm], encoder.layers.
KNOWN_TOWERS = {"clip_vision_model": "CLIPVisionModel", "siglip_vision_model": "SiglipVisionModel"}


def build_tower(config: dict[str, Any]) -> nn.Module:
    """An empty or freshly initialised vision tower of transformers; raises `UserError` for a kind it does not know."""
    import transformers
    from transformers.activations import QuickGELUActivation

    kind = config.get("model_type")
    if kind not in KNOWN_TOWERS:
        raise UserError(f"no vision tower of type {kind!r}: known: {', '.join(sorted(KNOWN_TOWERS))}")
    tower = getattr(transformers, KNOWN_TOWERS[kind])
    settings = {key: value for key, value in config.items() if key not in ("torch_dtype", "dtype")}
    module: nn.Module = tower._from_config(tower.config_class(**settings), dtype=torch.get_default_dtype())
    for name, activation in list(module.named_modules()):
        if isinstance(activation, QuickGELUActivation):
            module.set_submodule(name, _QuickGELU())
    return module


class _QuickGELU(nn.Module):
    """OpenAI's x * sigmoid(1.702 x), bit for bit; without gradients in one temporary instead of three.

    In CLIP-L these temporaries, four widths wide, were 5 % of the time to a first token.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same."""
        y = 1.702 * x
        return x * torch.sigmoid(y) if torch.is_grad_enabled() else y.sigmoid_().mul_(x)


def num_layers_to_run(feature_layer: int, num_layers: int) -> int:
    """How many encoder layers give the features of `feature_layer`, counted like `hidden_states` of transformers."""
    count = feature_layer if feature_layer >= 0 else num_layers + 1 + feature_layer
    if not 0 <= count <= num_layers:
        raise UserError(
            f"feature layer {feature_layer} of a vision tower with {num_layers} layers: "
            f"expected {-num_layers - 1} to {num_layers}; LLaVA uses -2"
        )
    return count


def resize(tower: nn.Module, size: int) -> None:
    """Let the tower take pictures of `size` x `size` pixels: what it knows of places is stretched over the new grid.

    By bicubic interpolation, so that it can learn on from there, as CLIP-L/336 did from CLIP-L/224 (arXiv:2103.00020,
    section 2.5). Raises `UserError` for a size that holds no patch.
    """
    modules: Any = tower
    embeddings = modules.embeddings
    patches = size // embeddings.patch_size
    if patches < 1:
        raise UserError(f"pictures of {size} pixels hold no patch of {embeddings.patch_size}: make them larger")
    positions_PD = embeddings.position_embedding.weight
    num_class = int(has_class_token(tower))
    before = math.isqrt(len(positions_PD) - num_class)
    with torch.no_grad():
        # On the CPU: a run that goes on stretches them there, and must come to the same bits.
        grid_NDHW = positions_PD[num_class:].float().cpu().unflatten(0, (before, before)).permute(2, 0, 1)[None]
        grown_NDHW = F.interpolate(grid_NDHW, (patches, patches), mode="bicubic", align_corners=False)
        grown_PD = grown_NDHW[0].flatten(1).T.to(positions_PD)
        weight_PD = torch.cat([positions_PD[:num_class], grown_PD])
    stretched = nn.Embedding(len(weight_PD), weight_PD.shape[1], _weight=weight_PD)
    stretched.weight.requires_grad_(positions_PD.requires_grad)
    embeddings.position_embedding = stretched
    embeddings.position_ids = torch.arange(stretched.num_embeddings, device=positions_PD.device)[None]
    embeddings.image_size, embeddings.num_patches = size, patches**2
    embeddings.num_positions = stretched.num_embeddings
    modules.config.image_size = size


def num_layers(tower: nn.Module) -> int:
    """How many encoder layers the tower has."""
    modules: Any = tower
    return len(modules.encoder.layers)


def features(tower: nn.Module, pixels_NCHW: torch.Tensor, feature_layer: int, class_token: bool) -> torch.Tensor:
    """pixels (tiles, 3, height, width), normalised -> features (tiles, patches, width) of the selected layer.

    Layers after the selected one are never computed. The class token leads CLIP's features and is dropped unless
    `class_token`; SigLIP has none. Source: LLaVA's clip_encoder.py, `feature_select`.
    """
    (x_NPD,) = hidden_states(tower, pixels_NCHW, (feature_layer,))
    return without_class_token(tower, x_NPD) if not class_token else x_NPD


def hidden_states(tower: nn.Module, pixels_NCHW: torch.Tensor, layers: Sequence[int]) -> list[torch.Tensor]:
    """pixels (tiles, 3, height, width) -> hidden states of `layers`, any class token first; no layer runs twice."""
    modules: Any = tower
    numbers = [num_layers_to_run(layer, num_layers(tower)) for layer in layers]
    x_NTD: torch.Tensor = modules.embeddings(pixels_NCHW)
    if hasattr(tower, "pre_layrnorm"):  # CLIP normalises its embeddings; the name is spelt so in every checkpoint
        x_NTD = modules.pre_layrnorm(x_NTD)
    found = {0: x_NTD}
    for number, layer in enumerate(modules.encoder.layers[: max(numbers)], start=1):
        x_NTD = layer(x_NTD, None)
        if number in numbers:
            found[number] = x_NTD
    return [found[number] for number in numbers]


def without_class_token(tower: nn.Module, x_NTD: torch.Tensor) -> torch.Tensor:
    """Hidden states (tiles, tokens, width) of the patches alone."""
    return x_NTD[:, 1:] if has_class_token(tower) else x_NTD


def has_class_token(tower: nn.Module) -> bool:
    """Whether the tower puts a class token before its patches."""
    return hasattr(tower.embeddings, "class_embedding")
