"""Mixtures: one file each, found by file name; `mixture()` of the file returns it."""

from __future__ import annotations

from chiasm.data.mixture import Mixture
from chiasm.registry import Registry

REGISTRY = Registry("chiasm.data.mixtures", "mixture", ("mixture",))

__all__ = ["REGISTRY", "find"]


def find(name: str) -> Mixture:
    """The mixture called `name`."""
    mixture = REGISTRY.find(name).module.mixture()
    if not isinstance(mixture, Mixture):
        raise TypeError(f"{name}.mixture() must return a chiasm.data.mixture.Mixture, not {type(mixture).__name__}")
    return mixture
