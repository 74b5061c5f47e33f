"""Steps in fewer operations: which models take part, and that answers stay what transformers' decoder gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from chiasm.generation import fused
from chiasm.generation.engine import Engine
from chiasm.generation.looking import attention_to_pictures
from chiasm.generation.prompt import Prompt
from chiasm.generation.sampling import Decoding
from chiasm.models.llava import Llava
from chiasm.models.onednn import OneDNNLinear, lay_out
from tests.generation.test_scheduler import FAMILIES, SHAPE, mixed
from tests.generation.tiny import LANGUAGE, NUM_PATCHES, ours, prompt

GREEDY = Decoding(12)
LIKE_LLAMA: dict[str, dict[str, Any]] = {
    "llama": LANGUAGE,
    "as many keys as queries": {**LANGUAGE, "num_key_value_heads": 4},
    "wide heads": {**LANGUAGE, "head_dim": 16},
    "biases everywhere": {**LANGUAGE, "attention_bias": True, "mlp_bias": True},
    "a rotation that stretches": {
        **LANGUAGE,
        "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4},
    },
    "scaled rotation": {**LANGUAGE, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
    "biases of queries, keys and values": {"model_type": "qwen2", **SHAPE},
    "no window": {"model_type": "mistral", **SHAPE, "sliding_window": None},
}
OTHERS: dict[str, dict[str, Any]] = {
    **{name: config for name, config in FAMILIES.items() if name != "llama"},
    "norms of queries": {"model_type": "qwen3", **SHAPE},
    "residuals scaled": {"model_type": "granite", **SHAPE, "residual_multiplier": 0.3},
    "half a head turned": {"model_type": "stablelm", **SHAPE, "partial_rotary_factor": 0.5},
    "norms that add one": {"model_type": "gemma", **SHAPE, "head_dim": 12},
    "queries that grow behind a position": {
        "model_type": "ministral3",
        **SHAPE,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 1e4,
            "factor": 4.0,
            "original_max_position_embeddings": 64,
            "llama_4_scaling_beta": 0.5,
        },
    },
    "a window it does not name": {
        "model_type": "mistral",
        **SHAPE,
        "sliding_window": 64,
        "layer_types": ["full_attention", "full_attention"],
    },
    "one projection": {"model_type": "phi3", **SHAPE, "pad_token_id": 0},
}


def wandering(language: dict[str, Any]) -> Llava:
    """A model whose biases are not nothing, as those of a fresh one are."""
    model = ours(language)
    draw = torch.Generator().manual_seed(1)
    for name, weight in model.language_model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(weight, std=0.5, generator=draw)
    return model


def prompts_of_lengths() -> list[Prompt]:
    """Of 1 to 96 tokens, which have nothing in common."""
    return [prompt([(7 * length + 3 * i) % 50 + 1 for i in range(length)]) for length in range(1, 97)]


def answers(model: Llava) -> dict[int, list[int]]:
    return {each.index: each.ids for each in Engine(model).generate(mixed(24), GREEDY, num_slots=5)}


@pytest.mark.parametrize("family", LIKE_LLAMA)
def test_answers_stay_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_FEWEST_PLACES", 2)  # so that the table of turns has to grow
    expected = answers(wandering(LIKE_LLAMA[family]))
    assert len({tuple(ids) for ids in expected.values()}) > 12  # or a wrong position would not show
    model = wandering(LIKE_LLAMA[family])
    Engine(model)
    assert fused.take_over(model.language_model)
    assert answers(model) == expected
    assert lay_out(model)
    assert answers(model) == expected


@pytest.mark.parametrize("family", OTHERS)
def test_other_families_are_left_alone(family: str) -> None:
    model = wandering(OTHERS[family])
    expected = answers(model)
    before = [type(module) for module in model.modules()]
    assert not fused.take_over(model.language_model)
    assert [type(module) for module in model.modules()] == before
    assert answers(model) == expected


def test_every_step_takes_the_fewer_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ours()
    engine = Engine(model)
    assert fused.take_over(model.language_model)
    decoded, hidden = list[tuple[int, int]](), fused._hidden

    def told(decoder: Any, turns: Any, x: torch.Tensor, positions: torch.Tensor, step: Any) -> torch.Tensor:
        found = hidden(decoder, turns, x, positions, step)
        decoded.append((x.shape[1], found.shape[1]))
        return found

    monkeypatch.setattr(fused, "_hidden", told)
    (answer,) = engine.generate([prompt([1, 5, 9, 7])], GREEDY)
    # Of the prompt only the last row goes through the last layer to its end.
    assert decoded == [(4, 1)] + [(1, 1)] * len(answer.ids[1:])


def test_prompts_of_many_lengths_need_kernels_for_few_numbers_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [step.ids for step in Engine(ours()).generate(prompts_of_lengths(), GREEDY, num_slots=1)]
    model = ours()
    engine = Engine(model)
    assert fused.take_over(model.language_model)
    assert lay_out(model)
    seen, forward = set[int](), OneDNNLinear.forward

    def told(layer: OneDNNLinear, x: torch.Tensor) -> torch.Tensor:
        seen.add(x[..., 0].numel())
        return forward(layer, x)

    monkeypatch.setattr(OneDNNLinear, "forward", told)
    found = [step.ids for step in engine.generate(prompts_of_lengths(), GREEDY, num_slots=1)]
    assert found == expected
    assert len(seen) <= 24  # of 96 lengths


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_left_alone(dtype: torch.dtype) -> None:
    model = ours().to(dtype)
    Engine(model)
    assert not fused.take_over(model.language_model)


def test_models_that_attend_in_their_own_way_are_left_alone() -> None:
    model = ours()
    assert not fused.take_over(model.language_model)  # no engine has taken it over


class Adapted(nn.Linear):
    """More than linear, for all that is known."""


@pytest.mark.parametrize("layer", [Adapted(48, 96, bias=False), nn.Linear(48, 96)], ids=["adapted", "a bias alone"])
def test_layers_that_cannot_be_joined_are_left_alone(layer: nn.Linear) -> None:
    model = ours()
    Engine(model)
    model.language_model.get_submodule("model.layers.1.mlp").up_proj = layer
    assert not fused.take_over(model.language_model)


def test_everything_but_steps_is_transformers_own() -> None:
    model = ours()
    engine = Engine(model)
    ids = torch.tensor([[1, 5, 9, 7, 30]])
    asked, answer = prompt([1, 5], "3", [9, 7]), [30, 31]
    expected = model(ids).logits, attention_to_pictures(model, engine.features, asked, answer)
    assert fused.take_over(model.language_model)
    torch.testing.assert_close(model(ids).logits, expected[0])
    looked = attention_to_pictures(model, engine.features, asked, answer)
    assert looked.shape[-1] == NUM_PATCHES
    torch.testing.assert_close(looked, expected[1])


def test_how_likely_answers_are_stays_the_same() -> None:
    questions = [(each, [[5, 6, 7], [8]]) for each in mixed(6)]
    expected = {r.index: r.log_likelihoods for r in Engine(ours()).rank(questions)}
    model = ours()
    engine = Engine(model)
    assert fused.take_over(model.language_model)
    found = {r.index: r.log_likelihoods for r in engine.rank(questions)}
    assert found.keys() == expected.keys()
    for index, values in found.items():
        assert values == pytest.approx(expected[index], abs=1e-3)
