"""Choosing the next token from logits: greedy, or drawn at a temperature from the most likely ones.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch


class Constraint(Protocol):
    """Which ids one answer may go on with. It follows the answer id by id, and raises nothing: others share its steps.

    `is_lost`: it could not follow, and let the answer end.
    """

    @property
    def is_lost(self) -> bool: ...

    def allowed(self, num_ids: int) -> torch.Tensor:
        """bool (V = `num_ids`), on the CPU: what may come next. Never empty: where nothing else may, an end id."""
        ...

    def take(self, token_id: int) -> None:
        """`token_id` has been chosen, and does not end the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a chosen id was: its log-probability, and the likeliest ids of its place with theirs.

    The model's own in float32: before temperature, top-p and constraints.
    """

    log_probability: float
    likeliest: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How ids are chosen and when an answer ends: at one of `end_ids`, which is not part of it, or at `max_tokens`.

    `temperature` 0 is greedy. `seed` makes the draw repeatable, alone or in a batch; None draws anew each time.
    `num_likely`: each id's `Likelihood` is wanted, with so many of the likeliest. `constraint` makes what an answer is
    held to.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    end_ids: frozenset[int] = frozenset()
    num_likely: int | None = None
    constraint: Callable[[], Constraint] | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if self.num_likely is not None and self.num_likely < 0:
            raise ValueError(f"num_likely must be at least 0, not {self.num_likely}")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"temperature must be at least 0 and top_p in (0, 1], not {self.temperature} and {self.top_p}"
            )

    def draw(self) -> torch.Generator:
        """A source of randomness for one answer. Always on the CPU, so that a seed means the same on every device."""
        generator = torch.Generator()
        if self.temperature == 0:
            pass  # greedy: nothing is drawn, and finding a seed takes longer than making it
        elif self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed % 2**63)
        return generator


def choose(
    logits_BV: torch.Tensor,
    decoding: Decoding,
    draws: Sequence[torch.Generator],
    constraints: Sequence[Constraint | None] = (),
    settle: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> list[int]:
    """logits (B, V) of any floating type -> B ids.

    `draws` holds one generator a row, so that rows do not disturb each other; each gives one number. `constraints`, if
    any, holds one a row. `settle` is given the logits of what is allowed, and its logits count where nothing is drawn.
    """
    if any(constraints):
        num_ids = logits_BV.shape[-1]
        everything = torch.ones(num_ids, dtype=torch.bool)
        allowed_BV = torch.stack([each.allowed(num_ids) if each else everything for each in constraints])
        logits_BV = logits_BV.masked_fill(~allowed_BV.to(logits_BV.device), -torch.inf)
    if decoding.temperature == 0:
        chosen: list[int] = (logits_BV if settle is None else settle(logits_BV)).argmax(-1).tolist()
        return chosen
    uniform_B = torch.stack([torch.rand((), generator=draw, dtype=torch.float64) for draw in draws])
    return _drawn(logits_BV.float() / decoding.temperature, decoding.top_p, uniform_B.to(logits_BV.device))


def likelihoods(logits_BV: torch.Tensor, ids: Sequence[int], num_likely: int) -> list[Likelihood]:
    """logits (B, V) and the B ids chosen from them -> how likely each was, with the `num_likely` likeliest."""
    log_probabilities_BV = logits_BV.float().log_softmax(-1)
    chosen_B1 = torch.tensor(ids, device=logits_BV.device)[:, None]
    own = log_probabilities_BV.gather(-1, chosen_B1)[:, 0].tolist()
    likeliest = log_probabilities_BV.topk(min(num_likely, logits_BV.shape[-1]))
    rows = zip(own, likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
    return [Likelihood(mine, tuple(zip(others, theirs, strict=True))) for mine, others, theirs in rows]


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
