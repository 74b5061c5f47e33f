"""One scheduler for all that generates: prompts join and leave between steps, and what they share is computed once.

A step is one pass of the decoder over what is new: of trunks, of branches, the one token that each answer on its way
has just chosen. It knows ids and pictures, no text. Not safe to share between threads.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from chiasm.generation import ties
from chiasm.generation.batch import Batches
from chiasm.generation.features import Features
from chiasm.generation.row import Row
from chiasm.generation.sampling import Decoding, Likelihood, choose, likelihoods
from chiasm.generation.trunk import Branch, Finish, Trunk
from chiasm.models.llava import Llava

# All ours.
STEP_TOKENS = 2048  # of a step, unless one prompt alone is longer: answers on their way wait no longer, for new prompts
NUM_IDLE = 32  # trunks that nobody grows from
_OWN_TOKENS = 512  # branches of a trunk attend over each other's places for nothing: at most as many as its own or this
_WORTH_WAITING = 64  # tokens that another trunk is about to compute: for so many it pays to wait a step


@dataclass(frozen=True, slots=True)
class Event:
    """What a step did for one branch: chose `token`, or ended it (`finish`), or both."""

    branch: Branch
    token: int | None
    finish: Finish | None


class Stepper(Protocol):
    """Whoever takes prompts and brings them on step by step."""

    @property
    def num_waiting(self) -> int:
        """Prompts that have no slot yet."""
        ...

    @property
    def num_running(self) -> int:
        """Prompts that have a slot."""
        ...

    def submit(self, branch: Branch) -> None:
        """Queue a prompt. The same object comes back with its events."""
        ...

    def cancel(self, branch: Branch) -> None:
        """No further tokens for `branch`; nothing happens when it has ended already."""
        ...

    def step(self) -> list[Event]:
        """One step for all that have a slot; no events when there is nothing to do.

        Interrupted by an exception, the step has not happened: the next call does it again.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a branch may grow: on `trunk`, which if `is_new` takes its first `num_copied` tokens from `source`."""

    trunk: Trunk
    is_new: bool = False
    source: Trunk | None = None
    num_copied: int = 0


class Scheduler:
    """A `Stepper` that computes shared beginnings once and steps all prompts together.

    At most `num_slots` branches are on their way. Buffers have places for at most `max_tokens` tokens, between steps:
    those of idle trunks included (which leave first, the longest unused ahead), and those kept for the next tokens.
    Where answers outgrow this, the youngest gives way and is computed again later. One prompt alone may take what it
    needs.
    """

    def __init__(
        self, model: Llava, features: Features, max_tokens: int, num_slots: int, num_idle: int = NUM_IDLE
    ) -> None:
        """`attention.take_over` must have accepted the model. Raises `ValueError` for bounds below 1."""
        if max_tokens < 1 or num_slots < 1:
            raise ValueError(f"max_tokens and num_slots must be at least 1, not {max_tokens} and {num_slots}")
        self._model, self._features = model, features
        self._max_tokens, self._num_slots, self._num_idle = max_tokens, num_slots, num_idle
        self._waiting: deque[Branch] = deque()
        self._running: list[Branch] = []  # the youngest last
        self._trunks: list[Trunk] = []
        self._batches = Batches()
        self._clock = itertools.count(1)

    @property
    def num_waiting(self) -> int:
        """Prompts that have no slot yet."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Prompts that have a slot."""
        return len(self._running)

    @property
    def num_held(self) -> int:
        """Tokens whose keys and values are held, or for which there is a place."""
        return self._num_free + sum(trunk.num_held for trunk in self._trunks)

    @property
    def _num_needed(self) -> int:
        """Tokens that will be held after the next step, if it keeps no more places for those after it."""
        needed = self._num_free
        for trunk in self._trunks:  # some forty, several times a step
            needed += trunk.num_needed()
        return needed

    @property
    def _num_free(self) -> int:
        """Places of batches that no trunk has."""
        num_places = self._batches.num_places
        return num_places and num_places - sum(trunk.num_held for trunk in self._trunks if trunk.lodging is not None)

    def _max_spare(self, needed: int) -> int:
        """Places that each trunk with branches may keep for later tokens: what the bound leaves, in equal parts."""
        left = self._max_tokens - needed - self._batches.num_reserved
        if left < 0 and len(self._running) == 1:  # one prompt alone: it need not be copied for every token
            return self._max_tokens
        return max(0, left) // max(1, sum(bool(trunk.branches) for trunk in self._trunks))

    def submit(self, branch: Branch) -> None:
        """Queue a prompt; it gets a slot when there is one, and room."""
        self._waiting.append(branch)

    def cancel(self, branch: Branch) -> None:
        """No further tokens for `branch`; its place is free at once."""
        if branch in self._waiting:
            self._waiting.remove(branch)
        elif branch in self._running:
            self._leave(branch)

    @torch.inference_mode()  # a step at a time: around a `yield` it would stay on in the caller's code
    def step(self) -> list[Event]:
        """One pass of the decoder for all that have a slot."""
        self._give_way()
        self._admit()
        if not self._running:
            return []
        row = Row()
        needed = self._num_needed
        lone = [trunk for trunk in self._trunks if trunk.is_lone]
        batches = self._batches.arrange(lone, self._max_tokens - needed)
        for batch, members in batches:
            row.add_batch(batch, members)
        abreast = {trunk for _, members in batches for trunk in members}
        others = [trunk for trunk in self._trunks if trunk.branches and trunk not in abreast]
        max_spare = self._max_spare(self._num_needed if batches else needed) if others else 0
        for trunk in others:
            row.add(trunk, max_spare)
        # All that may fail comes before the first mark it leaves.
        chosen = _chosen(self._model, row.branches, row.logits(self._model, self._features))
        row.commit()
        return [self._advance(branch, *chosen[branch]) for branch in row.branches]

    def _admit(self) -> None:
        """Give slots to waiting prompts, in order, while there is room; some stand by for what others compute."""
        num_new = sum(branch.num_new for branch in self._running)
        num_new += sum(len(trunk) - trunk.num_ready for trunk in self._trunks if trunk.branches)
        passed: list[Branch] = []
        while self._waiting and len(self._running) < self._num_slots:
            branch = self._waiting.popleft()
            place = self._place_for(branch)
            if place is None:
                passed.append(branch)
                continue
            trunk = place.trunk
            own = branch.num_tokens - len(trunk)
            adds = own + (len(trunk) - place.num_copied if place.is_new else 0)
            takes = trunk.num_needed(own) - (0 if place.is_new else trunk.num_needed())
            needed = takes + self._evict(self._max_tokens - takes, but=trunk)
            if self._running and (num_new + adds > STEP_TOKENS or needed > self._max_tokens):
                passed.append(branch)
                break
            self._grow(branch, place)
            num_new += adds
        self._waiting.extendleft(reversed(passed))

    def _place_for(self, branch: Branch) -> _Place | None:
        """Where `branch` may grow; None when it should stand by for a trunk that is being computed."""
        prompt = branch.prompt
        for trunk in self._trunks:
            length = len(trunk)
            if branch.num_shared <= length < len(prompt.ids) and trunk.contents == prompt.contents[:length]:
                own = branch.num_tokens - length
                if not trunk.branches or trunk.num_own + own <= max(length, _OWN_TOKENS):
                    return _Place(trunk)
        source, num_copied, num_coming = None, 0, 0
        for trunk in self._trunks:
            is_coming = trunk.num_ready < len(trunk)
            most = num_coming if is_coming else num_copied
            if trunk.contents[most : most + 1] != prompt.contents[most : most + 1]:
                continue  # it shares no more than another
            overlap = min(prompt.num_shared(trunk.contents), branch.num_shared)
            if is_coming:
                num_coming = max(num_coming, overlap)
            elif overlap > num_copied:
                source, num_copied = trunk, overlap
        if num_coming >= num_copied + _WORTH_WAITING:
            return None
        return _Place(Trunk(prompt, branch.num_shared), True, source, num_copied)

    def _grow(self, branch: Branch, place: _Place) -> None:
        """Give `branch` a slot and its place."""
        trunk = place.trunk
        trunk.add(branch)
        self._running.append(branch)
        if place.is_new:
            self._trunks.append(trunk)
        if place.source is not None:
            self._begin_from(place.source, place.num_copied, branch)
        if not branch.has_run:
            branch.num_cached = trunk.num_ready

    def _begin_from(self, source: Trunk, num_copied: int, branch: Branch) -> None:
        """The first `num_copied` tokens of the new trunk of `branch` from `source`, which leaves where it goes on."""
        trunk = branch.trunk
        assert trunk is not None
        goes_on = branch.keep and not source.branches and 2 * num_copied >= len(source)
        if goes_on:  # the conversation, in the new one; the old one may have had to make room for it
            self._trunks = [each for each in self._trunks if each is not source]
            others = self._num_needed - trunk.num_needed()
            if others + max(source.num_held, trunk.num_needed()) <= self._max_tokens:
                trunk.take_over(source, num_copied)
                return
        trunk.make_room(branch.num_new, self._max_spare(self._num_needed))
        trunk.copy_front(source, num_copied)
        source.last_used = next(self._clock)

    def _give_way(self) -> None:
        """Take slots from the youngest until what the next step adds fits."""
        if self._evict(self._max_tokens) <= self._max_tokens:
            return
        for trunk in self._trunks:
            trunk.compact()
        while len(self._running) > 1 and self._num_needed > self._max_tokens:
            branch = self._running[-1]
            left = branch.trunk
            assert left is not None
            self._leave(branch)
            self._waiting.appendleft(branch)
            left.compact()
            self._evict(self._max_tokens)

    def _evict(self, max_held: int, but: Trunk | None = None) -> int:
        """Drop idle trunks, the longest unused first, until at most `max_held` tokens are held; `_num_needed` then."""
        needed = self._num_needed
        idle = [trunk for trunk in self._trunks if not trunk.branches and trunk is not but]
        if needed > max_held or len(idle) > self._num_idle:
            idle.sort(key=lambda trunk: trunk.last_used)
            while idle and (len(idle) > self._num_idle or needed > max_held):
                needed -= idle[0].num_needed()
                self._trunks.remove(idle.pop(0))
        return needed

    def _leave(self, branch: Branch) -> None:
        """Take `branch` out of its slot."""
        trunk = branch.trunk
        assert trunk is not None
        self._running.remove(branch)
        if branch.keep and branch.finish is not None:
            trunk.absorb(branch)
        try:
            trunk.drop(branch)
        except BaseException as error:  # no memory for a copy of what it held: nobody needs it
            self._trunks.remove(trunk)
            if not isinstance(error, Exception):
                raise
        self._batches.forget_empty(self._trunks)
        trunk.last_used = next(self._clock)
        if not trunk.branches and trunk.num_ready < len(trunk) and trunk in self._trunks:
            self._trunks.remove(trunk)  # nobody is left to compute it for

    def _advance(self, branch: Branch, chosen: int | float, likelihood: Likelihood | None) -> Event:
        """Write down what was chosen for `branch`, or how likely its targets are."""
        branch.num_computed += branch.num_new
        branch.has_run = True
        token: int | None = None
        if branch.targets:
            branch.log_likelihood, branch.finish = float(chosen), "stop"
        elif chosen in branch.decoding.end_ids:
            branch.finish = "stop"
        else:
            token = int(chosen)
            branch.ids.append(token)
            if likelihood is not None:
                branch.likelihoods.append(likelihood)
            if branch.constraint is not None:
                branch.constraint.take(token)
            if len(branch.ids) == branch.limit:
                branch.finish = "length"
        if branch.finish is not None:
            self._leave(branch)
        return Event(branch, token, branch.finish)


def _chosen(
    model: Llava, branches: list[Branch], logits_RV: torch.Tensor
) -> dict[Branch, tuple[int | float, Likelihood | None]]:
    """For each branch the next id, or the log-likelihood of its targets, from the logits of all in order.

    With an id, how likely it was, where that is wanted.
    """
    chosen: dict[Branch, tuple[int | float, Likelihood | None]] = {}
    alike: dict[Decoding, list[tuple[Branch, int]]] = {}
    row = 0
    for branch in branches:
        if branch.targets:
            chosen[branch] = log_likelihood(logits_RV[row : row + len(branch.targets)], branch.targets), None
        else:
            alike.setdefault(branch.decoding, []).append((branch, row))
        row += max(1, len(branch.targets))
    for decoding, members in alike.items():
        rows = torch.tensor([row for _, row in members], device=logits_RV.device)
        grown, logits_BV = [branch for branch, _ in members], logits_RV[rows]
        settle = partial(ties.settled, model, [(branch.prompt, branch.ids) for branch in grown])
        ids = choose(logits_BV, decoding, [b.draw for b in grown], [b.constraint for b in grown], settle)
        likely: Sequence[Likelihood | None] = [None] * len(ids)
        if decoding.num_likely is not None:
            likely = likelihoods(logits_BV, ids, decoding.num_likely)
        chosen |= {branch: (token, how) for branch, token, how in zip(grown, ids, likely, strict=True)}
    return chosen


def log_likelihood(logits_TV: torch.Tensor, targets: tuple[int, ...]) -> float:
    """Sum of the log-probabilities of `targets` (T), in float32."""
    ids_T1 = torch.tensor(targets, device=logits_TV.device)[:, None]
    return float(logits_TV.float().log_softmax(-1).gather(-1, ids_T1).sum())
