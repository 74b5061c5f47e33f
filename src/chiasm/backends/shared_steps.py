"""Answers asked for by many threads, brought on together, for who waits and for who is told.

Whoever waits for a token steps for all. Where somebody is told tokens, one step follows another as long as any of them
wants more. Where nobody does, nothing is computed. It knows prompts and ids, and neither text nor sockets.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol

from chiasm.generation.scheduler import Event, Stepper
from chiasm.generation.trunk import Branch


class Listener(Protocol):
    """Whoever is told the ids of an answer, in the thread that computes. Its errors end its answer and no other."""

    def hear(self, token: int) -> bool:
        """The next id. True: that is enough."""
        ...

    def end(self, error: Exception | None) -> None:
        """There will be no more: the answer has ended, or failed."""
        ...

    def wants(self) -> bool:
        """Whether a next one is wanted now; who has said no says so when that has changed."""
        ...


@dataclass(eq=False, slots=True)
class _Seat:
    """One answer: what was chosen for it and not yet taken, or why there will be nothing more.

    With a `listener`, that is told. Else its reader waits at its own `tokens`, where None is a call to look around: so
    a step wakes those it has something for, and they do not stand in each other's way.
    """

    branch: Branch
    listener: Listener | None = None
    tokens: SimpleQueue[int | None] = field(default_factory=SimpleQueue)
    waits: bool = False
    ended: bool = False
    error: Exception | None = None

    def give(self, token: int | None) -> None:
        """Wake the reader, or let it find `token` when it comes."""
        self.waits = False
        self.tokens.put(token)


class SharedSteps:
    """A stepper between threads.

    Every step that is waited for goes through `compute`, which lets nothing else compute meanwhile; `begin` has one
    computed in the same way, and does not wait for it.
    """

    def __init__(
        self,
        stepper: Stepper,
        compute: Callable[[Callable[[], None]], None],
        begin: Callable[[Callable[[], None]], object],
    ) -> None:
        self._stepper, self._compute, self._begin = stepper, compute, begin
        self._lock = threading.RLock()  # guards all below, and the stepper while nobody steps
        self._seats: dict[Branch, _Seat] = {}
        self._orders: list[Callable[[], None]] = []  # for the stepper, given while somebody stepped
        self._aside: deque[Branch] = deque()  # newcomers of a step that failed: tried one by one
        self._stepping = False

    @property
    def num_open(self) -> int:
        """Answers that are on their way or wait."""
        return len(self._seats)

    def answer(self, branch: Branch) -> Generator[int, None, None]:
        """The ids of the answer as they are chosen; `branch.finish` says why it ended.

        Closing it ends the answer at once, and what was computed for it stays of use for a next prompt. An error in a
        step is raised for the prompt that joined in it; those on their way go on.
        """
        seat = _Seat(branch)
        with self._lock:
            self._seats[branch] = seat
            self._order(lambda: self._stepper.submit(branch))
        try:
            while (token := self._next(seat)) is not None:
                yield token
        finally:
            self.leave(branch)

    def tell(self, branch: Branch, listener: Listener) -> None:
        """Have `listener` told the ids of the answer, from now until it has ended or `leave`."""
        with self._lock:
            self._seats[branch] = _Seat(branch, listener)
            self._order(lambda: self._stepper.submit(branch))
            self._call()

    def go_on(self) -> None:
        """A listener wants more, after it wanted none."""
        with self._lock:
            self._call()

    def leave(self, branch: Branch) -> None:
        """Nobody wants the rest of the answer, if there is any."""
        with self._lock:
            seat = self._seats.pop(branch, None)
            if seat is not None and not seat.ended:
                if seat.listener is not None and not self._stepping:
                    # Memory is copied where it ends: in the thread that computes, not in that of who leaves.
                    self._stepping = self._has_begun(lambda: self._settle([], None))
                self._order(lambda: self._end(branch))
            self._call()

    def _next(self, seat: _Seat) -> int | None:
        while True:
            has_to_step = False
            with self._lock:
                if seat.tokens.empty():
                    if seat.error is not None:
                        raise seat.error
                    if seat.ended:
                        return None
                    has_to_step = not self._stepping
                    self._stepping, seat.waits = True, not has_to_step
            if has_to_step:
                self._bring_on()
            elif (token := seat.tokens.get()) is not None:
                return token

    def _bring_on(self) -> None:
        """One step for all. Only one thread is here at a time: the one that has set `_stepping`."""
        begun = False

        def step() -> None:
            nonlocal begun
            begun = True
            self._step()

        try:
            self._compute(step)
        except BaseException as error:
            if begun:
                raise
            # It never came to be computed: the thread for it has ended, or Ctrl-C came before its turn.
            self._settle([], error if isinstance(error, Exception) else None)
            if not isinstance(error, Exception):
                raise

    def _step(self) -> None:
        """Settled where it is computed: readers wake without waiting for who asked for the step."""
        events: list[Event] = []
        error: Exception | None = None
        try:
            events = self._stepper.step()
        except Exception as caught:
            error = caught
        finally:
            # An interrupt (Ctrl-C) passes through to whoever steps: to the stepper the step has not happened.
            self._settle(events, error)

    def _settle(self, events: list[Event], error: Exception | None) -> None:
        """What a step has given, or why it failed; then all that waited for its end."""
        over = list[Branch]()
        try:
            # Outside the lock: whoever comes, leaves or wants more need not wait until all have heard.
            over += [event.branch for event in events if self._is_over(event)]
        finally:
            self._conclude(events, over, error)

    def _conclude(self, events: list[Event], over: list[Branch], error: Exception | None) -> None:
        with self._lock:
            self._stepping = False
            try:
                for event in events:
                    self._tell(event)
                failed = self._carry_out()
                for branch in over:
                    self._end_early(branch)
                if error is not None:
                    self._blame(error)
                elif self._aside:
                    self._stepper.submit(self._aside.popleft())
                elif not events and not self._stepper.num_running and not self._stepper.num_waiting:
                    self._lose()
            finally:
                self._call()
            if failed is not None:
                raise failed

    def _is_over(self, event: Event) -> bool:
        """Whether the listener, who is told the token of `event`, has heard enough."""
        seat = self._seats.get(event.branch)
        if seat is None or seat.listener is None or event.token is None:
            return False
        try:
            return seat.listener.hear(event.token)
        except Exception as error:
            seat.error = error
            return True

    def _end_early(self, branch: Branch) -> None:
        seat = self._seats.get(branch)
        if seat is not None and not seat.ended:
            seat.ended = True
            self._end(branch)

    def _carry_out(self) -> Exception | None:
        """All that was ordered while somebody stepped; what has failed of it, which is nothing to the others."""
        failed: Exception | None = None
        orders, self._orders = self._orders, []
        for order in orders:
            try:
                order()
            except Exception as caught:
                failed = caught
        return failed

    def _tell(self, event: Event) -> None:
        seat = self._seats.get(event.branch)
        if seat is not None:
            seat.ended = event.finish is not None
            if event.token is not None and seat.listener is None:
                seat.give(event.token)

    def _call(self) -> None:
        """Tell or wake those whose answer has ended; have a step made, if none is, for those who want or wait."""
        self._dismiss()
        if not self._stepping and any(self._wants(seat, listener) for seat, listener in self._told()):
            self._stepping = self._has_begun(self._step)
            self._dismiss()
        waiting = [seat for seat in list(self._seats.values()) if seat.waits]
        for seat in waiting:
            if seat.ended:
                seat.give(None)
        left = [seat for seat in waiting if seat.waits]
        if left and not self._stepping:
            left[0].give(None)

    def _has_begun(self, work: Callable[[], None]) -> bool:
        """Have `work` computed; where that cannot be, all who are told are told so."""
        try:
            self._begin(work)
        except Exception as error:  # the thread for it has ended
            for seat, _ in self._told():
                self._fail(seat, error)
            return False
        return True

    def _wants(self, seat: _Seat, listener: Listener) -> bool:
        try:
            return listener.wants()
        except Exception as error:
            self._fail(seat, error)
            return False

    def _fail(self, seat: _Seat, error: Exception) -> None:
        """End an answer while nobody steps."""
        seat.ended, seat.error = True, error
        self._stepper.cancel(seat.branch)

    def _told(self, ended: bool = False) -> list[tuple[_Seat, Listener]]:
        """Those who are told, and have heard all or not."""
        seats = self._seats.values()
        return [(seat, seat.listener) for seat in seats if seat.listener is not None and seat.ended == ended]

    def _dismiss(self) -> None:
        """Tell those who are told that theirs has ended."""
        for seat, listener in self._told(ended=True):
            if self._seats.pop(seat.branch, None) is None:  # one who was told of its end has come by here
                continue
            with contextlib.suppress(Exception):  # its own affair, and nothing follows
                listener.end(seat.error)

    def _blame(self, error: Exception) -> None:
        """End what made a step fail: the newcomer in it; of several, each is tried again by itself; else everybody."""
        open_ones = [branch for branch, seat in self._seats.items() if not seat.ended]
        taking_part = [branch for branch in open_ones if branch.trunk is not None]
        new = [branch for branch in taking_part if not branch.has_run]
        if len(new) > 1:
            for branch in new:
                self._stepper.cancel(branch)
            self._aside.extend(new[1:])
            self._stepper.submit(new[0])
            return
        for branch in new or taking_part or open_ones[:1]:  # the last: one by one, the oldest has its turn
            self._stepper.cancel(branch)
            seat = self._seats[branch]
            seat.ended, seat.error = True, error
        if self._aside:
            self._stepper.submit(self._aside.popleft())

    def _lose(self) -> None:
        """The stepper knows nobody, yet somebody waits: a step that failed has lost them, and they must not wait on."""
        for seat in self._seats.values():
            if not seat.ended:
                seat.ended, seat.error = True, RuntimeError("the answer was lost in a step that failed")

    def _order(self, order: Callable[[], None]) -> None:
        """Tell the stepper something: now, or when the step that is being made is done."""
        if self._stepping:
            self._orders.append(order)
        else:
            order()

    def _end(self, branch: Branch) -> None:
        if branch in self._aside:
            self._aside.remove(branch)
        if branch.finish is None:
            branch.finish = "stop"  # as if it had ended by itself: its tokens are kept for the next turn
        self._stepper.cancel(branch)
