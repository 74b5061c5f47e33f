from __future__ import annotations

import math

import pytest
import torch

from chiasm.models.familiarity import Familiarity, fit, statistics


def drawn(num: int, seed: int) -> torch.Tensor:
    """Statistics that vary in 3 of 6 directions, the first ten times as much, and hardly in the others."""
    noise = torch.Generator().manual_seed(seed)
    widths = torch.tensor([10.0, 1.0, 1.0, 0.01, 0.01, 0.01])
    return torch.randn(num, 6, generator=noise) * widths + torch.arange(6.0)


def test_mean_and_deviation_of_each_feature_over_the_patches() -> None:
    x = torch.tensor([[[1.0, 5.0], [3.0, 5.0]]])
    assert statistics(x).tolist() == [[2.0, 5.0, 1.0, 0.0]]
    assert statistics(x.bfloat16()).dtype == torch.float32


def test_distance_is_mahalanobis() -> None:
    angle = math.radians(30)
    along = torch.tensor([[math.cos(angle), math.sin(angle)]])
    here = Familiarity(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), along, torch.tensor([3.0]), 0.5, 1.0)
    point = torch.tensor([[2.0, 6.0]])
    # By hand: the covariance is 9 along, 0.25 across, of (point - mean) / spread = (1, 2).
    across = torch.tensor([-math.sin(angle), math.cos(angle)])
    covariance = 9 * along.T @ along + 0.25 * across[:, None] @ across[None]
    z = torch.tensor([1.0, 2.0])
    assert float(here.distances(point)) == pytest.approx(math.sqrt(z @ torch.linalg.inv(covariance) @ z), rel=1e-5)


def test_what_hardly_varied_is_what_tells_strangers() -> None:
    found = fit(drawn(4000, 1), drawn(1000, 2))
    fresh = drawn(20_000, 3)
    beyond = (found.distances(fresh) > found.limit).float().mean()
    assert beyond < 0.01
    strangers = fresh + torch.tensor([0, 0, 0, 0, 0.5, 0])
    assert (found.distances(strangers) > found.limit).all()
    # Far along where the familiar vary is no stranger.
    assert (found.distances(fresh + torch.tensor([10.0, 0, 0, 0, 0, 0])) <= found.limit).float().mean() > 0.9


def test_of_a_thousand_held_out_at_most_five_are_beyond() -> None:
    held_out = drawn(1000, 2)
    found = fit(drawn(4000, 1), held_out)
    assert 3 <= int((found.distances(held_out) > found.limit).sum()) <= 5


def test_a_picture_is_judged_by_all_its_tiles() -> None:
    torch.manual_seed(0)
    features = torch.randn(2000, 1, 50, 4)
    stats = torch.cat([statistics(x) for x in features])
    found = fit(stats[:1000], stats[1000:])
    tiles = torch.randn(3, 50, 4)
    assert found.vision_width == 4
    assert not found.is_unfamiliar(tiles)
    assert found.is_unfamiliar(tiles * torch.tensor([1.0, 1, 1, 3]))
    assert found.is_unfamiliar(tiles * torch.nan)


def test_a_feature_that_never_varies_is_no_reason() -> None:
    stats, held_out = drawn(4000, 1), drawn(1000, 2)
    stats[:, 5] = held_out[:, 5] = 7.0
    found = fit(stats, held_out)
    fresh = drawn(1000, 3)
    fresh[:, 5] = 7.0 + 1e-6
    assert (found.distances(fresh) > found.limit).float().mean() < 0.01


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="9 pictures and 1,000 held out: at least 10"):
        fit(drawn(9, 1), drawn(1000, 2))
    with pytest.raises(ValueError, match="199 held out"):
        fit(drawn(4000, 1), drawn(199, 2))
