"""Shared beginnings and what grows from them: keys and values of one trunk and of all its branches, in one buffer.

A trunk is the front that several prompts have in common, usually the system text and a picture; a branch is one prompt
with what it has of its own and its answer. Memory is the trunk once and each branch's own tokens. This module knows no
model and no schedule.

Shapes: H key-value heads, T tokens, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from chiasm.generation.cache import enlarged
from chiasm.generation.prompt import Picture, Prompt
from chiasm.generation.sampling import Constraint, Decoding, Likelihood

Finish = Literal["stop", "length"]

Ints = npt.NDArray[np.int32]

SHARED = -1  # owner of the places every branch sees
GONE = -2  # owner of the places whose branch has left

_SPARE = 16  # places kept for the next tokens when a buffer is made, most answers being short, or an eighth; ours


@dataclass(eq=False, slots=True)
class Branch:
    """One prompt on its way to an answer: the handle of `Scheduler.submit`.

    `ids` is the answer so far, without the end token; `likelihoods` are theirs, where they are wanted. With `targets`
    nothing is chosen: `log_likelihood` becomes the sum of their log-probabilities. `finish` is set once it has ended;
    `num_cached` of the prompt's tokens it found computed when it first ran.
    """

    prompt: Prompt
    decoding: Decoding
    limit: int
    num_shared: int
    targets: tuple[int, ...] = ()
    keep: bool = False
    ids: list[int] = field(default_factory=list)
    likelihoods: list[Likelihood] = field(default_factory=list)
    finish: Finish | None = None
    log_likelihood: float = 0.0
    num_cached: int = 0
    has_run: bool = False
    draw: torch.Generator = field(init=False)
    constraint: Constraint | None = field(init=False)
    trunk: Trunk | None = None
    number: int = 0  # as which the trunk knows it
    num_computed: int = 0  # of its own tokens, those whose keys and values are held

    def __post_init__(self) -> None:
        self.draw = self.decoding.draw()
        self.constraint = self.decoding.constraint() if self.decoding.constraint else None

    @property
    def is_lost(self) -> bool:
        """Whether its constraint could not follow it to its end."""
        return self.constraint is not None and self.constraint.is_lost

    @property
    def num_tokens(self) -> int:
        """All tokens that have to be computed for the next choice, or for the last target."""
        return len(self.prompt.ids) + (len(self.targets) - 1 if self.targets else len(self.ids))

    @property
    def num_new(self) -> int:
        """Of these, those not computed yet that are its own. It must be growing."""
        assert self.trunk is not None
        return self.num_tokens - len(self.trunk) - self.num_computed

    def tokens_from(self, start: int) -> list[int]:
        """The ids from position `start` on."""
        length = len(self.prompt.ids)
        written = list(self.targets[:-1]) if self.targets else self.ids
        return [*self.prompt.ids[start:], *written[max(0, start - length) :]]


@dataclass(frozen=True, slots=True)
class Lodging:
    """Where a trunk's keys and values are when they are not in buffers of its own: `slot` of what `host` has."""

    host: object
    slot: int


@dataclass(slots=True)
class _Places:
    """What the buffers hold: whose place each is, at which position of its prompt, and how many are in use.

    Buffers of `capacity` places, those of a layer once it has been written.
    """

    keys: dict[int, torch.Tensor]
    values: dict[int, torch.Tensor]
    owner: Ints
    position: Ints
    used: int
    capacity: int = 0
    lodging: Lodging | None = None


class Trunk:
    """The first `length` tokens of `prompt`, and a buffer for their keys and values and those of all branches.

    The shared tokens take the first places, in order; every further token the next free one. `num_ready` shared tokens
    are computed. Nothing counts until `commit`, so a step that was interrupted has changed nothing. Left by its last
    branch, its buffer is at most a quarter larger than what is in it: places for a next turn.
    """

    def __init__(self, prompt: Prompt, length: int) -> None:
        self.prompt: Prompt | None = prompt  # for its pixels, until they have been seen
        self.ids = prompt.ids[:length]
        self.contents = prompt.contents[:length]
        self.pictures: tuple[Picture, ...] = tuple(p for p in prompt.pictures if p.end <= length)
        self.branches: list[Branch] = []
        self.num_ready = 0
        self.last_used = 0
        self._numbers = 0
        self._is_alone = True  # all places that are not shared are of one branch
        owner, position = np.full(length, SHARED, np.int32), np.arange(length, dtype=np.int32)
        self._places = _Places({}, {}, owner, position, used=length)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def used(self) -> int:
        """Places in use, those of branches that have left included."""
        return self._places.used

    @property
    def num_held(self) -> int:
        """Places there are: those in use, and those kept for the next tokens."""
        places = self._places
        return places.capacity if places.capacity > places.used else places.used

    def num_needed(self, num_more: int = 0) -> int:
        """Places there will be when all that is new of its branches is held, and `num_more` tokens."""
        if not self.branches and not num_more:  # most trunks, and all of them are asked several times a step
            return self.num_held
        return max(self.num_held, self.used + sum(branch.num_new for branch in self.branches) + num_more)

    @property
    def lodging(self) -> Lodging | None:
        """Where it lodges; None when its buffers are its own."""
        return self._places.lodging

    @property
    def is_lone(self) -> bool:
        """Whether all that is new is one token of one branch, the only one there has been since all had left."""
        if not self._is_alone or len(self.branches) != 1 or self.num_ready < len(self):
            return False
        return self.branches[0].num_new == 1 and bool(self._places.keys)

    @property
    def num_gone(self) -> int:
        """Places of branches that have left."""
        return int((self._places.owner[: self.used] == GONE).sum())

    @property
    def num_own(self) -> int:
        """Tokens that branches hold or will add next."""
        return sum(branch.num_tokens - len(self) for branch in self.branches)

    def add(self, branch: Branch) -> None:
        """`branch` grows from here."""
        self.move_out()
        self._numbers += 1
        self._is_alone = not self.branches and self.used == len(self)
        branch.trunk, branch.number, branch.num_computed = self, self._numbers, 0
        self.branches.append(branch)

    def drop(self, branch: Branch) -> None:
        """`branch` has left; its places are free once the buffer is next made smaller or bigger, or nobody is left."""
        self.branches.remove(branch)
        branch.trunk, branch.num_computed = None, 0
        places = self._places
        if not self.branches:
            places.used = len(self)
            if places.lodging is not None or 4 * (places.capacity - places.used) > places.used:
                self._trim(places.used // 8)  # else it is not worth a copy, and counts as held
        else:
            places.owner[places.owner == branch.number] = GONE

    def absorb(self, branch: Branch) -> None:
        """Make the tokens of `branch`, the only one, part of what is shared, so that a next turn finds them."""
        if self.branches != [branch] or self.used != len(self) + branch.num_computed:
            return
        ids, places = branch.tokens_from(len(self))[: branch.num_computed], self._places
        contents = [*branch.prompt.contents, *branch.ids][len(self) : len(self) + branch.num_computed]
        self.pictures = tuple(p for p in branch.prompt.pictures if p.end <= len(self) + len(ids))
        places.owner[len(self) : places.used] = SHARED
        self.ids, self.contents = [*self.ids, *ids], [*self.contents, *contents]
        self.num_ready = len(self.ids)
        branch.num_computed = 0

    def copy_front(self, source: Trunk, length: int) -> None:
        """Take the first `length` tokens, computed there, from `source`."""
        theirs, mine = source._places, self._places
        mine.capacity = max(mine.capacity, len(self))
        mine.keys = {i: enlarged(x, length, mine.capacity) for i, x in theirs.keys.items()}
        mine.values = {i: enlarged(x, length, mine.capacity) for i, x in theirs.values.items()}
        self.num_ready = length

    def take_over(self, source: Trunk, length: int) -> None:
        """The same without a copy: the buffers of `source` themselves, which is of no use from then on."""
        theirs, mine = source._places, self._places
        assert theirs.lodging is None, "who lodges has a branch"
        mine.keys, mine.values, mine.capacity = theirs.keys, theirs.values, theirs.capacity
        self.num_ready = length

    def lodge(self, at: Lodging, capacity: int, keys: dict[int, torch.Tensor], values: dict[int, torch.Tensor]) -> None:
        """Keep what is held in these buffers (1, H, capacity, K) of somebody else's, until `move_out`.

        The places behind are made zero: masked as they will be, what was left there might be NaN.
        """
        places = self._places
        for theirs, mine in ((keys, places.keys), (values, places.values)):
            for layer, buffer in mine.items():
                theirs[layer][:, :, : places.used] = buffer[:, :, : places.used]
                theirs[layer][:, :, places.used :] = 0
        # One assignment, so that an interruption finds the old places or the new ones.
        self._places = replace(places, keys=keys, values=values, capacity=capacity, lodging=at)

    def move_out(self) -> None:
        """Into buffers of its own, where it lodges."""
        if self._places.lodging is not None:
            self._trim()

    def shapes(self) -> dict[int, torch.Size]:
        """Those of the keys (1, H, T, K) of each layer that has been written."""
        return {layer: buffer.shape for layer, buffer in self._places.keys.items()}

    def make_room(self, num_own: int, max_spare: int) -> None:
        """Room for `num_own` more tokens of branches; before the buffer grows, free places are given up if many.

        Where it grows, at most `max_spare` places are kept for the tokens after these.
        """
        if self.used + num_own > self._places.capacity and 2 * self.num_gone > self.used - len(self):
            self.compact()
        places = self._places
        needed = places.used + num_own
        if needed > places.capacity:
            assert places.lodging is None, "who lodges is given room by its host"
            spare = max(_SPARE, needed // 8 if places.capacity else 0)
            places.capacity = needed + min(spare, max_spare)
        if len(places.owner) < needed:
            more = needed + needed // 4 - len(places.owner)
            places.owner = np.concatenate([places.owner, np.full(more, GONE, np.int32)])
            places.position = np.concatenate([places.position, np.zeros(more, np.int32)])

    def compact(self) -> None:
        """Give up the places of branches that have left, and those kept for the next tokens."""
        old = self._places
        index = np.flatnonzero(old.owner[: old.used] != GONE)
        if len(index) == old.used:
            self._trim()
            return
        index_T = torch.from_numpy(index)

        def kept(buffers: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
            return {i: x.index_select(2, index_T.to(x.device)) for i, x in buffers.items()}

        # One assignment, so that an interruption finds the old places or the new ones.
        length = len(index)
        owner, position = old.owner[index], old.position[index]
        self._places = _Places(kept(old.keys), kept(old.values), owner, position, length, min(old.capacity, length))

    def _trim(self, spare: int = 0) -> None:
        """Give up the places behind those in use, but for `spare`; buffer by buffer: little more is held meanwhile."""
        old = self._places
        capacity = min(old.capacity, old.used + spare)

        def kept(buffers: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
            return {i: enlarged(x, old.used, capacity) for i, x in buffers.items()}

        if old.lodging is not None:
            self._places = replace(old, keys=kept(old.keys), values=kept(old.values), capacity=capacity, lodging=None)
            return
        old.capacity = capacity
        for buffers in (old.keys, old.values):
            for layer, buffer in buffers.items():
                if buffer.shape[2] > capacity:
                    buffers[layer] = enlarged(buffer, old.used, capacity)

    def assign(self, owners: list[int], positions: list[int]) -> None:
        """Say whose the next free places will be; they count after `commit`."""
        new = slice(self.used, self.used + len(owners))
        self._places.owner[new], self._places.position[new] = owners, positions

    def sees_all_before(self, window: int | None) -> bool:
        """Whether each place sees those before it, and `visible` need not be asked: one branch since all had left."""
        return self._is_alone and window is None

    def visible(self, query: slice, window: int | None) -> torch.Tensor:
        """Which of the places up to the last of `query` each place of `query` sees: bool (T, S).

        Those that are shared or its own, not after it, and nearer than `window`.
        """
        owner, position = self._places.owner, self._places.position
        theirs, at = owner[None, : query.stop], position[None, : query.stop]
        mine, here = owner[query, None], position[query, None]
        seen = ((theirs == SHARED) | (theirs == mine)) & (at <= here)
        return torch.from_numpy(seen if window is None else seen & (here - at < window))

    def write(self, layer: int, first: int, keys_HTK: torch.Tensor, values_HTK: torch.Tensor) -> None:
        """Put keys and values (1, H, T, K) of one layer into the places from `first` on."""
        places = self._places
        for held, new in ((places.keys, keys_HTK), (places.values, values_HTK)):
            buffer = held.get(layer)
            if buffer is None:
                buffer = held[layer] = new.new_empty(*new.shape[:2], places.capacity, new.shape[3])
            elif buffer.shape[2] < places.capacity:
                buffer = held[layer] = enlarged(buffer, min(places.used, buffer.shape[2]), places.capacity)
            buffer[:, :, first : first + new.shape[2]] = new

    def held(self, layer: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the first `length` places of one layer, as views."""
        places = self._places
        return places.keys[layer][:, :, :length], places.values[layer][:, :, :length]

    def commit(self, used: int) -> None:
        """What was written counts: all shared tokens, and `used` places."""
        self.num_ready, self._places.used = len(self.ids), used
        self.prompt = None
