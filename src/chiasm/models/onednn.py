"""Linear layers laid out for the processor once, instead of at every call: for models that are only asked, on a CPU.

oneDNN multiplies by weights in blocks of its own. On an EPYC with AVX-512, a 135M Llama's layers take 13 ms for a token
instead of 26 in float32, 15 instead of 35 for eight, and half the time for whole prompts; in bfloat16 8 instead of 11.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from chiasm.models.device import computes_bfloat16

# Rows the layout is made for. It serves any number; those of one row cost more for several than these for one.
_NUM_ROWS = 8
# Kernels that are kept, one for each shape of layer and number of rows: some 0.5 MB each. oneDNN would keep 1,024, and
# torch as many once more. 128 are enough for steps of one to sixteen rows and a few lengths of prompts. Ours.
_NUM_KERNELS = 128
_CAPACITIES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


def rounded(num_rows: int) -> int:
    """So many rows instead, the others empty: a kernel for rows of a number there has not been takes longer to make.

    Up to 8 they stay, steps of answers; then 4 numbers an octave, and above 64 multiples of 16. The assistant's later
    questions, of ever other lengths, have their first token after 2.6 ms instead of 3.8.
    """
    if num_rows > 64:
        return -(-num_rows // 16) * 16
    step = 1 << max(0, (num_rows - 1).bit_length() - 3)
    return -(-num_rows // step) * step


class OneDNNLinear(nn.Module):
    """What `layer` computes, without gradients: x (..., in_features) -> (..., out_features), in the weights' dtype.

    It has no parameters: it can be neither trained, moved to a device nor saved.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        bias: torch.Tensor | None = layer.bias
        self.bias = None if bias is None else bias.detach()
        self._blocks = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().contiguous(), _NUM_ROWS)

    @property
    def weight(self) -> torch.Tensor:
        """A plain copy (out_features, in_features), for whoever asks for a dtype or for numbers."""
        plain: torch.Tensor = self._blocks.to_dense()
        return plain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._blocks, self.bias, "none", [], "")
        return y

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def lay_out(model: nn.Module, keep: nn.Module | None = None) -> int:
    """Replace the linear layers of `model` by ones for oneDNN, all but `keep`; how many there were.

    Nothing happens to layers that are not on a CPU, are of another dtype than float32 or (where the processor computes
    in it) bfloat16, or are more than a linear layer; nor where this build of torch cannot do it.

    It bounds oneDNN's kernels, which would take hundreds of megabytes for prompts of ever new lengths, unless
    ONEDNN_PRIMITIVE_CACHE_CAPACITY and LRU_CACHE_CAPACITY say otherwise.
    """
    for name in _CAPACITIES:
        os.environ.setdefault(name, str(_NUM_KERNELS))  # read at the first use, which comes next
    if not _can_lay_out():
        return 0
    dtypes = {torch.float32, torch.bfloat16} if computes_bfloat16() else {torch.float32}
    places: dict[nn.Linear, list[tuple[nn.Module, str]]] = {}
    for parent in model.modules():
        for name, child in parent._modules.items():  # `named_children` names a layer of two names once
            if (
                type(child) is nn.Linear
                and child is not keep
                and child.weight.device.type == "cpu"
                and child.weight.dtype in dtypes
            ):
                places.setdefault(child, []).append((parent, name))
    count = len(places)
    while places:  # one by one, each given up before the next: two copies of a model are more than a machine may hold
        layer, named = places.popitem()
        laid_out = OneDNNLinear(layer)
        for parent, name in named:
            setattr(parent, name, laid_out)
        del layer
    return count


def _can_lay_out() -> bool:
    """Whether torch has the two operators, which are its compiler's own, and they compute what they should."""
    operators: Any = torch.ops.mkldnn
    if not (hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")):
        return False
    skip_init: Any = nn.utils.skip_init  # draws nothing from anyone's random numbers
    layer = skip_init(nn.Linear, 8, 8, bias=False)
    x = torch.linspace(-1, 1, 16).view(2, 8)
    with torch.inference_mode():
        layer.weight.copy_(torch.linspace(-1, 1, 64).view(8, 8))
        try:
            return bool(torch.allclose(OneDNNLinear(layer)(x), layer(x), atol=1e-5))
        except RuntimeError:
            return False
