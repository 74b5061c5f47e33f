"""In which order samples are seen: a pure function of seed and epoch, so that any step can be found again.

It knows neither files nor models, only numbers of samples and their lengths.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

_AMONG = 2  # how many times as many short samples the next is drawn from; ours


def shuffled(num_samples: int, seed: int, epoch: int) -> list[int]:
    """All samples once, in an order that depends on seed and epoch alone."""
    return torch.randperm(num_samples, generator=_generator(seed, epoch)).tolist()


def grouped(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[int]:
    """All samples once, neighbours of like length and one modality: LLaVA's `group_by_modality_length` for one worker.

    `lengths` are negative for samples without picture. Mega-batches of `batch_size` samples hold one modality and are
    sorted by length, longest first; their order is random. The last of either modality, whole or not, come at the end,
    together and in the order of the file. With one modality alone, mega-batches stay as they were drawn.
    Source: LLaVA's llava_trainer.py, `get_modality_length_grouped_indices`; one generator is used for every draw, where
    the published code takes two.
    """
    if any(length == 0 for length in lengths):
        raise ValueError("a length of 0 says neither how long nor which modality")
    generator = _generator(seed, epoch)
    modalities = [[i for i, length in enumerate(lengths) if length * sign > 0] for sign in (1, -1)]
    batches: list[list[int]] = []
    last: list[int] = []
    for members in filter(None, modalities):
        mixed = [members[i] for i in torch.randperm(len(members), generator=generator).tolist()]
        cut = [mixed[i : i + batch_size] for i in range(0, len(mixed), batch_size)]
        batches += [sorted(batch, key=lambda i: -abs(lengths[i])) for batch in cut]
        if all(modalities):
            last += batches.pop()
    if not last:
        return [i for batch in batches for i in batch]
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [i for b in order for i in batches[b]] + sorted(last)


def short_first(lengths: Sequence[int], seed: int, epoch: int) -> list[int]:
    """All samples once, each drawn from the shortest that are left: the first k are among the shortest 2 k.

    A curriculum by length; ours. In a short sample attention has little to choose from, so that a model from nothing
    learns to look things up in its prompt within minutes, and keeps it when prompts grow.
    """
    generator = _generator(seed, epoch)
    # Of equal length whoever the generator says: a file may be in an order of its own.
    mixed = torch.randperm(len(lengths), generator=generator).tolist()
    by_length = sorted(mixed, key=lambda i: abs(lengths[i]))
    chances = torch.rand(len(lengths), generator=generator, dtype=torch.float64).tolist()
    order: list[int] = []
    pool: list[int] = []
    for position, chance in enumerate(chances):
        pool += by_length[_AMONG * position : _AMONG * (position + 1)]
        chosen = int(chance * len(pool))
        pool[chosen], pool[-1] = pool[-1], pool[chosen]
        order.append(pool.pop())
    return order


def _generator(seed: int, epoch: int) -> torch.Generator:
    # Mixed so that (seed 0, epoch 1) and (seed 1, epoch 0) are different orders.
    return torch.Generator().manual_seed((seed * 1_000_003 + epoch) % (1 << 63))
