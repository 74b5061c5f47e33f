"""Two towers in one space: a model's CLIP tower, and beside it what makes a whole CLIP of it.

Shapes: N pictures, P patches, S texts, T tokens, W the tower's width, D that of the common space. Source: Radford et
al. 2021 (arXiv 2103.00020), section 2. It knows neither data nor losses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from chiasm.errors import UserError

FIRST_SCALE = math.log(1 / 0.07)  # section 2.5: the temperature begins at 0.07
MOST_SCALE = math.log(100)  # section 2.5: logits are never scaled by more than 100
# Pictures at once through a tower that trains on a CPU: activations of more fall out of its caches. Ours, measured on
# 196 patches of width 192: 16 at once were 11 % faster than 64, 64 a third faster than 256.
_AT_ONCE = 16


class TextSide(nn.Module):
    """Everything of a CLIP but the picture tower, under transformers' names: text tower, projections, temperature."""

    def __init__(self, config: dict[str, Any], vision_width: int) -> None:
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModel

        try:
            self.text_model: Any = cast(Any, CLIPTextModel)._from_config(CLIPTextConfig(**config), dtype=torch.float32)
        except (ValueError, TypeError) as error:
            raise UserError(f"no text tower can be made of {config}: {error}") from None
        width, common = int(config["hidden_size"]), int(config["projection_dim"])
        self.visual_projection = nn.Linear(vision_width, common, bias=False)
        self.text_projection = nn.Linear(width, common, bias=False)
        # As transformers' CLIPModel draws them.
        nn.init.normal_(self.visual_projection.weight, std=vision_width**-0.5)
        nn.init.normal_(self.text_projection.weight, std=width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(FIRST_SCALE))

    def texts(self, ids_ST: torch.Tensor) -> torch.Tensor:
        """Token ids, each row ended by the end token and then padded with anything -> embeddings (S, D) of length 1."""
        with attending_plainly(self.text_model, ids_ST.device.type):
            pooled_SW = self.text_model(input_ids=ids_ST).pooler_output
        return normalised(self.text_projection(pooled_SW))

    def pictures(self, x_NW: torch.Tensor) -> torch.Tensor:
        """Features of pictures, or of parts of them, after the tower's last norm -> embeddings (N, D) of length 1."""
        return normalised(self.visual_projection(x_NW))


def last_features(tower: nn.Module, pixels_NCHW: torch.Tensor) -> torch.Tensor:
    """Pixels -> what a CLIP tower makes of them in the end, normed: the class token, then patches (N, 1 + P, W)."""
    modules: Any = tower
    on_cpu = pixels_NCHW.device.type == "cpu"
    with attending_plainly(tower, pixels_NCHW.device.type):
        parts = cast(Any, torch.split)(pixels_NCHW, _AT_ONCE) if on_cpu and torch.is_grad_enabled() else (pixels_NCHW,)
        x_NPW = torch.cat([modules(part).last_hidden_state for part in parts])
    return cast("torch.Tensor", modules.post_layernorm(x_NPW))


def normalised(x: torch.Tensor) -> torch.Tensor:
    """Vectors of length 1, in float32."""
    return F.normalize(x.float(), dim=-1)


@contextmanager
def attending_plainly(model: Any, device: str) -> Iterator[None]:
    """Let a small model attend by matrix products inside the block where that is faster: on CPUs.

    Forward and backward of a tower of 196 patches took 0.7 of the time of torch's own kernel there in bfloat16.
    """
    before = model.config._attn_implementation
    if device == "cpu":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        if device == "cpu":
            model.set_attn_implementation(before)
