"""The last block asked for trained positions alone: same losses and gradients, and models it does not know are left."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chiasm.models import documents, last_block
from chiasm.models.language import build_language
from tests.models.test_llava import CLIP, IMAGE, LLAMA, OTHERS, ours

_LABELS = [-100, 5, -100, 3, -100, -100, -100, -100, -100, 7, 8, -100, -100, 9]
_ROW: dict[str, Any] = {
    "input_ids": torch.tensor([[1, 5, 2, 3, 4, IMAGE, IMAGE, IMAGE, IMAGE, 7, 8, 6, 6, 9]]),
    "labels": torch.tensor([_LABELS]),
    "bounds": torch.tensor([0, 4, 9, 11, 14]),
    "after": torch.tensor([-1, -1, 1, 1]),
}


@pytest.fixture(autouse=True)
def _rows_may_be_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows here are short."""
    monkeypatch.setattr(last_block, "MOST_ROWS", 0.5)


def _computed(model: Any, few: bool, row: dict[str, Any], low: bool = False) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.few_rows = few
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        output = model(**row, pixels=torch.linspace(-1, 1, 3 * 28 * 28).view(1, 3, 28, 28))
    model.zero_grad()
    output.loss_sum.backward()
    return output.loss_sum.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("low", [False, True], ids=["float32", "autocast"])
def test_the_same_loss_and_gradients(after: bool, low: bool) -> None:
    torch.manual_seed(0)
    model = ours(CLIP)
    row = _ROW if after else {key: value for key, value in _ROW.items() if key != "after"}
    with documents.attending(model.language_model), last_block.sparse(model.language_model) as few:
        assert few
        mine, theirs = (_computed(model, each, row, low) for each in (True, False))
    tolerance = {"rtol": 0.05, "atol": 0.02} if low else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(mine[0], theirs[0], **tolerance)
    assert len(mine[1]) == len(theirs[1])
    for one, other in zip(mine[1], theirs[1], strict=True):
        torch.testing.assert_close(one, other, **tolerance)


def _watched(blocks: Any) -> list[int]:
    """For how many rows each block's MLP is called, from now on."""
    seen: list[int] = []
    for block in blocks:
        block.mlp.register_forward_hook(lambda module, given, x: seen.append(x.shape[1]))
    return seen


def test_only_the_last_block_and_only_when_asked() -> None:
    model: Any = ours(CLIP)
    blocks = model.language_model.model.layers
    with documents.attending(model.language_model), last_block.sparse(model.language_model):
        seen = _watched(blocks)
        _computed(model, True, _ROW)
        assert seen == [*[14] * (len(blocks) - 1), 5]
        seen.clear()
        _computed(model, False, _ROW)
        assert set(seen) == {14}
    assert "forward" not in vars(blocks[-1])


_MORE: dict[str, dict[str, Any]] = {
    "no rope in every second": {**LLAMA, "model_type": "smollm3", "no_rope_layer_interval": 2, "pad_token_id": 0},
    "clipped": {**LLAMA, "model_type": "olmo", "clip_qkv": 8.0, "pad_token_id": 0},
    "norms of queries": {**LLAMA, "model_type": "qwen3", "head_dim": 16},
}


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi", "gpt_neox", *_MORE])
def test_what_computes_otherwise_is_left_alone(name: str) -> None:
    model = build_language({"llama": LLAMA, **OTHERS, **_MORE}[name])
    drawn = torch.random.get_rng_state()
    with last_block.sparse(model) as few:
        assert few == (name in ("llama", "qwen2"))
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_where_most_is_trained_the_whole_block_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_block, "MOST_ROWS", 0.1)
    model: Any = ours(CLIP)
    with documents.attending(model.language_model), last_block.sparse(model.language_model):
        seen = _watched(model.language_model.model.layers[-1:])
        _computed(model, True, _ROW)
    assert seen == [14]
