"""A tower that learns in bfloat16 attends by matrix products: same values and gradients as torch's own function."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from chiasm.models import vision, whole_attention

_TOWER = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
}


def _gradients(x: torch.Tensor, given: list[torch.Tensor], upstream: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(x, given, upstream)


@pytest.mark.parametrize("autocast", [False, True])
def test_equal_to_torchs_attention(autocast: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    exact = [torch.randn(2, 3, 17, 16, generator=draw).bfloat16().float().requires_grad_() for _ in range(3)]
    low = [x.detach().bfloat16().requires_grad_() for x in exact]
    upstream = torch.randn(2, 17, 3, 16, generator=draw).bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        mine, weights = whole_attention.attend(torch.nn.Module(), *low, None, scaling=0.3)
    theirs = F.scaled_dot_product_attention(*exact, scale=0.3).transpose(1, 2)
    assert weights is None
    assert mine.dtype == torch.bfloat16
    torch.testing.assert_close(mine.float(), theirs, rtol=0.02, atol=0.02)
    for one, other in zip(_gradients(mine, low, upstream), _gradients(theirs, exact, upstream.float()), strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.03, atol=0.03)


def test_only_what_learns_in_bfloat16_attends_so(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[torch.dtype] = []
    original = whole_attention._Attention.apply

    def watched(*given: Any) -> Any:
        called.append(given[0].dtype)
        return original(*given)

    monkeypatch.setattr(whole_attention._Attention, "apply", watched)
    tower: Any = vision.build_tower(_TOWER)
    pixels = torch.randn(1, 3, 28, 28)
    plain = vision.features(tower, pixels, -1, class_token=False)
    with whole_attention.attending(tower):
        assert torch.equal(vision.features(tower, pixels, -1, class_token=False), plain)
        assert not called
        tower.bfloat16()
        with torch.no_grad():
            vision.features(tower, pixels.bfloat16(), -1, class_token=False)
        assert not called
        x = vision.features(tower, pixels.bfloat16(), -1, class_token=False)
        assert called == [torch.bfloat16] * 2
        x.sum().backward()
    assert tower.config._attn_implementation == "sdpa"
    assert all(p.grad is not None for p in tower.encoder.layers[0].parameters())
