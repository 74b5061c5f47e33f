"""Every connector of the folder: what the model expects of any. A new file is tested here without an edit."""

from __future__ import annotations

import pytest
import torch

from chiasm.errors import UserError
from chiasm.models import connectors

# An N in a file's name stands for a number; two and three show that it is heeded.
FILES = connectors.REGISTRY.names()
NAMES = [name for file in FILES for name in sorted({file.replace("N", "2"), file.replace("N", "3")})]
WIDTHS = [(6, 6), (6, 10)]


def build(name: str, widths: tuple[int, int]) -> torch.nn.Module:
    torch.manual_seed(0)
    try:
        return connectors.build(name, *widths)
    except UserError as error:
        pytest.skip(f"refuses these widths: {error}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("widths", WIDTHS)
def test_shapes_and_independence(name: str, widths: tuple[int, int]) -> None:
    """(..., vision_width) -> (..., language_width), each picture by itself."""
    module = build(name, widths).eval()
    x = torch.randn(3, 4, widths[0])
    with torch.no_grad():
        y = module(x)
        assert (y.shape[0], y.shape[-1], y.dtype) == (3, widths[1], torch.float32)
        torch.testing.assert_close(module(x[1:2]), y[1:2])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("widths", WIDTHS)
def test_gradients_reach_the_tower_and_every_weight(name: str, widths: tuple[int, int]) -> None:
    module = build(name, widths)
    x = torch.randn(3, 4, widths[0], requires_grad=True)
    module(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("widths", WIDTHS)
def test_weights_are_repeatable_saved_and_moved(name: str, widths: tuple[int, int]) -> None:
    first, second = build(name, widths), build(name, widths)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first.state_dict().keys() == dict(first.named_parameters()).keys(), "buffers would not be trained nor loaded"
    half = second.to(torch.bfloat16)
    assert half(torch.randn(2, 4, widths[0], dtype=torch.bfloat16)).dtype == torch.bfloat16
    with torch.device("meta"):
        assert {p.device.type for p in build(name, widths).parameters()} <= {"meta"}


def test_the_folder_is_not_empty() -> None:
    assert {"linear", "mlp2x_gelu", "identity"} <= {*NAMES}
