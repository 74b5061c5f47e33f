"""Checkpoint folders the light implementation computes: random ones of our tests' making."""

from __future__ import annotations

from pathlib import Path

import torch

from chiasm import checkpoints
from tests.checkpoints import tiny


def random_assistant(folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """A folder with fresh weights of the supported kind: GELU in the tower, a tied head, shared keys and values."""
    model = tiny.model(vision={**tiny.VISION, "hidden_act": "gelu"}, tie_word_embeddings=True)
    with torch.no_grad():  # biases begin as zeros and norms as ones, which would hide a tensor in the wrong place
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    checkpoints.save(folder, model.to(dtype), tiny.processor(template="chatml"))
    return folder
