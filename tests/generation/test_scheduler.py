"""Many prompts at once against each alone: equal answers, nothing twice, memory bounded, joining and leaving."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from chiasm.errors import UserError
from chiasm.generation.engine import Engine
from chiasm.generation.one_by_one import OneByOne
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.generation.scheduler import Event, Scheduler
from chiasm.generation.trunk import Branch
from chiasm.models.llava import Llava
from tests.generation.tiny import LANGUAGE, NUM_PATCHES, ours, prompt

GREEDY = Decoding(12)
SHAPE = {key: value for key, value in LANGUAGE.items() if key != "model_type"}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": LANGUAGE,
    "sliding window": {"model_type": "mistral", **SHAPE, "sliding_window": 8},
    "every other layer sliding": {
        "model_type": "qwen2",
        **SHAPE,
        "use_sliding_window": True,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "wide heads": {"model_type": "qwen3", **SHAPE, "head_dim": 16},
    "learned positions": {
        "model_type": "gpt2",
        "n_embd": 48,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": 120,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 1,
    },
}


def mixed(count: int, seed: int = 0) -> list[Prompt]:
    """Prompts with one of two system texts, none to two of four pictures, and questions that often begin alike."""
    draw = random.Random(seed)
    prompts = []
    for _ in range(count):
        parts: list[Any] = [[1, *range(5, 15)] if draw.random() < 0.8 else [1, 44, 45]]
        for _ in range(draw.choice([0, 1, 1, 1, 2])):
            parts += [str(draw.randrange(4)), [13]]
        if draw.random() < 0.3:
            parts.append([20, 21, 22, 23])
        parts.append([draw.randrange(2, 99) for _ in range(draw.randrange(30))] + [3])
        prompts.append(prompt(*parts))
    return prompts


def neighbours_alike(prompts: list[Prompt]) -> list[Prompt]:
    return sorted(prompts, key=lambda each: [str(content) for content in each.contents])


class Counted:
    """Tokens that go through the decoder and tiles that go through the tower, call by call."""

    def __init__(self, model: Llava) -> None:
        self.tokens: list[int] = []
        self.num_tiles = 0
        see = model.see

        def counted(x: torch.Tensor) -> torch.Tensor:
            self.num_tiles += len(x)
            return see(x)

        def seen(_: object, __: object, given: dict[str, torch.Tensor]) -> None:
            self.tokens.append(given["inputs_embeds"].shape[1])

        model.see = counted  # type: ignore[method-assign]
        model.language_model.base_model.register_forward_pre_hook(seen, with_kwargs=True)


def scheduler(engine: Engine, max_tokens: int = 10_000, num_slots: int = 32) -> Scheduler:
    return Scheduler(engine.model, engine.features, max_tokens, num_slots)


def num_places(stepper: Scheduler) -> int:
    """Tokens there is memory for, read off the buffers; those that trunks share count once."""
    layers: dict[int, dict[int, int]] = {}
    buffers = [trunk._places.keys for trunk in stepper._trunks]
    for held in (*buffers, *(batch._keys for batch in stepper._batches._of.values())):
        for layer, keys in held.items():
            storage = keys.untyped_storage()
            num_tokens = storage.nbytes() // (keys.itemsize * keys.shape[1] * keys.shape[3])
            layers.setdefault(layer, {})[storage.data_ptr()] = num_tokens
    return max((sum(each.values()) for each in layers.values()), default=0)


def drain(stepper: Scheduler) -> list[Event]:
    events: list[Event] = []
    while stepper.num_waiting or stepper.num_running:
        events += stepper.step()
    return events


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("in_order", [True, False], ids=["grouped", "mixed"])
def test_many_prompts_give_each_the_answer_it_gives_alone(family: str, in_order: bool) -> None:
    engine = Engine(ours(FAMILIES[family]))
    assert isinstance(engine.stepper(), Scheduler)
    prompts = neighbours_alike(mixed(36)) if in_order else mixed(36)
    decoding = Decoding(12, end_ids=frozenset({3, 50, 60, 70, 71, 72}))
    expected = {}
    for index, asked in enumerate(prompts):
        stream = engine.stream(asked, decoding)
        expected[index] = (list(stream), stream.finish)
    assert len({len(ids) for ids, _ in expected.values()}) > 3  # they leave one after another
    for num_slots in (1, 7, 32):
        answers = engine.generate(prompts, decoding, num_slots)
        assert {each.index: (each.ids, each.finish) for each in answers} == expected


def test_every_bound_on_memory_gives_the_same_answers_and_is_kept() -> None:
    engine = Engine(ours())
    prompts = neighbours_alike(mixed(24))
    longest = max(len(each.ids) for each in prompts) + 12
    expected = [list(engine.stream(asked, GREEDY)) for asked in prompts]
    for max_tokens in (longest, 2 * longest, 1000):
        stepper = scheduler(engine, max_tokens)
        branches = [engine.branch(asked, GREEDY, 11) for asked in prompts]
        for branch in branches:
            stepper.submit(branch)
        most_at_once = 0
        while stepper.num_waiting or stepper.num_running:
            stepper.step()
            assert num_places(stepper) <= stepper.num_held <= max_tokens
            most_at_once = max(most_at_once, stepper.num_running)
        assert [branch.ids for branch in branches] == expected
        assert most_at_once > 1


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_answers_needed_is_given_back_when_the_last_has_left(cancelled: bool) -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    front = [1, *range(2, 40)]
    branches = [engine.branch(prompt(front, [n, 8]), Decoding(60), len(front)) for n in range(40, 48)]
    for branch in branches:
        stepper.submit(branch)
    for _ in range(50):
        stepper.step()
    assert num_places(stepper) >= len(front) + 8 * 50
    if cancelled:
        for branch in branches:
            stepper.cancel(branch)
    else:
        drain(stepper)
    assert len(front) <= num_places(stepper) == stepper.num_held <= len(front) * 5 // 4
    again = engine.branch(branches[0].prompt, GREEDY, len(front))
    stepper.submit(again)
    drain(stepper)
    assert again.num_cached == len(front)
    assert again.ids == list(engine.stream(again.prompt, GREEDY))


def two_turns(engine: Engine, stepper: Scheduler) -> tuple[Branch, Branch]:
    """A question about a picture, answered, and the next in the same conversation."""
    first = engine.branch(prompt([1, 5], "3", [7, 8, 9]), Decoding(6), keep=True)
    stepper.submit(first)
    drain(stepper)
    second = engine.branch(prompt([1, 5], "3", [7, 8, 9, *first.ids, 30, 31]), GREEDY, keep=True)
    stepper.submit(second)
    drain(stepper)
    return first, second


def test_a_conversation_that_its_own_next_turn_pushes_out_goes_on() -> None:
    engine = Engine(ours())
    stepper = scheduler(engine, max_tokens=20)
    first, second = two_turns(engine, stepper)
    assert second.num_cached == len(first.prompt.ids) + 5
    assert second.ids == list(engine.stream(second.prompt, GREEDY))


def test_one_prompt_may_take_more_than_the_bound() -> None:
    engine = Engine(ours())
    stepper = scheduler(engine, max_tokens=4)
    branches = [engine.branch(prompt([1, 5], "3", [7, n]), GREEDY) for n in (8, 9)]
    for branch in branches:
        stepper.submit(branch)
    drain(stepper)
    assert [b.ids for b in branches] == [list(engine.stream(b.prompt, GREEDY)) for b in branches]


def test_a_picture_is_encoded_once_and_what_is_shared_computed_once() -> None:
    engine = Engine(ours())
    counted = Counted(engine.model)
    system, questions = [1, 5, 6], [[20 + n, 30, 31] for n in range(18)]
    prompts = [prompt(system, "3", [7, 8], question) for question in questions]
    assert len(list(engine.generate(prompts, Decoding(2)))) == 18
    shared = len(system) + NUM_PATCHES + 2
    # The trunk and all questions in one step; then the first token of each answer. The second is not computed.
    assert counted.tokens == [shared + 18 * 3, 18]
    assert counted.num_tiles == 1


def test_a_step_is_bounded_and_answers_on_their_way_ride_along() -> None:
    engine = Engine(ours({**LANGUAGE, "max_position_embeddings": 2048}))
    counted = Counted(engine.model)
    draw = random.Random(0)
    prompts = [prompt([1], str(n), [draw.randrange(99) for _ in range(995)]) for n in range(4)]
    list(engine.generate(prompts, Decoding(3)))
    # 1,000 tokens each, of which the later ones copy the first: two fit into a step, beside the tokens just chosen.
    assert counted.tokens == [2000, 2 + 2 * 999, 4, 2]


def test_a_later_question_about_a_picture_finds_it_computed() -> None:
    engine = Engine(ours())
    counted = Counted(engine.model)
    stepper = scheduler(engine)
    first = engine.branch(prompt([1, 5, 6], "3", [7, 8, 9]), GREEDY)
    stepper.submit(first)
    drain(stepper)
    assert first.num_cached == 0
    counted.tokens.clear()
    second = engine.branch(prompt([1, 5, 6], "3", [7, 20, 21]), GREEDY)
    stepper.submit(second)
    drain(stepper)
    assert second.num_cached == 3 + NUM_PATCHES + 1
    assert counted.tokens[0] == 2
    assert counted.num_tiles == 1
    assert second.ids == list(engine.stream(second.prompt, GREEDY))


def test_a_kept_answer_is_found_by_the_next_turn() -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    first, second = two_turns(engine, stepper)
    assert second.num_cached == len(first.prompt.ids) + 5  # the last token of an answer is never computed
    assert second.ids == list(engine.stream(second.prompt, GREEDY))
    third = engine.branch(prompt([1, 5], "3", [7, 8, 9, *first.ids, 30, 31, *second.ids, 40]), GREEDY)
    stepper.submit(third)
    drain(stepper)
    assert third.num_cached == len(second.prompt.ids) + 11
    assert third.ids == list(engine.stream(third.prompt, GREEDY))


def test_prompts_join_and_leave_between_steps() -> None:
    engine = Engine(ours())
    stepper = scheduler(engine, num_slots=2)
    prompts = [prompt([1, 5], "3", [7, n]) for n in (8, 9, 10)]
    expected = [list(engine.stream(asked, GREEDY)) for asked in prompts]
    first, second, third = (engine.branch(asked, GREEDY) for asked in prompts)
    stepper.submit(first)
    assert [(e.branch, e.token, e.finish) for e in stepper.step()] == [(first, expected[0][0], None)]
    stepper.submit(second)
    stepper.submit(third)
    stepper.step()
    assert (stepper.num_running, stepper.num_waiting) == (2, 1)
    stepper.cancel(second)
    stepper.cancel(second)  # nothing happens
    assert (stepper.num_running, stepper.num_waiting) == (1, 1)
    stepper.step()
    assert (stepper.num_running, stepper.num_waiting) == (2, 0)
    events = drain(stepper)
    assert (first.ids, third.ids) == (expected[0], expected[2])
    assert second.ids == expected[1][: len(second.ids)]
    assert second.finish is None
    assert [e.finish for e in events if e.finish] == ["length", "length"]
    assert stepper.step() == []
    waiting = engine.branch(prompts[0], GREEDY)
    stepper.submit(waiting)
    stepper.cancel(waiting)
    assert stepper.step() == []


def test_each_prompt_has_its_own_decoding() -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    decodings = [GREEDY, Decoding(9, 1.2, 0.9, seed=5), Decoding(7, 0.8, 1.0, seed=6), Decoding(9, 1.2, 0.9, seed=5)]
    branches = [engine.branch(prompt([1, 5], "3", [7, 8]), decoding) for decoding in decodings]
    for branch in branches:
        stepper.submit(branch)
    drain(stepper)
    assert [b.ids for b in branches] == [list(engine.stream(b.prompt, b.decoding)) for b in branches]
    assert branches[1].ids == branches[3].ids != branches[0].ids[:9]


@pytest.mark.parametrize("at", [0, 1, 4])
def test_an_interrupted_step_has_not_happened(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ours())
    stepper = scheduler(engine)
    prompts = [*(prompt([1, 5], "3", [7, n]) for n in (8, 9)), prompt([1, 40, 41])]
    branches = [engine.branch(asked, Decoding(8, 1.1, seed=n)) for n, asked in enumerate(prompts)]
    expected = [list(engine.stream(b.prompt, b.decoding)) for b in branches]
    for branch in branches:
        stepper.submit(branch)
    for _ in range(at):
        stepper.step()
    before = [list(branch.ids) for branch in branches]
    last_layer = engine.model.language_model.model.layers[-1]
    with monkeypatch.context() as broken:
        broken.setattr(last_layer, "forward", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                stepper.step()
    assert not torch.is_inference_mode_enabled()
    assert [branch.ids for branch in branches] == before
    drain(stepper)
    assert [branch.ids for branch in branches] == expected


def test_long_answers_of_many_questions_stay_right_while_places_are_freed() -> None:
    engine = Engine(ours())
    asked = [prompt([1, 5], "3", [n, 8]) for n in range(2, 42)]
    ends = frozenset(range(60, 90))
    stepper = scheduler(engine, num_slots=8)
    branches = [
        engine.branch(each, Decoding(3 + 7 * n % 50, 1.5, seed=n, end_ids=ends if n % 3 else frozenset()), 6)
        for n, each in enumerate(asked)
    ]
    alone = [list(engine.stream(b.prompt, b.decoding)) for b in branches]
    assert len({len(ids) for ids in alone}) > 10
    for branch in branches:
        stepper.submit(branch)
    drain(stepper)
    assert [b.ids for b in branches] == alone


def test_models_that_attend_their_own_way_answer_one_after_another() -> None:
    engine = Engine(Llava(_config(), attention="eager").eval())
    assert isinstance(engine.stepper(), OneByOne)
    prompts = mixed(12)
    expected = [list(engine.stream(asked, GREEDY)) for asked in prompts]
    assert [each.ids for each in engine.generate(prompts, GREEDY)] == expected

    def heard(index: int, _: int) -> bool:
        return index == 0

    answers = list(engine.generate(prompts[:2], GREEDY, heard=heard))
    assert [(each.ids, each.finish) for each in answers] == [(expected[0][:1], "stop"), (expected[1], "length")]


def _config() -> Any:
    torch.manual_seed(0)
    return ours().config


def test_plain_forward_and_training_see_no_difference() -> None:
    model = ours()
    asked = prompt([1, 5], "3", [7, 8, 9])
    ids, labels = torch.tensor([asked.ids, asked.ids]), torch.full((2, len(asked.ids)), -100)
    labels[:, -2:] = 9
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    pixels = torch.cat([asked.pixels, asked.pixels])
    before = model(ids, mask, pixels, labels)
    Engine(model)
    after = model(ids, mask, pixels, labels)
    assert torch.equal(before.logits, after.logits)
    after.loss.backward()
    assert model.language_model.model.layers[0].self_attn.q_proj.weight.grad is not None


def test_what_cannot_be_right_is_refused() -> None:
    engine = Engine(ours({**LANGUAGE, "max_position_embeddings": 16}))
    with pytest.raises(UserError, match=r"16 tokens \(4 of them pictures\).*holds 16"):
        engine.branch(prompt([1] * 12, "3"), GREEDY)
    with pytest.raises(ValueError, match="at least 1"):
        list(engine.generate([], GREEDY, 0))
    with pytest.raises(ValueError, match="at least 1"):
        Scheduler(engine.model, engine.features, 0, 1)
    asked = prompt([1, 5], "3")
    stretched = Prompt([*asked.ids, 100], asked.pixels, (type(asked.pictures[0])("3", 2, 7, 0, 1),))
    with pytest.raises(ValueError, match="5 placeholders for a picture that gives 4"):
        list(engine.generate([stretched], GREEDY))
