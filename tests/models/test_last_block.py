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


def test_only_the_last_block_and_only_when_asked() -> None:
    model = ours(CLIP)
    blocks: Any = model.language_model
    seen: list[int] = []
    for block in blocks.model.layers:
        block.mlp.register_forward_hook(lambda module, given, x: seen.append(x.shape[1]))
    with documents.attending(model.language_model), last_block.sparse(model.language_model):
        _computed(model, True, _ROW)
        assert seen == [*[14] * (len(blocks.model.layers) - 1), 5]
        seen.clear()
        _computed(model, False, _ROW)
        assert set(seen) == {14}
    assert "forward" not in vars(blocks.model.layers[-1])


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi", "gpt_neox"])
def test_what_computes_otherwise_is_left_alone(name: str) -> None:
    model = build_language({"llama": LLAMA, **OTHERS}[name])
    drawn = torch.random.get_rng_state()
    with last_block.sparse(model) as few:
        assert few == (name in ("llama", "qwen2"))
    assert torch.equal(torch.random.get_rng_state(), drawn)
