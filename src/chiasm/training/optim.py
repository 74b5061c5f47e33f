"""Parameter groups, AdamW and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from chiasm.training.config import Optim, Part

Named = tuple[str, nn.Parameter]


def build_optimizer(parameters: dict[Part | None, list[Named]], optim: Optim) -> torch.optim.AdamW:
    """AdamW over the parts' trainable parameters; None holds what belongs to the objective alone.

    Every group carries its `base_lr` and its part's name, "head" for None; matrices decay, norms and biases do not
    (transformers' Trainer, and so the published runs, do the same).
    """
    groups = []
    for part, named in parameters.items():
        lr = optim.lr if part is None else optim.lr_by_part.get(part, optim.lr)
        for decays in (True, False):
            members = [parameter for _, parameter in named if (parameter.ndim >= 2) == decays]
            if members:
                decay = optim.weight_decay if decays else 0.0
                rates = {"lr": lr, "base_lr": lr, "weight_decay": decay}
                groups.append({"params": members, "part": part or "head", **rates})
    # Fused: one pass over weights, gradients and moments.
    return torch.optim.AdamW(groups, betas=optim.betas, eps=optim.eps, fused=True)


def lr_factor(optim: Optim, step: int, num_steps: int) -> float:
    """What the base learning rate is multiplied with in `step` (from 0) of `num_steps`.

    Linear warm-up over ceil(warmup x steps), then half a cosine down to zero: `get_cosine_schedule_with_warmup` of
    transformers, as in the published runs.
    """
    num_warmup = math.ceil(optim.warmup * num_steps)
    if step < num_warmup:
        return step / max(1, num_warmup)
    if optim.schedule == "constant":
        return 1.0
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to `factor` times its base."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def rates(optimizer: torch.optim.Optimizer, factor: float) -> dict[str, float]:
    """The learning rate of each part, as `lr_PART`, where every base is multiplied with `factor`."""
    return {f"lr_{group['part']}": group["base_lr"] * factor for group in optimizer.param_groups}


def norms(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The norm of each part's gradient; empty where groups name no parts. Divided gradients: all processes call it."""
    by_part: dict[str, list[torch.Tensor]] = {}
    for group in optimizer.param_groups:
        if "part" in group:
            gradients = [parameter.grad for parameter in group["params"] if parameter.grad is not None]
            by_part.setdefault(str(group["part"]), []).extend(gradients)
    return {part: float(_norm(gradients)) for part, gradients in by_part.items()}


def clip(parameters: Iterable[nn.Parameter], max_norm: float | None) -> float:
    """Clip gradients to `max_norm` if there is one; the total norm before clipping.

    Of gradients divided among processes (all of them, or none) too: all processes must call it then.
    """
    held = list(parameters)
    norm = _norm([parameter.grad for parameter in held if parameter.grad is not None])
    nn.utils.clip_grads_with_norm_(held, math.inf if max_norm is None else max_norm, norm)
    return float(norm)


def _norm(gradients: list[torch.Tensor]) -> torch.Tensor:
    norm = nn.utils.get_total_norm(gradients)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
