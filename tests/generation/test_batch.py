"""Answers brought on in one call: each is the one given alone, whoever comes, goes or grows; memory is bounded."""

from __future__ import annotations

import random
from contextlib import nullcontext

import pytest
import torch

from chiasm.generation import attention
from chiasm.generation import scheduler as scheduling
from chiasm.generation import trunk as trunk_module
from chiasm.generation.attention import Abreast
from chiasm.generation.batch import Batches
from chiasm.generation.engine import Engine
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.generation.trunk import Trunk
from tests.generation.test_scheduler import FAMILIES, drain, num_places, scheduler
from tests.generation.tiny import LANGUAGE, ours, prompt

LONG = {**LANGUAGE, "max_position_embeddings": 2048}


def questions(count: int, longest: int = 40, seed: int = 0) -> list[Prompt]:
    """About a picture each, or none, of many lengths, with nothing in common but the first token."""
    draw = random.Random(seed)
    asked = []
    for number in range(count):
        words = [draw.randrange(2, 99) for _ in range(draw.randrange(1, longest))]
        asked.append(prompt([1, 2 + number % 90], *([str(number % 7)] if number % 3 else []), [*words, 3]))
    return asked


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many went through each call that was for several."""
    seen: list[int] = []
    attend = Abreast.attend

    def counted(block: Abreast, *args: object) -> torch.Tensor:
        seen.append(len(block.places))
        return attend(block, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Abreast, "attend", counted)
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_written_together_are_those_given_alone(family: str, widths: list[int]) -> None:
    engine = Engine(ours(FAMILIES[family]))
    decoding = Decoding(30, end_ids=frozenset({3, 50, 60}))
    asked = questions(24)
    expected = [list(engine.stream(each, decoding)) for each in asked]
    draw, stepper = random.Random(1), scheduler(engine, num_slots=9)
    branches = [engine.branch(each, decoding) for each in asked]
    waiting = list(branches)
    while waiting or stepper.num_running or stepper.num_waiting:
        for _ in range(draw.randrange(3)):
            if waiting:
                stepper.submit(waiting.pop())
        stepper.step()
    assert [branch.ids for branch in branches] == expected
    assert max(widths) >= 5
    assert len(set(widths)) >= 4  # they came and went


def test_long_and_short_are_not_computed_to_one_length(monkeypatch: pytest.MonkeyPatch, widths: list[int]) -> None:
    engine = Engine(ours(LONG))
    lengths = [3, 20, 90, 130, 200, 250, 600, 700]
    asked = [prompt([1, number + 2, *[number + 20] * length, 3]) for number, length in enumerate(lengths)]
    decoding = Decoding(40)  # the one of 250 becomes too long for those it began with
    expected = [list(engine.stream(each, decoding)) for each in asked]
    spans: list[tuple[int, int]] = []
    arrange = Batches.arrange

    def seen(batches: Batches, trunks: list[Trunk], room: int) -> object:
        arranged = arrange(batches, trunks, room)
        for batch, members in arranged:
            used = [trunk.used for trunk in members]
            spans.append((min(used), max(used)))
            assert max(used) < batch.capacity
        return arranged

    monkeypatch.setattr(Batches, "arrange", seen)
    stepper = scheduler(engine)
    branches = [engine.branch(each, decoding) for each in asked]
    for branch in branches:
        stepper.submit(branch)
    drain(stepper)
    assert [branch.ids for branch in branches] == expected
    assert {2, 3} <= set(widths)
    assert all(most <= max(127, 2 * least) for least, most in spans)


def test_memory_of_a_batch_is_within_the_bound_and_given_back(widths: list[int]) -> None:
    engine = Engine(ours())
    asked = questions(40)
    decoding = Decoding(25)
    expected = [list(engine.stream(each, decoding)) for each in asked]
    for max_tokens in (150, 1000, 4000):
        widths.clear()
        stepper = scheduler(engine, max_tokens, num_slots=6)
        branches = [engine.branch(each, decoding) for each in asked]
        for branch in branches:
            stepper.submit(branch)
        while stepper.num_waiting or stepper.num_running:
            stepper.step()
            assert num_places(stepper) <= stepper.num_held <= max_tokens
        assert [branch.ids for branch in branches] == expected
        assert stepper.num_held == sum(trunk.num_held for trunk in stepper._trunks)
        assert bool(widths) == (max_tokens > 150)


def test_a_second_question_about_a_picture_that_is_being_answered_leaves_the_batch(widths: list[int]) -> None:
    engine = Engine(ours())
    asked = [prompt([1, 5], str(number), [7, 8, 9]) for number in range(3)]
    another = prompt([1, 5], "1", [30, 31])
    branches = [engine.branch(each, Decoding(20), num_shared=6) for each in asked]
    stepper = scheduler(engine)
    for branch in branches:
        stepper.submit(branch)
    for _ in range(6):
        stepper.step()
    assert set(widths) == {3}
    joins = engine.branch(another, Decoding(20), num_shared=6)
    stepper.submit(joins)
    stepper.step()
    assert joins.trunk is branches[1].trunk
    assert joins.num_cached == 6
    drain(stepper)
    assert 2 in widths
    for branch in (*branches, joins):
        assert branch.ids == list(engine.stream(branch.prompt, Decoding(20)))


def test_prompts_that_share_nothing_go_together(monkeypatch: pytest.MonkeyPatch, widths: list[int]) -> None:
    monkeypatch.setattr(scheduling, "_OWN_TOKENS", 1)  # as for long ones, which do not attend over each other's places
    engine = Engine(ours())
    stepper = scheduler(engine)
    branches = [engine.branch(each, Decoding(10), num_shared=0) for each in questions(5)]
    for branch in branches:
        stepper.submit(branch)
    drain(stepper)
    assert 5 in widths
    assert [branch.ids for branch in branches] == [list(engine.stream(b.prompt, Decoding(10))) for b in branches]


def test_what_one_leaves_behind_is_nothing_to_the_next(widths: list[int]) -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    asked = questions(5)
    branches = [engine.branch(each, Decoding(25)) for each in asked]
    for branch in branches[:4]:
        stepper.submit(branch)
    for _ in range(12):
        stepper.step()
    broken = branches[1].trunk  # as where a model's numbers overflow
    assert broken is not None
    with torch.inference_mode():
        for layer in broken.shapes():
            for held in broken.held(layer, broken.num_held):
                held.fill_(torch.nan)
    stepper.cancel(branches[1])
    stepper.submit(branches[4])
    drain(stepper)
    assert widths.count(4) > 12
    for branch in (branches[0], *branches[2:]):
        assert branch.ids == list(engine.stream(branch.prompt, Decoding(25)))


def test_under_autocast_answers_go_together_as_well(widths: list[int]) -> None:
    engine = Engine(ours())  # in training, asked for a look at how far it is
    with torch.autocast("cpu", torch.bfloat16):
        answers = list(engine.generate(questions(5), Decoding(8)))
    assert 5 in widths
    assert [len(answer.ids) for answer in answers] == [8] * 5


@pytest.mark.parametrize("max_tokens", [1300, 1450, 1500, 1600])
def test_the_bound_holds_when_members_leave_beside_others_that_grow(max_tokens: int, widths: list[int]) -> None:
    engine = Engine(ours({**LANGUAGE, "max_position_embeddings": 512}))
    stepper = scheduler(engine, max_tokens, num_slots=40)
    alone = [prompt([1, number], [30 + number] * 57, [3]) for number in range(2, 5)]
    shared = [prompt([1, number], [40 + number] * 60, [more, 3]) for number in range(10, 16) for more in range(5)]
    branches = [engine.branch(each, Decoding(17), keep=True) for each in alone]
    branches += [engine.branch(each, Decoding(60), num_shared=62) for each in shared]
    for branch in branches:
        stepper.submit(branch)
    while stepper.num_waiting or stepper.num_running:
        stepper.step()
        assert num_places(stepper) <= stepper.num_held <= max_tokens
    assert widths
    for branch in branches[:6]:
        assert branch.ids == list(engine.stream(branch.prompt, branch.decoding))


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_what_cannot_be_copied_out_of_a_batch_is_forgotten(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch, widths: list[int]
) -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    asked = questions(6)
    branches = [engine.branch(each, Decoding(25), keep=True) for each in asked]
    for branch in branches[:4]:
        stepper.submit(branch)
    for _ in range(10):
        stepper.step()

    def fails(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(trunk_module, "enlarged", fails)
        with pytest.raises(error) if error is KeyboardInterrupt else nullcontext():
            stepper.cancel(branches[2])
    again = engine.branch(asked[2], Decoding(25), keep=True)
    for branch in (*branches[4:], again):
        stepper.submit(branch)
    drain(stepper)
    assert again.num_cached <= 1  # what all begin with
    for branch in (*branches[:2], *branches[3:], again):
        assert branch.ids == list(engine.stream(branch.prompt, Decoding(25)))


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_step_of_a_batch_has_not_happened(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ours())
    asked = questions(6)
    expected = [list(engine.stream(each, Decoding(15))) for each in asked]
    stepper = scheduler(engine)
    branches = [engine.branch(each, Decoding(15)) for each in asked]
    for branch in branches:
        stepper.submit(branch)
    for _ in range(4):
        stepper.step()
    calls = 0
    folded = attention._folded

    def broken(*args: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return folded(*args)

    with monkeypatch.context() as patched:
        patched.setattr(attention, "_folded", broken)
        with pytest.raises(KeyboardInterrupt):
            stepper.step()
    drain(stepper)
    assert [branch.ids for branch in branches] == expected


def test_a_move_into_a_batch_that_is_interrupted_has_not_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ours())
    asked = questions(6)
    expected = [list(engine.stream(each, Decoding(15))) for each in asked]
    lodge, calls = Trunk.lodge, 0

    def broken(trunk: Trunk, *args: object) -> None:
        nonlocal calls
        calls += 1
        if calls in (1, 4, 7):
            raise KeyboardInterrupt
        lodge(trunk, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Trunk, "lodge", broken)
    stepper = scheduler(engine)
    branches = [engine.branch(each, Decoding(15)) for each in asked]
    for branch in branches:
        stepper.submit(branch)
    interrupted = 0
    while stepper.num_waiting or stepper.num_running:
        try:
            stepper.step()
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted == 3
    assert [branch.ids for branch in branches] == expected
