"""Contrastive losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from chiasm.training.contrastive import paired

# Two pictures and two texts on the axes: cosine 1 with their own, 0 with the other.
AXES = torch.eye(2)
BOTH = torch.tensor([[0, 1], [0, 1]])


def lost(*wrong: float, right: float) -> float:
    """-log of a positive's share among itself and what is wrong."""
    return -math.log(math.exp(right) / (math.exp(right) + sum(math.exp(each) for each in wrong)))


def test_each_finds_its_partner_among_all() -> None:
    loss = paired(AXES, AXES, BOTH, None, torch.tensor(3.0))
    assert float(loss) == pytest.approx(lost(0.0, right=3.0))


def test_both_directions_count_half() -> None:
    # Picture 0 between both texts: its row is 0.6, 0.8; picture 1's is 0, 1.
    pictures = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    rows = lost(0.8, right=0.6) + lost(0.0, right=1.0)
    columns = lost(0.0, right=0.6) + lost(0.8, right=1.0)
    assert float(paired(pictures, AXES, BOTH, None, torch.tensor(1.0))) == pytest.approx((rows + columns) / 4)


def test_pictures_of_one_text_are_not_held_against_each_other() -> None:
    # Both pictures have text 0: for it neither is wrong, so there is nothing to lose by columns; text 1 is wrong.
    pairs = torch.tensor([[0, 1], [0, 0]])
    rows = lost(0.0, right=1.0) + lost(1.0, right=0.0)
    assert float(paired(AXES, AXES, pairs, None, torch.tensor(1.0))) == pytest.approx(rows / 4)


def test_what_is_also_true_is_not_wrong() -> None:
    # Three texts; the second is true of picture 0 as well, so only the third is wrong for it.
    pictures, texts = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    pairs, true = torch.tensor([[0], [0]]), torch.tensor([[True, True, False]])
    rows = lost(0.0, right=2.0)
    assert float(paired(pictures, texts, pairs, true, torch.tensor(2.0))) == pytest.approx(rows / 2)


def test_true_rows_have_no_gradient_and_wrong_ones_do() -> None:
    pictures = torch.tensor([[1.0, 0.0]])
    texts = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], requires_grad=True)
    true = torch.tensor([[True, True, False]])
    paired(pictures, texts, torch.tensor([[0], [0]]), true, torch.tensor(2.0)).backward()
    assert texts.grad is not None
    assert texts.grad[1].abs().sum() == 0
    assert texts.grad[2].abs().sum() > 0
    assert torch.isfinite(texts.grad).all()


def test_no_pairs_lose_nothing_and_can_be_followed_back() -> None:
    pictures = torch.zeros(0, 2, requires_grad=True)
    loss = paired(pictures, AXES, torch.zeros(2, 0, dtype=torch.int64), None, torch.tensor(1.0))
    loss.backward()
    assert float(loss.detach()) == 0


def test_an_untrained_pair_of_towers_loses_the_logarithm_of_the_batch() -> None:
    # All embeddings alike: every share is 1 / 8.
    same = torch.ones(8, 4) / 2
    pairs = torch.arange(8).repeat(2, 1)
    assert float(paired(same, same, pairs, None, torch.tensor(14.0))) == pytest.approx(math.log(8))
