"""A second question about a picture: in the buffers of the first, within the bound, in one piece of attention."""

from __future__ import annotations

import pytest

from chiasm.generation.attention import Step
from chiasm.generation.engine import Engine
from chiasm.generation.sampling import Decoding
from chiasm.generation.trunk import Branch
from tests.generation.test_scheduler import drain, num_places, scheduler
from tests.generation.tiny import NUM_PATCHES, ours, prompt

GREEDY = Decoding(6)
SYSTEM = [1, *range(5, 15)]


def question(engine: Engine, picture: str, words: list[int]) -> Branch:
    return engine.branch(prompt(SYSTEM, picture, words), GREEDY, keep=True)


def test_a_second_question_is_written_into_the_buffers_of_the_first() -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    stepper.submit(question(engine, "3", [7, 8, 9]))
    drain(stepper)
    (before,) = stepper._trunks
    places = {layer: keys.data_ptr() for layer, keys in before._places.keys.items()}
    second = question(engine, "3", [30, 31])
    stepper.submit(second)
    drain(stepper)
    (after,) = stepper._trunks
    assert after is not before
    assert {layer: keys.data_ptr() for layer, keys in after._places.keys.items()} == places
    assert second.num_cached == len(SYSTEM) + NUM_PATCHES
    assert second.ids == list(engine.stream(second.prompt, GREEDY))


@pytest.mark.parametrize("max_tokens", [40, 50, 75, 300])
def test_questions_one_after_another_stay_within_the_bound(max_tokens: int) -> None:
    engine = Engine(ours())
    stepper = scheduler(engine, max_tokens=max_tokens)
    num_cached = 0
    for number in range(24):
        # Long, then short: what the first had room for is more than the second needs.
        asked = question(engine, str(number // 3 % 4), list(range(20, 22 + (number * 5) % 11)))
        expected = list(engine.stream(asked.prompt, GREEDY))
        stepper.submit(asked)
        while stepper.num_waiting or stepper.num_running:
            stepper.step()
            assert num_places(stepper) <= stepper.num_held <= max_tokens
        assert asked.ids == expected
        num_cached += asked.num_cached
    assert num_cached >= 16 * (len(SYSTEM) + NUM_PATCHES)  # of the three about each picture, two


def test_what_is_new_of_one_prompt_goes_through_a_layer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    blocks: list[int] = []
    attend = Step.attend

    def counted(step: Step, *args: object) -> object:
        blocks.append(len(step.blocks))
        return attend(step, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Step, "attend", counted)
    for words in ([7, 8, 9], [30, 31]):
        stepper.submit(question(engine, "3", words))
        drain(stepper)
    assert set(blocks) == {1}
