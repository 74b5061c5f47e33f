"""The likeliest tokens of a 16-bit model, against the same product in float64."""

from __future__ import annotations

import pytest
import torch

from chiasm.generation.logits import sharp_logits
from tests.generation.tiny import ours


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [False, True])
def test_the_likeliest_of_a_16_bit_model_are_in_their_true_order(dtype: torch.dtype, bias: bool) -> None:
    model = ours().to(dtype)
    head = model.language_model.lm_head
    if bias:
        head.bias = torch.nn.Parameter(0.1 * torch.randn(120, dtype=dtype))
    # Logits of 64 and a little: neighbours of bfloat16 are half a unit apart there, of float16 a sixteenth.
    x = torch.randn(200, 48, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[:, 0] = 1
    with torch.inference_mode():
        head.weight.mul_(0.25)[:, 0] = 64
        exact = x.double() @ head.weight.double().T + (head.bias.double() if bias else 0)
        rounded, sharp = model.logits(x), sharp_logits(model, x)
    assert sharp.dtype == torch.float32
    assert torch.equal(sharp.argmax(-1), exact.argmax(-1))
    assert not torch.equal(rounded.argmax(-1), exact.argmax(-1))
    assert torch.allclose(sharp.topk(4).values.double(), exact.topk(4).values, atol=1e-4, rtol=0)
    assert torch.allclose(sharp.double(), exact, atol=0.5)


def test_float32_is_left_alone() -> None:
    model, x = ours(), torch.randn(3, 48)
    assert torch.equal(sharp_logits(model, x), model.logits(x))
