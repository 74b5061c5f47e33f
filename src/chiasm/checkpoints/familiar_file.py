"""`familiar.safetensors` beside a checkpoint: which pictures are like those it has learnt from. Few folders have one.

Whoever does not know the file ignores it: it holds no weight of the model.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save

from chiasm.atomic import new_file
from chiasm.checkpoints import manifest
from chiasm.checkpoints.json_files import write_json
from chiasm.checkpoints.tensors import read_files
from chiasm.errors import UserError
from chiasm.models.familiarity import Familiarity

FILE = "familiar.safetensors"


def read_familiarity(folder: Path, vision_width: int, num_layers: int) -> Familiarity | None:
    """What `folder` says of a tower of this width and depth; None where it has no such file.

    Raises `UserError` for another's.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    stored = read_files([path])
    num_stats = 2 * vision_width
    num_directions = stored["scales"].shape[0] if "scales" in stored and stored["scales"].shape else 0
    shapes = {
        "mean": (num_stats,),
        "spread": (num_stats,),
        "directions": (num_directions, num_stats),
        "scales": (num_directions,),
        "rest": (1,),
        "limit": (1,),
        **({"layer": (1,)} if "layer" in stored else {}),
    }
    if {name: tensor.shape for name, tensor in stored.items()} != shapes:
        raise UserError(
            f"{path} is not of a tower {vision_width} wide, or is damaged: it holds "
            f"{', '.join(f'{name} {list(tensor.shape)}' for name, tensor in sorted(stored.items()))}. "
            "Remove it, or fit it anew: scripts/fit_familiarity.py"
        )
    tensors = {name: tensor.read().float() for name, tensor in stored.items()}
    rest, limit = float(tensors.pop("rest")), float(tensors.pop("limit"))
    layer = float(tensors.pop("layer")) if "layer" in tensors else None
    if layer is not None and not (0 <= layer <= num_layers and layer.is_integer()):
        raise UserError(
            f"{path}: layer {layer:g} is none of a tower with {num_layers}. Fit it anew: scripts/fit_familiarity.py"
        )
    return Familiarity(**tensors, rest=rest, limit=limit, layer=None if layer is None else int(layer))


def write_familiarity(folder: Path, familiarity: Familiarity) -> Path:
    """Put the file into a checkpoint folder, and into its manifest where it has one; an older one is replaced."""
    tensors = {name: getattr(familiarity, name) for name in ("mean", "spread", "directions", "scales")}
    given = ("rest", "limit") if familiarity.layer is None else ("rest", "limit", "layer")
    numbers = {name: torch.tensor([float(getattr(familiarity, name))]) for name in given}
    data = save({**{name: tensor.contiguous() for name, tensor in tensors.items()}, **numbers})
    path = folder / FILE
    with new_file(path) as file:
        file.write_bytes(data)
    listed = manifest.read(folder)
    if listed is not None:
        listed["files"][FILE] = {"bytes": len(data), "sha256": manifest.digest(path)}
        with new_file(folder / manifest.FILE) as file:
            file.write_bytes(write_json(listed))
    return path
