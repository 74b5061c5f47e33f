"""Choices between tokens that only rounding tells apart: the same alone, in a crowd, and behind a kept beginning."""

from __future__ import annotations

import random

import pytest
import torch

from chiasm.generation import fused, ties
from chiasm.generation.engine import Engine
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.llava import Llava
from tests.generation.tiny import IMAGE, ours, prompt

GREEDY = Decoding(24)


@pytest.fixture
def twins() -> Llava:
    """A model to which every odd id is as likely as the even one before it, but for the last bits."""
    model = ours()
    weight = model.language_model.lm_head.weight.data
    nudge = torch.randn(weight[1::2].shape, generator=torch.Generator().manual_seed(1))
    weight[1::2] = weight[::2] * (1 + 2e-7 * nudge)
    return model


def asked(count: int) -> list[Prompt]:
    draw = random.Random(0)
    return [
        prompt(
            [1, 5, 6, 7], str(draw.randrange(3)), [13], [draw.randrange(2, 99) for _ in range(draw.randrange(1, 30))]
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("is_fused", [False, True])
def test_what_only_rounding_tells_apart_is_chosen_alike_in_any_company(twins: Llava, is_fused: bool) -> None:
    engine, prompts = Engine(twins), asked(48)
    if is_fused:
        assert fused.take_over(twins.language_model)
    alone = [list(Engine(twins).stream(each, GREEDY)) for each in prompts]
    assert len({tuple(ids) for ids in alone}) > 40
    assert {id % 2 for ids in alone for id in ids} == {0, 1}
    for num_slots in (5, 48):
        together = {each.index: each.ids for each in engine.generate(prompts, GREEDY, num_slots)}
        assert together == dict(enumerate(alone))


def test_a_second_question_is_answered_as_if_nothing_had_been_kept(twins: Llava) -> None:
    engine = Engine(twins)
    session = engine.session()
    for each in asked(24):
        kept = list(engine.stream(each, GREEDY, session))
        assert kept == list(engine.stream(each, GREEDY))


def test_what_is_ruled_out_stays_so(twins: Llava) -> None:
    question = prompt([1, 5, 6], "0", [13, 7])
    free = ties.settled(twins, [(question, [8])], torch.zeros(1, 120))
    ruled_out = torch.zeros(1, 120)
    ruled_out[:, int(free.argmax())] = -torch.inf
    held = ties.settled(twins, [(question, [8])], ruled_out)
    assert torch.equal(held.isneginf(), ruled_out.isneginf())
    assert torch.equal(held[~ruled_out.isneginf()], free[~ruled_out.isneginf()])


def test_rows_that_are_clear_are_left_alone(twins: Llava) -> None:
    question = prompt([1, 5, 6])
    logits = torch.arange(240.0).view(2, 120)
    logits[1, :] = 0
    settled = ties.settled(twins, [(question, []), (question, [])], logits)
    assert torch.equal(settled[0], logits[0])
    assert not torch.equal(settled[1], logits[1])


def test_an_answer_may_hold_the_id_of_the_placeholder(twins: Llava) -> None:
    logits = ties.settled(twins, [(prompt([1, 5], "0", [13]), [IMAGE, 8])], torch.zeros(1, 120))
    assert logits.isfinite().all()


def test_in_16_bits_nothing_is_changed() -> None:
    logits = torch.zeros(1, 120, dtype=torch.bfloat16)
    assert ties.settled(ours().to(torch.bfloat16), [(prompt([1, 5, 6]), [])], logits) is logits
