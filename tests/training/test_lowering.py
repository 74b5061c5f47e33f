"""Weights computed in bfloat16 and kept in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chiasm.models import norms
from chiasm.models.language import build_language, embed
from chiasm.training import loop
from chiasm.training.config import Stage
from chiasm.training.lowering import lowered
from chiasm.training.run import run
from tests.training import micro

LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
    "tie_word_embeddings": True,
}


def loss_of(model: nn.Module) -> torch.Tensor:
    ids = torch.arange(20)[None]
    x = embed(model, ids)
    return model(inputs_embeds=x, labels=ids, use_cache=False).loss  # type: ignore[no-any-return]


def test_gradients_reach_the_weights_in_float32() -> None:
    torch.manual_seed(0)
    model = build_language(LLAMA)
    with lowered(model, torch.bfloat16):
        loss_of(model).backward()  # type: ignore[no-untyped-call]
    low = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(grad is not None and grad.dtype == torch.float32 for grad in low.values())
    model.zero_grad(set_to_none=True)
    loss_of(model).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        there = low[name]
        assert there is not None
        assert torch.nn.functional.cosine_similarity(parameter.grad.flatten(), there.flatten(), dim=0) > 0.99, name


def test_gradients_of_two_passes_add_up_in_float32() -> None:
    """A part a thousand times smaller than the first would be lost in bfloat16."""
    layer = nn.Linear(1, 1, bias=False)
    for x in (1.0, 2.0**-12):
        with lowered(layer, torch.bfloat16):
            layer(torch.tensor([[x]], dtype=torch.bfloat16)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.item() == 1 + 2.0**-12


def test_a_shared_weight_stays_shared_and_all_comes_back() -> None:
    model = build_language(LLAMA)
    before = dict(model.named_parameters(remove_duplicate=False))
    with lowered(model, torch.bfloat16):
        head, table = model.get_output_embeddings().weight, model.get_input_embeddings().weight  # type: ignore[operator]
        assert head is table
        assert head.dtype == torch.bfloat16
    with pytest.raises(KeyError), lowered(model, torch.bfloat16):
        raise KeyError
    after = dict(model.named_parameters(remove_duplicate=False))
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stage_computes_between_its_blocks_in_what_the_recipe_says(
    micro_world: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by fused norms; what it has learnt is float32 all the same."""
    seen: set[tuple[torch.dtype, torch.dtype]] = set()
    original = norms.rms_norm

    def watched(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        if torch.is_grad_enabled():
            seen.add((x.dtype, weight.dtype))
        return original(x, weight, eps)

    trained: set[torch.dtype] = set()
    step = torch.optim.AdamW.step

    def stepped(optimizer: torch.optim.AdamW, *more: Any) -> Any:
        for group in optimizer.param_groups:
            trained.update(dtype for p in group["params"] if p.grad is not None for dtype in (p.dtype, p.grad.dtype))
        return step(optimizer, *more)

    monkeypatch.setattr(norms, "rms_norm", watched)
    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    recipe = micro.recipe(micro_world, f"precision={precision}", "stages.align.steps=1", "stages.instruct.steps=1")
    run(recipe, tmp_path / "run")
    dtype = getattr(torch, precision)
    assert seen == {(dtype, dtype)}
    assert trained == {torch.float32}


def test_what_is_frozen_is_left_as_it_is() -> None:
    layer = nn.Linear(2, 2).requires_grad_(False)
    weight = layer.weight
    with lowered(layer, torch.bfloat16):
        assert layer.weight is weight


def test_freezing_leaves_the_frequencies_of_positions_alone(micro_world: Path) -> None:
    """Rounded, a run would be trained with other positions than its saved model has."""
    from chiasm.models.config import LlavaConfig
    from chiasm.models.llava import Llava

    recipe = micro.recipe(micro_world)
    vision = {**recipe.model.vision} if isinstance(recipe.model.vision, dict) else {}
    model = Llava(LlavaConfig(vision=vision, language={**LLAMA, "hidden_size": 64}, image_token_id=49))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    stage: Stage = recipe.stages["align"]
    loop.freeze(model, stage, torch.bfloat16)
    assert any("inv_freq" in name for name in before)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert model.language_model.lm_head.weight.dtype == torch.bfloat16  # type: ignore[union-attr]
