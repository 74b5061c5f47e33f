"""Fused norms: what transformers' own compute, values and gradients, where they are Llama's and nowhere else."""

from __future__ import annotations

import pytest
import torch
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from chiasm.models import norms


def seeded(kind: type[torch.nn.Module], width: int = 32) -> torch.nn.Module:
    torch.manual_seed(0)
    norm = kind(width, eps=1e-5)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
    return norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [LlamaRMSNorm, Qwen2RMSNorm])
def test_equal_to_transformers(kind: type[torch.nn.Module], dtype: torch.dtype) -> None:
    norm = seeded(kind).to(dtype)
    x, upstream = torch.randn(2, 7, 32, dtype=dtype), torch.randn(2, 7, 32, dtype=dtype)
    found = []
    for block in (norms.fused(norm), norms.fused(torch.nn.Identity())):
        with block as count:
            one = x.clone().requires_grad_()
            y = norm(one)
            gradients = torch.autograd.grad(y, (one, norm.weight), upstream)
            found.append((count, y.detach(), *gradients))
    assert [each[0] for each in found] == [1, 0]
    rough = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    for mine, theirs in zip(found[0][1:], found[1][1:], strict=True):
        torch.testing.assert_close(mine, theirs, **rough)


def test_a_frozen_weight_gets_no_gradient() -> None:
    norm = seeded(LlamaRMSNorm).requires_grad_(False)
    x = torch.randn(3, 32, requires_grad=True)
    with norms.fused(norm):
        norm(x).sum().backward()
    assert x.grad is not None
    assert norm.weight.grad is None


def test_families_that_norm_otherwise_are_left_alone() -> None:
    """Gemma adds one to the weight."""
    norm = seeded(GemmaRMSNorm)
    x = torch.randn(3, 32)
    before = norm(x)
    with norms.fused(norm) as count:
        assert count == 0
        assert torch.equal(norm(x), before)


def test_a_norm_is_as_before_after_the_block() -> None:
    norm = seeded(LlamaRMSNorm)
    with pytest.raises(KeyError), norms.fused(norm):
        raise KeyError
    assert "forward" not in norm.__dict__
