"""Contrastive losses over embeddings of unit length. They know neither towers nor where embeddings come from."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def paired(
    a_ND: torch.Tensor,
    b_MD: torch.Tensor,
    pairs_2K: torch.Tensor,
    true_NM: torch.Tensor | None,
    scale: torch.Tensor,
) -> torch.Tensor:
    """Mean over pairs of how badly each finds its partner, both ways: Radford et al. 2021, section 2.3, figure 3.

    `pairs_2K` are K pairs (row of a, row of b); `true_NM` says what else belongs together: such rows are no one's
    partner in a pair, and no wrong answer either, so they are left out where they would count as one. `scale` is one
    over the temperature. Zero, with a graph, where there are no pairs.
    """
    logits_NM = scale * (a_ND @ b_MD.T)
    if not pairs_2K.shape[1]:
        return logits_NM.sum() * 0
    first_K, second_K = pairs_2K
    positives_K = logits_NM[first_K, second_K]
    if true_NM is not None:
        logits_NM = logits_NM.masked_fill(true_NM, -torch.inf)
    return (_lost(positives_K, logits_NM, first_K, second_K) + _lost(positives_K, logits_NM.T, second_K, first_K)) / 2


def _lost(
    positives_K: torch.Tensor, logits_NM: torch.Tensor, rows_K: torch.Tensor, cols_K: torch.Tensor
) -> torch.Tensor:
    """Mean of -log of each positive's share among itself and all that is wrong in its row.

    A row's wrong answers are the same for each of its pairs but for the partner itself, which is left out first.
    """
    wrong_NM = logits_NM.index_put((rows_K, cols_K), logits_NM.new_tensor(-torch.inf))
    # A row in which nothing is wrong loses nothing; its gradient is that of a constant.
    against_N = torch.logsumexp(F.pad(wrong_NM, (0, 1), value=-1e30), dim=1)
    return F.softplus(against_N[rows_K] - positives_K).mean()
