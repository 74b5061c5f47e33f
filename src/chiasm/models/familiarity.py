"""Whether a picture is like those a small model has learnt from, told from what its tower makes of it.

A Gaussian over the mean and the deviation, over all patches, of each of the tower's features. Along the directions in
which pictures differ most it is as wide as they are; in all others it is equally wide (Tipping and Bishop 1999,
"Probabilistic principal component analysis"), which is the shrinkage: a few thousand pictures tell no more, and it
keeps the whole below 300 kB. A tower that was taught to tell things apart, whatever their style, tells strange pictures
by its early layers only. This module knows no files, and nothing of what a picture shows.

Shapes: N pictures, P patches of one, V vision width, S = 2 V statistics, K directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

NUM_DIRECTIONS = 128  # ours: of the 384 statistics of a tower 192 wide; 0.2 MB in float32
KNOWN_SHARE = 0.995  # of pictures held out lie within the limit; ours
_NARROWEST = 1e-3  # of a statistic's deviation: what never varies must not part pictures by rounding


def statistics(x_NPV: torch.Tensor) -> torch.Tensor:
    """Features (N, P, V) of one of the tower's layers -> mean and deviation over the patches (N, S), float32."""
    x_NPV = x_NPV.detach().float().cpu()
    return torch.cat([x_NPV.mean(1), x_NPV.std(1, unbiased=False)], 1)


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What familiar pictures are like. `mean` and `spread` (S) of their statistics; `directions` (K, S) of unit length.

    `scales` (K) are the deviations along these, `rest` the one along every other; `limit` is the distance up to which a
    picture counts as familiar. `layer`: which of the tower's hidden states is looked at; None: what the connector gets.
    """

    mean: torch.Tensor
    spread: torch.Tensor
    directions: torch.Tensor
    scales: torch.Tensor
    rest: float
    limit: float
    layer: int | None = None

    @property
    def vision_width(self) -> int:
        """V of the tower it was fitted with."""
        return len(self.mean) // 2

    def distances(self, stats_NS: torch.Tensor) -> torch.Tensor:
        """How far pictures (N, S) are from what is familiar (N): Mahalanobis distance of the Gaussian."""
        z_NS = (stats_NS - self.mean) / self.spread
        along_NK = z_NS @ self.directions.T
        beyond_N = (z_NS.square().sum(1) - along_NK.square().sum(1)).clamp(min=0)
        return ((along_NK / self.scales).square().sum(1) + beyond_N / self.rest**2).sqrt()

    def is_unfamiliar(self, x_NPV: torch.Tensor) -> bool:
        """Whether a picture of N tiles is unlike the familiar ones, from what `layer` makes of it."""
        # What is no number is like nothing.
        return not float(self.distances(statistics(x_NPV.reshape(1, -1, x_NPV.shape[-1])))) <= self.limit


def fit(familiar_NS: torch.Tensor, held_out_NS: torch.Tensor, layer: int | None = None) -> Familiarity:
    """The Gaussian of familiar pictures, and the limit within which `KNOWN_SHARE` of those held out lie.

    The statistics are of `layer`. Raises `ValueError` for fewer pictures than it takes: twice the directions, and 200
    held out.
    """
    num_directions = min(NUM_DIRECTIONS, familiar_NS.shape[1] - 1)
    if len(familiar_NS) < 2 * num_directions or len(held_out_NS) < 1 / (1 - KNOWN_SHARE) - 1e-6:
        raise ValueError(
            f"{len(familiar_NS):,} pictures and {len(held_out_NS):,} held out: at least {2 * num_directions} and "
            f"{round(1 / (1 - KNOWN_SHARE)):,} are needed"
        )
    stats_NS = familiar_NS.double()
    mean, spread = stats_NS.mean(0), stats_NS.std(0)
    spread = spread.clamp(min=_NARROWEST * float(spread.mean()))
    z_NS = (stats_NS - mean) / spread
    variances, vectors = torch.linalg.eigh(z_NS.T @ z_NS / len(z_NS))  # the narrowest first
    rest = float(variances[:-num_directions].mean().clamp(min=_NARROWEST**2).sqrt())
    scales = variances[-num_directions:].clamp(min=rest**2).sqrt()
    directions = vectors[:, -num_directions:].T.contiguous()
    found = Familiarity(mean.float(), spread.float(), directions.float(), scales.float(), rest, 0.0, layer)
    distances = found.distances(held_out_NS.float())
    limit = float(torch.quantile(distances, KNOWN_SHARE, interpolation="higher"))
    return replace(found, limit=limit)
