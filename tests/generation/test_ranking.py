"""Log-likelihoods of answers against those of the whole text in one pass, without any cache."""

from __future__ import annotations

import pytest
import torch

from chiasm.errors import UserError
from chiasm.generation.engine import Engine
from chiasm.generation.prompt import Prompt
from chiasm.models.llava import Llava
from tests.generation.tiny import LANGUAGE, ours, prompt

QUESTIONS: list[tuple[Prompt, list[list[int]]]] = [
    (prompt([1, 5], "3", [7, 8]), [[20], [21], [22, 23, 24]]),
    (prompt([1, 5], "3", [9]), [[20, 21], [20, 22]]),
    (prompt([1, 5], "4", [9]), [[30]]),
    (prompt([1, 40, 41]), [[30, 31], [32], [33], [34, 35, 36, 37]]),
    (prompt([1, 5], "3"), [[50], [51, 52]]),  # ends with a picture
    (prompt([9]), [[50], [51, 52]]),
]


def in_one_pass(model: Llava, asked: Prompt, answer: list[int]) -> float:
    with torch.inference_mode():
        logits = model(torch.tensor([[*asked.ids, *answer]]), pixels=asked.pixels).logits[0].double()
    log_probabilities = logits.log_softmax(-1)
    first = len(asked.ids) - 1
    return sum(float(log_probabilities[first + i, token]) for i, token in enumerate(answer))


@pytest.mark.parametrize("attention", [None, "eager"], ids=["shared", "one by one"])
@pytest.mark.parametrize("num_slots", [1, 3, 32])
def test_ranks_are_those_of_the_whole_text(attention: str | None, num_slots: int) -> None:
    model = Llava(ours().config, attention)
    model.load_state_dict(ours().state_dict())
    model.eval()
    expected = [[in_one_pass(model, asked, answer) for answer in answers] for asked, answers in QUESTIONS]
    ranked = {each.index: each.log_likelihoods for each in Engine(model).rank(QUESTIONS, num_slots)}
    assert sorted(ranked) == list(range(len(QUESTIONS)))
    for index, row in enumerate(expected):
        assert ranked[index] == pytest.approx(row, abs=2e-4)


def test_the_options_of_a_question_share_it() -> None:
    model = ours()
    tokens: list[int] = []
    model.language_model.base_model.register_forward_pre_hook(
        lambda _, __, given: tokens.append(given["inputs_embeds"].shape[1]), with_kwargs=True
    )
    asked = prompt([1, 5], "3", [7, 8])
    list(Engine(model).rank([(asked, [[20], [21], [22, 23, 24]])]))
    # All but the last token once; then that, and of each option all but its last.
    assert tokens == [len(asked.ids) - 1 + 3 * 1 + 2]


def test_what_cannot_be_ranked_is_said() -> None:
    engine = Engine(ours({**LANGUAGE, "max_position_embeddings": 8}))
    with pytest.raises(ValueError, match="at least one token"):
        list(engine.rank([(prompt([1]), [[]])]))
    with pytest.raises(UserError, match=r"6 tokens and its answer 3, .* holds 8"):
        list(engine.rank([(prompt([1] * 6), [[1, 2, 3]])]))
    assert [len(each.log_likelihoods) for each in engine.rank([(prompt([1] * 6), [[1, 2]])])] == [1]
