"""Many threads, one stepper: tokens reach whom they belong to, and who fails or leaves hurts nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest
import torch

from chiasm.backends.shared_steps import SharedSteps
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.generation.scheduler import Event
from chiasm.generation.trunk import Branch


class Counting:
    """A stepper whose answer to the prompt [n] is n, n + 1, ... of as many tokens as asked for; 13 makes it fail."""

    def __init__(self) -> None:
        self.running: list[Branch] = []
        self.num_steps, self.most = 0, 0
        self.num_waiting = 0

    @property
    def num_running(self) -> int:
        return len(self.running)

    def submit(self, branch: Branch) -> None:
        branch.trunk = object()  # type: ignore[assignment]
        self.running.append(branch)

    def cancel(self, branch: Branch) -> None:
        if branch in self.running:
            self.running.remove(branch)
            branch.trunk = None

    def step(self) -> list[Event]:
        self.num_steps += 1
        self.most = max(self.most, len(self.running))
        if any(branch.prompt.ids == [13] for branch in self.running):
            raise ValueError("thirteen")
        events = []
        for branch in list(self.running):
            branch.has_run = True
            branch.ids.append(branch.prompt.ids[0] + len(branch.ids))
            if len(branch.ids) == branch.limit:
                branch.finish = "length"
                self.running.remove(branch)
            events.append(Event(branch, branch.ids[-1], branch.finish))
        return events


def branch(first: int, limit: int = 5) -> Branch:
    return Branch(Prompt([first], torch.zeros(0)), Decoding(), limit, 0)


def nobody_is_told(step: Callable[[], None]) -> None:
    raise AssertionError("a step nobody waits for")


@pytest.fixture
def stepper() -> Counting:
    return Counting()


@pytest.fixture
def shared(stepper: Counting) -> SharedSteps:
    return SharedSteps(stepper, lambda step: step(), nobody_is_told)


def test_one_who_reads_brings_all_on(stepper: Counting, shared: SharedSteps) -> None:
    first, second = shared.answer(branch(1)), shared.answer(branch(20))
    assert (next(first), next(second)) == (1, 20)  # the second joins when it is first asked
    assert list(first) == [2, 3, 4, 5]
    done = stepper.num_steps
    assert list(second) == [21, 22, 23, 24]
    assert stepper.num_steps == done + 1  # the others were chosen in the steps of the first
    assert shared.num_open == 0


def test_threads_read_their_own(stepper: Counting, shared: SharedSteps) -> None:
    found: dict[int, list[int]] = {}
    together = threading.Barrier(8)

    step = stepper.step
    stepper.step = lambda: time.sleep(0.0005) or step()  # type: ignore[method-assign,func-returns-value]

    def read(first: int) -> None:
        together.wait()
        found[first] = list(shared.answer(branch(first, 200)))

    threads = [threading.Thread(target=read, args=(1000 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {1000 * i: list(range(1000 * i, 1000 * i + 200)) for i in range(8)}
    assert stepper.num_steps < 1200  # 1600, if nobody had a step in common


def test_closing_takes_it_out_at_once(stepper: Counting, shared: SharedSteps) -> None:
    asked = branch(1, 100)
    answer = shared.answer(asked)
    assert next(answer) == 1
    answer.close()
    assert (stepper.running, shared.num_open, asked.finish) == ([], 0, "stop")


def test_a_newcomer_that_fails_fails_alone(stepper: Counting, shared: SharedSteps) -> None:
    old = shared.answer(branch(1))
    assert next(old) == 1
    with pytest.raises(ValueError, match="thirteen"):
        next(shared.answer(branch(13)))
    assert list(old) == [2, 3, 4, 5]


def test_of_newcomers_of_one_step_only_the_guilty_fails(stepper: Counting, shared: SharedSteps) -> None:
    asked = {first: branch(first) for first in (1, 13, 30)}
    # While the first to come steps, the others join: their first step is one and the same, and fails.
    found: dict[int, Any] = {}
    gate = threading.Event()
    step = stepper.step
    stepper.step = lambda: gate.wait(5) and step()  # type: ignore[method-assign,assignment,return-value]

    def read(first: int) -> None:
        try:
            found[first] = list(shared.answer(asked[first]))
        except ValueError as error:
            found[first] = str(error)

    threads = [threading.Thread(target=read, args=(first,)) for first in asked]
    for thread in threads:
        thread.start()
    while shared.num_open < 3:
        pass
    gate.set()
    for thread in threads:
        thread.join(10)
    assert found == {1: [1, 2, 3, 4, 5], 13: "thirteen", 30: [30, 31, 32, 33, 34]}


def test_an_interrupt_reaches_whoever_steps_and_nobody_else(stepper: Counting, shared: SharedSteps) -> None:
    first, second = shared.answer(branch(1)), shared.answer(branch(20))
    assert (next(first), next(second)) == (1, 20)
    step = stepper.step

    def interrupted() -> Iterator[Event]:
        raise KeyboardInterrupt

    stepper.step = interrupted  # type: ignore[method-assign,assignment]
    next(first)  # chosen before
    with pytest.raises(KeyboardInterrupt):
        list(first)
    stepper.step = step  # type: ignore[method-assign]
    assert list(second) == [21, 22, 23, 24]


def test_who_is_lost_does_not_wait_for_ever(stepper: Counting, shared: SharedSteps) -> None:
    answer = shared.answer(branch(1))
    next(answer)
    stepper.running.clear()
    with pytest.raises(RuntimeError, match="lost"):
        next(answer)


def breakable(stepper: Counting) -> tuple[SharedSteps, threading.Event]:
    """Once the event is set, no step can be computed any more."""
    broken = threading.Event()

    def compute(step: Callable[[], None]) -> None:
        if broken.is_set():
            raise RuntimeError("no thread to compute in")
        step()

    return SharedSteps(stepper, compute, nobody_is_told), broken


def test_steps_that_cannot_be_computed_end_everybody(stepper: Counting) -> None:
    shared, broken = breakable(stepper)
    answers = [shared.answer(branch(first)) for first in (1, 20)]
    assert [next(answer) for answer in answers] == [1, 20]
    broken.set()
    assert next(answers[0]) == 2  # chosen before
    for answer in answers:
        with pytest.raises(RuntimeError, match="no thread"):
            list(answer)
    assert shared.num_open == 0


class Gate:
    """In place of `step`: the next step waits until it is opened; then it is made, or `events` are what it gave."""

    def __init__(self, stepper: Counting, events: list[Event] | None = None) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self._step, self._stepper, self._events = stepper.step, stepper, events
        stepper.step = self  # type: ignore[assignment]

    def __call__(self) -> list[Event]:
        self._stepper.step = self._step  # type: ignore[method-assign]
        self.begun.set()
        assert self.open.wait(5)
        return self._step() if self._events is None else self._events


def apart(read: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def waits(shared: SharedSteps, asked: Branch) -> None:
    end = time.monotonic() + 5
    while asked not in shared._seats or not shared._seats[asked].waits:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_who_waits_steps_when_the_one_who_stepped_reads_no_further(shared: SharedSteps, stepper: Counting) -> None:
    found: list[int] = []
    gate, asked = Gate(stepper), branch(20)
    resting = shared.answer(branch(1, 100))
    first = apart(lambda: next(resting))
    assert gate.begun.wait(5)
    second = apart(lambda: found.extend(shared.answer(asked)))
    waits(shared, asked)  # for the step after this one, which began without it
    gate.open.set()
    for thread in (first, second):
        thread.join(5)
    assert found == [20, 21, 22, 23, 24]


def test_who_is_called_to_step_and_leaves_calls_another(shared: SharedSteps, stepper: Counting) -> None:
    class Interrupted:
        """A queue whose reader gets Ctrl-C as it is called."""

        def __init__(self) -> None:
            self._queue = SimpleQueue[int | None]()
            self.put, self.empty = self._queue.put, self._queue.empty

        def get(self) -> int:
            token = self._queue.get()
            if token is None:
                raise KeyboardInterrupt
            return token

    asked = [branch(first, 100) for first in (1, 20, 40)]
    answers = [shared.answer(each) for each in asked]
    assert [next(answer) for answer in answers] == [1, 20, 40]
    for each in asked:
        while not shared._seats[each].tokens.empty():
            shared._seats[each].tokens.get()
    shared._seats[asked[1]].tokens = Interrupted()  # type: ignore[assignment]
    gate = Gate(stepper, [Event(asked[0], 2, None)])  # nothing for the others
    found: list[object] = []

    def interrupted() -> None:
        try:
            next(answers[1])
        except KeyboardInterrupt:
            found.append("interrupted")

    threads = [apart(lambda: next(answers[0]))]
    assert gate.begun.wait(5)
    for read, each in ((interrupted, asked[1]), (lambda: found.append(next(answers[2])), asked[2])):
        threads.append(apart(read))
        waits(shared, each)
    gate.open.set()
    for thread in threads:
        thread.join(5)
    assert found[0] == "interrupted"
    assert len(found) == 2  # the last one was called, and stepped


def test_an_interrupt_before_the_step_leaves_the_others_to_go_on(stepper: Counting) -> None:
    pressed = threading.Event()

    def compute(step: Callable[[], None]) -> None:
        if pressed.is_set():
            pressed.clear()
            raise KeyboardInterrupt
        step()

    shared = SharedSteps(stepper, compute, nobody_is_told)
    other, answer = shared.answer(branch(20)), shared.answer(branch(1))
    assert (next(other), next(answer)) == (20, 1)
    assert next(other) == 21  # of the step in which the second joined
    pressed.set()
    with pytest.raises(KeyboardInterrupt):
        next(other)
    assert list(answer) == [2, 3, 4, 5]


def test_leaving_that_fails_is_heard_by_one_and_the_others_go_on(stepper: Counting, shared: SharedSteps) -> None:
    def failing(left: Branch) -> None:
        stepper.cancel = cancel  # type: ignore[method-assign]
        raise MemoryError("no room to make it smaller")

    leaving, stepping, *others = [shared.answer(branch(first, 12)) for first in (1, 20, 40, 60)]
    assert [next(answer) for answer in (leaving, stepping, *others)] == [1, 20, 40, 60]
    heard: list[str] = []

    def read() -> None:
        try:
            list(stepping)
        except MemoryError as error:
            heard.append(str(error))

    cancel, gate = stepper.cancel, Gate(stepper)
    thread = apart(read)
    assert gate.begun.wait(5)
    stepper.cancel = failing  # type: ignore[method-assign]
    leaving.close()  # an order for the end of this step
    gate.open.set()
    thread.join(5)
    assert heard == ["no room to make it smaller"]
    assert [list(answer) for answer in others] == [list(range(41, 52)), list(range(61, 72))]


def test_an_answer_that_has_ended_is_not_blamed(stepper: Counting) -> None:
    shared, broken = breakable(stepper)
    done, answer = shared.answer(branch(1, 2)), shared.answer(branch(20, 9))
    assert (next(done), next(answer)) == (1, 20)
    assert next(answer) == 21  # the last of `done` was chosen in the same step, and is not read yet
    for each in stepper.running:
        each.trunk = None  # as of those who wait for a slot, or are answered one by one
    broken.set()
    with pytest.raises(RuntimeError, match="no thread"):
        list(answer)
    assert list(done) == [2]
