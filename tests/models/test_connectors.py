"""The connectors one by one; what holds for all of them is in tests/conformance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from chiasm.errors import UserError
from chiasm.models import connectors


def test_linear_is_one_affine_map() -> None:
    module = connectors.build("linear", 3, 5)
    weight, bias = module.state_dict()["0.weight"], module.state_dict()["0.bias"]
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(module(x), x @ weight.T + bias)


def test_mlp2x_gelu_is_llava_15s() -> None:
    module = connectors.build("mlp2x_gelu", 3, 5)
    w = module.state_dict()
    assert list(w) == ["0.weight", "0.bias", "2.weight", "2.bias"]  # mm_projector.0 and .2 of released checkpoints
    x = torch.randn(2, 4, 3)
    # Exact GELU: the tanh approximation differs by up to 5e-4.
    expected = F.gelu(x @ w["0.weight"].T + w["0.bias"]) @ w["2.weight"].T + w["2.bias"]
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("num_layers", [1, 2, 3, 11])
def test_the_number_in_the_name_is_the_number_of_layers(num_layers: int) -> None:
    layers = list(connectors.build(f"mlp{num_layers}x_gelu", 3, 5).children())
    assert [type(layer) for layer in layers] == [nn.Linear, *[nn.GELU, nn.Linear] * (num_layers - 1)]


def test_identity_needs_equal_widths() -> None:
    x = torch.randn(2, 4, 3)
    assert connectors.build("identity", 3, 3)(x) is x
    with pytest.raises(UserError, match=r"3 .* 5"):
        connectors.build("identity", 3, 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlp_gelu", "did you mean 'mlpNx_gelu'"),
        ("mlp0x_gelu", "at least one layer"),
        ("lineer", "did you mean 'linear'"),
        ("", "known: identity, linear, mlpNx_gelu"),
    ],
)
def test_what_is_no_connector(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        connectors.build(name, 3, 5)


def test_a_module_that_is_no_connector() -> None:
    with pytest.raises(UserError, match=r"module posixpath is no connector: it does not define build.*linear"):
        connectors.build("os.path", 3, 5)


def test_one_from_outside_is_found_by_its_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "outside_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "narrow.py").write_text(
        "from torch import nn\n\n\ndef build(vision_width, language_width):\n"
        "    return nn.Linear(vision_width, language_width, bias=False)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sum(p.numel() for p in connectors.build("outside_package.narrow", 3, 5).parameters()) == 15
