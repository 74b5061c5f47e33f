"""Trunks with one answer each, brought on together: their keys and values in one tensor, attended by one call.

Each by itself goes through every layer with a call of its own, and most of a small model's step goes between calls. A
trunk lodges here while its answer is written, and takes what it holds with it when it leaves. This module knows which
trunks go together, and no model.

Shapes: N slots, M of them taken, H key-value heads, T tokens, K head width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chiasm.generation.trunk import Lodging, Trunk

# All ours.
_FEWEST = 2  # members that are worth a batch: two take three quarters of the time they take by themselves
_SLOTS = 4  # a batch is made with a multiple of so many, for those who come next
_SHORT = 127  # tokens: those of no more are of one length
_SPARE = 16  # places kept for the next tokens when a batch is made, or a quarter


class Batch:
    """Keys and values of trunks, each in a slot of its own, with `capacity` places in each."""

    def __init__(self, num_slots: int, capacity: int) -> None:
        self.num_slots, self.capacity = num_slots, capacity
        self._keys: dict[int, torch.Tensor] = {}  # (N, H, T, K) of each layer
        self._values: dict[int, torch.Tensor] = {}

    @property
    def num_places(self) -> int:
        """Places of all slots."""
        return self.num_slots * self.capacity

    def seat(self, trunks: Sequence[Trunk]) -> list[Trunk]:
        """Let `trunks` lodge in the first slots, in whose order they are returned.

        Who is here stays where it is, unless it is behind all slots that are needed.
        """
        seated: list[Trunk | None] = [None] * len(trunks)
        others = []
        for trunk in trunks:
            at = trunk.lodging
            if at is not None and at.host is self and at.slot < len(trunks):
                seated[at.slot] = trunk
            else:
                others.append(trunk)
        # A trunk may be of no length, and false.
        return [self._take_in(others.pop(), slot) if trunk is None else trunk for slot, trunk in enumerate(seated)]

    def write(self, layer: int, places_M: torch.Tensor, keys_MHK: torch.Tensor, values_MHK: torch.Tensor) -> None:
        """Put keys and values of one layer into a place of each slot that is taken."""
        slots_M = torch.arange(len(places_M), device=places_M.device)
        for held, new in ((self._keys[layer], keys_MHK), (self._values[layer], values_MHK)):
            held[slots_M, :, places_M] = new.to(held.dtype)  # another than a first one's, under autocast

    def held(self, layer: int, num_members: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (M, H, T, K) of the first `length` places of one layer, as views."""
        return self._keys[layer][:num_members, :, :length], self._values[layer][:num_members, :, :length]

    def _take_in(self, trunk: Trunk, slot: int) -> Trunk:
        for layer, (_, heads, _, width) in trunk.shapes().items():
            if layer not in self._values:  # the last to be made
                like, shape = trunk.held(layer, 0)[0], (self.num_slots, heads, self.capacity, width)
                self._keys[layer], self._values[layer] = like.new_empty(shape), like.new_empty(shape)
        keys, values = ({layer: x[slot : slot + 1] for layer, x in held.items()} for held in (self._keys, self._values))
        trunk.lodge(Lodging(self, slot), self.capacity, keys, values)
        return trunk


class Batches:
    """The batches of a scheduler, one for each length: the longest member of a batch is at most twice its shortest."""

    def __init__(self) -> None:
        self._of: dict[int, Batch] = {}
        self.num_reserved = 0  # places of the copies that members take along when they leave

    @property
    def num_places(self) -> int:
        """Places of all batches."""
        return sum(batch.num_places for batch in self._of.values())

    def forget_empty(self, trunks: Sequence[Trunk]) -> None:
        """Give up the batches in which none of `trunks` lodges."""
        hosts = [trunk.lodging.host for trunk in trunks if trunk.lodging is not None]
        self._of = {length: batch for length, batch in self._of.items() if batch in hosts}

    def arrange(self, trunks: Sequence[Trunk], room: int) -> list[tuple[Batch, list[Trunk]]]:
        """Which of `trunks`, all those with one answer and a token to add, go together: with room for that token.

        At most `room` places are added or reserved. Trunks that go with nobody have buffers of their own again.
        """
        self.num_reserved = 0
        alike: dict[int, list[Trunk]] = {}
        for trunk in trunks:
            alike.setdefault(max(_SHORT, trunk.used).bit_length(), []).append(trunk)
        kept: dict[int, Batch] = {}
        for length, members in alike.items():
            if len(members) >= _FEWEST:
                batch = self._of.get(length)
                more = reserved = sum((trunk.used + 1) * 9 // 8 for trunk in members)
                if batch is None or not _suits(batch, members):
                    batch = _made_for(members)
                    more += batch.num_places
                if more <= room:
                    room -= more
                    self.num_reserved += reserved
                    kept[length] = batch
        # Before anyone is seated, who might be given the slot of somebody who has yet to leave it.
        for length, members in alike.items():
            for trunk in members:
                host = trunk.lodging and trunk.lodging.host
                if length not in kept or (host in kept.values() and host is not kept[length]):
                    trunk.move_out()
        self._of = kept
        return [(batch, batch.seat(alike[length])) for length, batch in kept.items()]


def _suits(batch: Batch, members: Sequence[Trunk]) -> bool:
    """Whether `batch` holds `members` and a token more of each, and not much else."""
    longest = max(trunk.used for trunk in members)
    return len(members) <= batch.num_slots <= 2 * len(members) + _SLOTS and longest < batch.capacity


def _made_for(members: Sequence[Trunk]) -> Batch:
    longest = max(trunk.used for trunk in members) + 1
    return Batch(-(-len(members) // _SLOTS) * _SLOTS, longest + max(_SPARE, longest // 4))
