"""Vision towers in folders of their own: CLIP and SigLIP, alone or with their text half."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chiasm.checkpoints import weights
from chiasm.checkpoints.json_files import read_json, without_code
from chiasm.checkpoints.locating import TOWER, locate
from chiasm.checkpoints.model_configs import tower_of
from chiasm.checkpoints.tensors import Stored, read_folder
from chiasm.errors import UserError

# Model types of towers and the classes of transformers that read them.
TOWER_CLASSES: Mapping[str, str] = {
    "clip_vision_model": "CLIPVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
}


@dataclass(frozen=True, slots=True)
class Tower:
    """A vision tower's folder: its configuration, what its image processor says, and its tensors on request."""

    folder: Path
    config: dict[str, Any]
    preprocessor: dict[str, Any]

    def weights(self) -> dict[str, Stored]:
        """Tensors under the names of the bare tower; the text half of a CLIP is left out.

        Raises `UserError` for missing weights and for tensors that are neither half's.
        """
        named, others = weights.renamed(
            {name: tensor for name, tensor in read_folder(self.folder).items() if not weights.is_derived(name)},
            weights.from_tower,
        )
        if strangers := [name for name in others if not weights.is_text_side(name)]:
            raise UserError(f"{self.folder} holds tensors that are no part of a vision tower: {', '.join(strangers)}")
        return named


def open_tower(source: str | Path, beside: Path | None = None) -> Tower:
    """A vision tower (CLIP or SigLIP, alone or with its text half) from a folder or the hub.

    With `beside`, a relative name is looked for inside and beside that checkpoint folder.
    """
    folder = locate(source, beside, what=TOWER)
    config = tower_of(without_code(read_json(folder / "config.json"), folder))
    return Tower(folder, config, read_json(folder / "preprocessor_config.json"))


def read_tower(source: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A vision tower's configuration and its tensors, named as in the bare tower, from a folder or the hub."""
    tower = open_tower(source)
    return tower.config, {name: tensor.read() for name, tensor in tower.weights().items()}
