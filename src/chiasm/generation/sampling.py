"""Choosing the next token from logits: greedy, or drawn at a temperature from the most likely ones.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Decoding:
    """How ids are chosen and when an answer ends: at one of `end_ids`, which is not part of it, or at `max_tokens`.

    `temperature` 0 is greedy. `seed` makes the draw repeatable, alone or in a batch; None draws anew each time.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    end_ids: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"temperature must be at least 0 and top_p in (0, 1], not {self.temperature} and {self.top_p}"
            )

    def draw(self) -> torch.Generator:
        """A source of randomness for one answer. Always on the CPU, so that a seed means the same on every device."""
        generator = torch.Generator()
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed % 2**63)
        return generator


def choose(logits_BV: torch.Tensor, decoding: Decoding, draws: Sequence[torch.Generator]) -> list[int]:
    """logits (B, V) of any floating type -> B ids.

    `draws` holds one generator a row, so that rows do not disturb each other; each gives one number.
    """
    if decoding.temperature == 0:
        chosen: list[int] = logits_BV.argmax(-1).tolist()
        return chosen
    uniform_B = torch.stack([torch.rand((), generator=draw, dtype=torch.float64) for draw in draws])
    return _drawn(logits_BV.float() / decoding.temperature, decoding.top_p, uniform_B.to(logits_BV.device))


def _drawn(logits_BV: torch.Tensor, top_p: float, uniform_B: torch.Tensor) -> list[int]:
    """Inverse transform sampling from the smallest set of tokens whose probability reaches `top_p`.

    Source of top-p: Holtzman et al., arXiv 1904.09751, section 3.1.
    """
    # Subtracting the largest logit first keeps temperatures near 0 from overflowing to NaN.
    weights_BV = (logits_BV - logits_BV.amax(-1, keepdim=True)).softmax(-1)
    order_BV = None
    if top_p < 1:
        weights_BV, order_BV = weights_BV.sort(dim=-1, descending=True, stable=True)
    # Running sums over a vocabulary lose the unlikely tokens in float32. MPS has no float64.
    precise = torch.float32 if weights_BV.device.type == "mps" else torch.float64
    sums_BV = weights_BV.to(precise).cumsum(-1)
    total_B1 = sums_BV[:, -1:]
    if top_p < 1:
        last_B1 = (sums_BV < top_p * total_B1).sum(-1, keepdim=True)
        total_B1 = sums_BV.gather(-1, last_B1)
    # `right` steps over tokens of probability zero, which a draw of exactly 0 would hit.
    rank_B1 = torch.searchsorted(sums_BV, uniform_B.to(precise)[:, None] * total_B1, right=True)
    # uniform * total may round up to total itself, whose place is one too far: step back to the last that counts.
    last_B1 = (sums_BV < total_B1).sum(-1, keepdim=True)
    rank_B1 = rank_B1.minimum(last_B1)
    chosen: list[int] = (rank_B1 if order_BV is None else order_BV.gather(-1, rank_B1))[:, 0].tolist()
    return chosen
