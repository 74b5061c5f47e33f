"""Where the time of a training step goes, by kind of work, from torch's profiler.

An operator counts for what it is done for: a matrix product inside attention is attention, arithmetic inside the
optimiser is the optimiser. Its own time counts, not that of what it calls. What no operator accounts for is Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.nn import functional as F

KINDS = ("matrix products", "attention", "element-wise", "copies and casts", "optimiser", "Python", "data")

T = TypeVar("T")

_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "mv", "convolution", "conv2d", "einsum")
_ATTENTION = ("chiasm::documents", "aten::scaled_dot_product", "aten::_scaled_dot_product", "aten::_flash_attention")
_OPTIMISER = ("Optimizer.step", "Optimizer.zero_grad", "aten::_foreach", "aten::_fused_adam")  # clipping is foreach's
_COPIES = ("copy_", "_to_copy", "to", "clone", "contiguous", "cat", "fill_", "zero_", "zeros", "empty", "index_put_")


def profiled(step: Callable[[], T]) -> tuple[T, dict[str, float], Any]:
    """What `step` gives, its seconds by kind, and torch's profile."""
    begin = time.perf_counter()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        begin = time.perf_counter()
        result = step()
        whole = time.perf_counter() - begin
    seconds = dict.fromkeys(KINDS, 0.0)
    for event in profile.events():
        seconds[kind_of(_lineage(event))] += event.self_cpu_time_total / 1e6
    seconds["Python"] = max(0.0, whole - sum(seconds.values()))
    return result, seconds, profile


def product_peak(dtype: torch.dtype, now: Callable[[], float]) -> float:
    """GFLOP a second of the largest plain matrix product, the best of some, by the clock `now`."""
    a, b = (torch.randn(3072, 3072).to(dtype) for _ in range(2))
    F.linear(a, b)
    best = float("inf")
    for _ in range(5):
        begin = now()
        F.linear(a, b)
        best = min(best, now() - begin)
    return 2 * 3072**3 / best / 1e9


def kind_of(lineage: list[str]) -> str:
    """The kind of an operator, by its name and the names of those that called it, itself first."""
    for name in lineage:
        if name.startswith(_ATTENTION):
            return "attention"
        if name.startswith(_OPTIMISER):
            return "optimiser"
    name = lineage[0].removeprefix("aten::").removeprefix("mkldnn_").removeprefix("_mkldnn_").strip("_")
    if name in _PRODUCTS or name.startswith(("convolution", "mkldnn", "linear_", "addmm_")):
        return "matrix products"
    if lineage[0].removeprefix("aten::") in _COPIES:
        return "copies and casts"
    return "element-wise"


def as_text(seconds: dict[str, float]) -> str:
    """Shares of a step, the largest first."""
    whole = sum(seconds.values()) or 1.0
    parts = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind} {amount / whole:.0%}" for kind, amount in parts if amount / whole >= 0.005)


def _lineage(event: Any) -> list[str]:
    names = []
    while event is not None:
        names.append(event.name)
        event = event.cpu_parent
    return names
