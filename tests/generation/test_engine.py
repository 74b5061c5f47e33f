"""Greedy ids against transformers' own LLaVA, batches against one at a time, and what a session spares."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chiasm.errors import UserError
from chiasm.generation.engine import Engine
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.llava import Llava
from tests.generation.tiny import IMAGE, LANGUAGE, both, ours, prompt

GREEDY = Decoding(max_tokens=24)
PROMPTS = [
    prompt([1, 5], "3", [7, 8, 9]),
    prompt([1], "3", [13], "4", [7, 8, 9, 10, 11, 12, 5]),
    prompt([1, 17, 23, 42]),
    prompt([1], "5", "5", [6]),
    prompt(list(range(1, 60)), "4", [2]),
]


@pytest.fixture(scope="module")
def models() -> tuple[Llava, Any]:
    return both()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(ours())


def theirs_greedy(theirs: Any, asked: Prompt, max_tokens: int) -> list[int]:
    ids = torch.tensor([asked.ids])
    shown = {"pixel_values": asked.pixels} if len(asked.pixels) else {}
    answer = theirs.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=max_tokens,
        pad_token_id=0,
        eos_token_id=119,
        **shown,
    )
    return answer[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("asked", PROMPTS, ids=["one picture", "two pictures", "text only", "same twice", "long"])
def test_greedy_ids_equal_those_of_transformers(models: tuple[Llava, Any], asked: Prompt) -> None:
    mine, theirs = models
    expected = theirs_greedy(theirs, asked, 24)
    assert len(set(expected)) > 5, "the answer repeats itself: it would not notice a wrong position"
    stream = Engine(mine).stream(asked, Decoding(24, end_ids=frozenset({119})))
    answer = list(stream)
    assert answer == (expected[:-1] if expected[-1] == 119 else expected)
    assert stream.finish == ("stop" if expected[-1] == 119 else "length")


@pytest.mark.parametrize("num_slots", [1, 2, 5, 8])
def test_prompts_side_by_side_give_each_its_own_answer(engine: Engine, num_slots: int) -> None:
    # An end token that only some answers meet, so that rows leave the batch one after another.
    alone = [list(engine.stream(asked, GREEDY)) for asked in PROMPTS]
    ends = frozenset({alone[0][9], alone[2][4]})
    decoding = Decoding(24, end_ids=ends)
    expected = {}
    for index, asked in enumerate(PROMPTS):
        stream = engine.stream(asked, decoding)
        expected[index] = (list(stream), stream.finish)
    assert len({len(ids) for ids, _ in expected.values()}) > 1
    answers = list(engine.generate(PROMPTS, decoding, num_slots))
    assert {each.index: (each.ids, each.finish) for each in answers} == expected


def test_answers_come_as_they_finish(engine: Engine) -> None:
    ended: list[int] = []

    def heard(index: int, _: int) -> bool:
        ended.append(index)
        return index == 2 and ended.count(2) == 3

    answers = list(engine.generate(PROMPTS[:3], GREEDY, 3, heard))
    assert [answers[0].index, answers[0].finish, len(answers[0].ids)] == [2, "stop", 3]
    assert {len(each.ids) for each in answers[1:]} == {24}


def test_prompts_are_taken_as_they_are_needed(engine: Engine) -> None:
    taken = 0

    def many() -> Any:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield PROMPTS[2]

    answers = engine.generate(many(), Decoding(2), num_slots=2)
    next(answers)
    assert taken < 100


def test_seed_repeats_alone_and_in_a_batch(engine: Engine) -> None:
    drawn = Decoding(16, temperature=1.3, top_p=0.9, seed=7)
    alone = [list(engine.stream(asked, drawn)) for asked in PROMPTS]
    assert alone == [list(engine.stream(asked, drawn)) for asked in PROMPTS]
    batch = {each.index: each.ids for each in engine.generate(PROMPTS, drawn, 5)}
    assert batch == dict(enumerate(alone))
    other = [list(engine.stream(asked, Decoding(16, 1.3, 0.9, seed=8))) for asked in PROMPTS]
    assert other != alone
    unseeded = Decoding(16, temperature=5.0)
    assert list(engine.stream(PROMPTS[0], unseeded)) != list(engine.stream(PROMPTS[0], unseeded))


class Counting(Engine):
    """Counts the tokens that go through the decoder and the pictures that go through the tower."""

    def __init__(self, model: Llava) -> None:
        super().__init__(model)
        self.num_tokens, self.num_tiles = 0, 0
        hidden, see = model.hidden, model.see

        def counted_hidden(x: torch.Tensor, *rest: Any) -> torch.Tensor:
            self.num_tokens += x.shape[1]
            return hidden(x, *rest)

        def counted_see(x: torch.Tensor) -> torch.Tensor:
            self.num_tiles += len(x)
            return see(x)

        model.hidden, model.see = counted_hidden, counted_see  # type: ignore[method-assign]


def test_second_turn_computes_only_what_is_new() -> None:
    engine = Counting(ours())
    session = engine.session()
    first = prompt([1, 5], "3", [7, 8, 9])
    answer = list(engine.stream(first, Decoding(6), session))
    assert engine.num_tokens == len(first.ids) + 5  # the last chosen token is only computed if one follows it
    second = prompt([1, 5], "3", [7, 8, 9, *answer, 30, 31, 32, 33])
    engine.num_tokens = engine.num_tiles = 0
    stream = engine.stream(second, Decoding(20), session)
    continued = list(stream)
    assert stream.num_cached == len(first.ids) + 5
    assert engine.num_tokens == 1 + 4 + 19
    assert engine.num_tiles == 0
    # Several new tokens behind a cached prefix: the mask must be causal in the lower right corner.
    assert continued == list(engine.stream(second, Decoding(20)))


def test_another_picture_in_the_same_place_is_not_taken_from_the_session() -> None:
    engine = Counting(ours())
    session = engine.session()
    list(engine.stream(prompt([1, 5], "3", [7]), GREEDY, session))
    other = prompt([1, 5], "4", [7])
    stream = engine.stream(other, GREEDY, session)
    assert list(stream) == list(engine.stream(other, GREEDY))
    assert stream.num_cached == 2


def test_only_pictures_not_in_the_session_are_encoded_and_equal_ones_once() -> None:
    engine = Counting(ours())
    session = engine.session()
    list(engine.stream(prompt([1], "3", [7]), GREEDY, session))
    engine.num_tiles = 0
    both_shown = prompt([1], "3", [7], "4", [8])
    assert list(engine.stream(both_shown, GREEDY, session)) == list(Engine(ours()).stream(both_shown, GREEDY))
    assert engine.num_tiles == 1
    list(engine.stream(both_shown, GREEDY))  # in another session the features are still there
    assert engine.num_tiles == 1
    list(engine.generate([prompt([1], "5", [seed]) for seed in range(2, 6)], GREEDY, 4))
    assert engine.num_tiles == 2


def test_reuse_never_ends_inside_a_picture() -> None:
    engine = Engine(ours())
    session = engine.session()
    ends_with_picture = prompt([1, 2], "3")
    list(engine.stream(ends_with_picture, GREEDY, session))
    stream = engine.stream(ends_with_picture, GREEDY, session)
    assert stream.num_cached == 2
    assert list(stream) == list(engine.stream(ends_with_picture, GREEDY))


def test_a_stream_left_early_or_interrupted_leaves_a_usable_session(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(ours())
    session = engine.session()
    asked = prompt([1, 5], "3", [7, 8, 9])
    expected = list(engine.stream(asked, GREEDY))
    stream = engine.stream(asked, GREEDY, session)
    assert [next(stream) for _ in range(3)] == expected[:3]
    stream.close()
    assert list(stream) == []

    last_layer = engine.model.language_model.model.layers[-1]
    working = last_layer.forward
    monkeypatch.setattr(last_layer, "forward", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    stream = engine.stream(asked, GREEDY, session)
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    monkeypatch.setattr(last_layer, "forward", working)
    assert list(engine.stream(asked, GREEDY, session)) == expected


def test_context_is_a_limit_and_a_prompt_beyond_it_an_error() -> None:
    engine = Engine(ours({**LANGUAGE, "max_position_embeddings": 16}))
    stream = engine.stream(prompt([1] * 8, "3"), GREEDY)
    assert len(list(stream)) == 4
    assert stream.finish == "length"
    assert [len(each.ids) for each in engine.generate([prompt([1] * 8, "3")], GREEDY)] == [4]
    with pytest.raises(UserError, match=r"16 tokens \(4 of them pictures\).*holds 16"):
        engine.stream(prompt([1] * 12, "3"), GREEDY)


def test_a_chosen_placeholder_id_is_a_token_like_others() -> None:
    model = ours()
    always = torch.nn.functional.one_hot(torch.tensor([IMAGE]), 120).float()
    model.logits = lambda _: always  # type: ignore[method-assign]
    assert list(Engine(model).stream(PROMPTS[0], Decoding(3))) == [IMAGE] * 3


def test_inference_mode_ends_where_the_caller_goes_on(engine: Engine) -> None:
    stream = engine.stream(PROMPTS[0], GREEDY)
    next(stream)
    assert not torch.is_inference_mode_enabled()
    answers = engine.generate(PROMPTS, GREEDY)
    next(answers)
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    "language",
    [
        {
            "model_type": "mistral",
            **{k: v for k, v in LANGUAGE.items() if k != "model_type"},
            "sliding_window": 8,
        },
        {"model_type": "gpt2", "n_embd": 48, "n_layer": 2, "n_head": 4, "vocab_size": 120, "initializer_range": 0.3},
    ],
    ids=["sliding window", "learned positions"],
)
def test_other_families_keep_their_answers_across_cache_and_batch(language: dict[str, Any]) -> None:
    engine = Engine(ours(language))
    asked = prompt([1, 5], "3", list(range(7, 30)))
    answer: list[int] = []
    for _ in range(12):  # without any cache
        ids = torch.tensor([asked.ids + answer])
        logits = engine.model(ids, pixels=asked.pixels).logits
        answer.append(int(logits[0, -1].argmax()))
    assert list(engine.stream(asked, Decoding(12))) == answer
    short = prompt([1, 17, 23])
    batch = {each.index: each.ids for each in engine.generate([asked, short], Decoding(12), 2)}
    assert batch == {0: answer, 1: list(engine.stream(short, Decoding(12)))}
