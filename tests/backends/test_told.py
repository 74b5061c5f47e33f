"""Answers that are told: whole, to whom they belong, no further than is wanted, beside those who wait for theirs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from chiasm.backends.local import LocalChatModel
from chiasm.backends.shared_steps import SharedSteps
from chiasm.chat import Delta, Sampling, collect
from chiasm.conversation import Conversation
from chiasm.errors import UserError
from chiasm.generation.trunk import Branch
from tests.backends.test_local import asked, picture
from tests.backends.test_shared_steps import Counting, branch
from tests.backends.tiny import assistant, script


@dataclass
class Heard:
    """A listener that takes `most` ids at a time, has enough at `last` and fails at `bad`."""

    most: float = float("inf")
    last: int | None = None
    bad: int | None = None
    ids: list[int] = field(default_factory=list)
    errors: list[Exception | None] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hear(self, token: int) -> bool:
        if token == self.bad:
            raise ValueError("not this one")
        self.ids.append(token)
        return token == self.last

    def end(self, error: Exception | None) -> None:
        self.errors.append(error)
        self.over.set()

    def wants(self) -> bool:
        return len(self.ids) < self.most

    def whole(self) -> list[int]:
        assert self.over.wait(10)
        return self.ids


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


def steps(stepper: Counting, thread: ThreadPoolExecutor) -> SharedSteps:
    alone = threading.Lock()

    def computed(step: Callable[[], None]) -> None:
        with alone:
            step()

    def waited_for(step: Callable[[], None]) -> None:
        thread.submit(computed, step).result()

    return SharedSteps(stepper, waited_for, lambda step: thread.submit(computed, step))


def test_each_hears_its_own_answer_beside_those_who_wait_for_theirs(thread: ThreadPoolExecutor) -> None:
    shared = steps(Counting(), thread)
    told = [Heard() for _ in range(4)]
    waited: dict[int, list[int]] = {}

    def wait(first: int) -> None:
        waited[first] = list(shared.answer(branch(first, 300)))

    waiting = [threading.Thread(target=wait, args=(first,)) for first in (10_000, 20_000)]
    for place, listener in enumerate(told):
        shared.tell(branch(1000 * (place + 1), 500), listener)
        if place < len(waiting):
            waiting[place].start()
    for place, listener in enumerate(told):
        assert listener.whole() == list(range(1000 * (place + 1), 1000 * (place + 1) + 500))
        assert listener.errors == [None]
    for each in waiting:
        each.join(10)
    assert waited == {first: list(range(first, first + 300)) for first in (10_000, 20_000)}
    assert shared.num_open == 0


def test_nothing_is_computed_that_nobody_wants(thread: ThreadPoolExecutor) -> None:
    stepper = Counting()
    shared, listener = steps(stepper, thread), Heard(most=3)
    shared.tell(branch(1, 8), listener)
    time.sleep(0.1)
    assert (listener.ids, stepper.num_steps) == ([1, 2, 3], 3)
    assert list(shared.answer(branch(20, 3))) == [20, 21, 22]  # who waits brings the other on
    time.sleep(0.1)
    assert listener.ids == [1, 2, 3, 4, 5, 6]
    listener.most = 100
    shared.go_on()
    assert listener.whole() == list(range(1, 9))


def test_who_waits_is_brought_on_when_those_who_are_told_have_enough(thread: ThreadPoolExecutor) -> None:
    shared, listener = steps(Counting(), thread), Heard(last=3)
    shared.tell(branch(1, 1000), listener)
    assert list(shared.answer(branch(50, 40))) == list(range(50, 90))
    assert listener.whole() == [1, 2, 3]
    assert listener.errors == [None]


def test_enough_ends_the_answer_itself(thread: ThreadPoolExecutor) -> None:
    stepper = Counting()
    shared, listener, asked_for = steps(stepper, thread), Heard(last=4), branch(1, 1000)
    shared.tell(asked_for, listener)
    assert listener.whole() == [1, 2, 3, 4]
    assert (asked_for.finish, stepper.num_running, stepper.num_steps) == ("stop", 0, 4)


def test_who_leaves_hears_no_more_and_nothing_more_is_computed(thread: ThreadPoolExecutor) -> None:
    stepper = Counting()
    shared, leaving, other = steps(stepper, thread), Heard(), Heard(most=2)
    left = branch(1, 10**9)
    shared.tell(left, leaving)
    shared.tell(branch(50), other)
    while len(leaving.ids) < 20:
        time.sleep(0.001)
    shared.leave(left)
    thread.submit(int).result()  # a step that was on its way is over
    heard = len(leaving.ids)
    time.sleep(0.05)
    assert len(leaving.ids) == heard
    assert leaving.errors == []
    other.most = 100
    shared.go_on()
    assert other.whole() == [50, 51, 52, 53, 54]


def test_a_listener_that_fails_ends_its_own_answer(thread: ThreadPoolExecutor) -> None:
    shared, failing, other = steps(Counting(), thread), Heard(bad=3), Heard()
    shared.tell(branch(1, 50), failing)
    shared.tell(branch(60, 50), other)
    assert other.whole() == list(range(60, 110))
    assert failing.whole() == [1, 2]
    assert [str(error) for error in failing.errors] == ["not this one"]


def test_a_step_that_fails_is_told_to_who_made_it_fail(thread: ThreadPoolExecutor) -> None:
    shared, other, unlucky = steps(Counting(), thread), Heard(most=2), Heard()
    shared.tell(branch(60, 50), other)
    time.sleep(0.05)
    shared.tell(branch(13), unlucky)
    assert unlucky.whole() == []
    assert [str(error) for error in unlucky.errors] == ["thirteen"]
    other.most = 100
    shared.go_on()
    assert other.whole() == list(range(60, 110))


def test_a_listener_whose_wishes_fail_ends_its_own_answer(thread: ThreadPoolExecutor) -> None:
    stepper = Counting()
    shared, failing, other = steps(stepper, thread), Heard(), Heard()

    def wants() -> bool:
        raise ValueError("who knows")

    failing.wants = wants  # type: ignore[method-assign]
    shared.tell(branch(1, 50), failing)
    shared.tell(branch(60, 50), other)
    assert other.whole() == list(range(60, 110))
    assert [str(error) for error in failing.errors] == ["who knows"]
    assert stepper.num_running == 0


def test_who_acts_when_told_of_the_end_disturbs_nobody(thread: ThreadPoolExecutor) -> None:
    shared = steps(Counting(), thread)
    told = [Heard() for _ in range(3)]
    branches = [branch(1000 * (place + 1), 20) for place in range(3)]
    for listener, own in zip(told, branches, strict=True):
        end = listener.end

        def acting(error: Exception | None, end: Callable[[Exception | None], None] = end, own: Branch = own) -> None:
            shared.go_on()
            shared.leave(own)
            end(error)

        listener.end = acting  # type: ignore[method-assign]
    waited: list[int] = []
    waiting = threading.Thread(target=lambda: waited.extend(shared.answer(branch(50, 20))))
    for listener, own in zip(told, branches, strict=True):
        shared.tell(own, listener)
    waiting.start()
    assert [listener.whole()[-1] for listener in told] == [1019, 2019, 3019]
    waiting.join(10)
    assert waited == list(range(50, 70))


def test_an_answer_ends_where_it_was_computed_whoever_leaves_it(thread: ThreadPoolExecutor) -> None:
    stepper = Counting()
    cancelled_in: list[int] = []
    cancel = stepper.cancel

    def noted(left: Branch) -> None:
        cancelled_in.append(threading.get_ident())
        cancel(left)

    stepper.cancel = noted  # type: ignore[method-assign]
    shared, paused, own = steps(stepper, thread), Heard(most=3), branch(1, 50)
    shared.tell(own, paused)
    time.sleep(0.05)
    shared.leave(own)
    computing = thread.submit(threading.get_ident).result()
    assert cancelled_in == [computing]
    assert list(shared.answer(branch(20, 3))) == [20, 21, 22]


def test_without_a_thread_to_compute_in_everybody_is_told() -> None:
    def begin(step: Callable[[], None]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    stepper = Counting()
    shared, listener = SharedSteps(stepper, lambda step: step(), begin), Heard()
    shared.tell(branch(1), listener)
    assert [str(error) for error in listener.errors] == ["cannot schedule new futures after shutdown"]
    assert shared.num_open == stepper.num_running == 0


@dataclass
class Reading:
    """A reader that takes everything."""

    pieces: list[Delta | Exception] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hear(self, piece: Delta | Exception) -> None:
        self.pieces.append(piece)
        if isinstance(piece, Exception) or piece.finish_reason is not None:
            self.over.set()

    def wants(self) -> bool:
        return True


def told(model: LocalChatModel, conversation: Conversation, sampling: Sampling) -> list[Delta | Exception]:
    reader = Reading()
    model.tell(conversation, sampling, reader)
    assert reader.over.wait(20)
    return reader.pieces


@pytest.mark.parametrize("sampling", [Sampling(12), Sampling(9, temperature=1.0, seed=4), Sampling(6, num_likely=2)])
def test_what_is_told_is_what_is_streamed(sampling: Sampling) -> None:
    questions = [asked("What?", picture(1)), asked("And this?", picture(1), picture(2)), asked("No picture.")]
    expected = [collect(assistant().stream(each, sampling)) for each in questions]
    with ThreadPoolExecutor(1) as thread, ThreadPoolExecutor(3) as askers:
        model = assistant().compute_in(thread)
        found = list(askers.map(lambda each: told(model, each, sampling), questions))
    for pieces, answer in zip(found, expected, strict=True):
        whole = collect(piece for piece in pieces if isinstance(piece, Delta))
        assert (whole.text, whole.finish_reason) == (answer.text, answer.finish_reason)
        assert [t.content for t in whole.tokens] == [t.content for t in answer.tokens]
        likely = [t.log_probability for t in answer.tokens]
        assert [t.log_probability for t in whole.tokens] == pytest.approx(likely, abs=1e-4)
        assert (whole.usage.num_prompt, whole.usage.num_answer) == (answer.usage.num_prompt, answer.usage.num_answer)


def test_an_error_in_the_last_piece_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: object) -> tuple[int, ...]:
        raise KeyError("no such picture")

    model = assistant()
    monkeypatch.setattr(model, "_unfamiliar", failing)
    *_, last = told(model, asked("What?", picture(1)), Sampling(4))
    assert isinstance(last, KeyError)


def test_a_stop_string_ends_what_is_told() -> None:
    model = assistant()
    script(model, "Yes, a dog. No.")
    pieces = told(model, asked("What?", picture(1)), Sampling(100, stop=("dog",)))
    whole = collect(piece for piece in pieces if isinstance(piece, Delta))
    assert (whole.text, whole.finish_reason) == ("Yes, a", "stop")
    assert whole.usage.num_answer <= len("Yes, a dog")
    assert model.answer("What?", [picture(1)], max_tokens=3)  # who waits is answered by the same thread
    with pytest.raises(UserError, match="nothing to answer"):
        model.tell(asked("Hi").said("assistant", "Hello"), Sampling(3), Reading())
