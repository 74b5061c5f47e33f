"""What `chiasm.models.familiarity` tells of a picture, in numpy: whether it is like those the model has learnt from.

Shapes: N tiles, P patches of one, V vision width, S = 2 V statistics, K directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chiasm.backends.light.shape import TowerShape, Unsupported
from chiasm.backends.light.weights import Floats, Weights

FILE = "familiar.safetensors"


@dataclass(frozen=True, slots=True)
class Familiar:
    """The Gaussian of familiar pictures: the fields of `chiasm.models.familiarity.Familiarity`."""

    mean: Floats
    spread: Floats
    directions: Floats
    scales: Floats
    rest: float
    limit: float
    layer: int | None = None

    def is_unfamiliar(self, x_NPV: Floats) -> bool:
        """Whether a picture of N tiles is unlike the familiar ones, from what `layer` makes of it."""
        # What is no number is like nothing.
        return not self.distance(x_NPV) <= self.limit

    def distance(self, x_NPV: Floats) -> float:
        """How far a picture is from what is familiar: Mahalanobis distance of the Gaussian."""
        x_PV = x_NPV.reshape(-1, x_NPV.shape[-1])
        z_S = (np.concatenate([x_PV.mean(0), x_PV.std(0)]) - self.mean) / self.spread
        along_K = self.directions @ z_S
        beyond = max(float(z_S @ z_S - along_K @ along_K), 0.0)
        return float((np.square(along_K / self.scales).sum() + beyond / self.rest**2) ** 0.5)


def read_familiar(folder: Path, tower: TowerShape) -> Familiar | None:
    """What `folder` says; None where it has no such file. Raises `Unsupported` for one of another tower.

    Or of a layer that is not run here.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    stored = Weights(path)
    num_stats, num_directions = 2 * tower.width, stored.shape("scales")[0] if stored.shape("scales") else 0
    return Familiar(
        mean=stored.take("mean", num_stats),
        spread=stored.take("spread", num_stats),
        directions=stored.take("directions", num_directions, num_stats),
        scales=stored.take("scales", num_directions),
        rest=float(stored.take("rest", 1)[0]),
        limit=float(stored.take("limit", 1)[0]),
        layer=_layer(stored, tower.num_layers) if "layer" in stored.names else None,
    )


def _layer(stored: Weights, num_layers: int) -> int:
    layer = float(stored.take("layer", 1)[0])
    if not (0 <= layer <= num_layers and layer.is_integer()):
        raise Unsupported(f"layer {layer:g} of a tower that is run up to {num_layers}")
    return int(layer)
