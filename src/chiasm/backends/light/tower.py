"""CLIP's vision tower up to the selected layer, and LLaVA-1.5's connector behind it, in numpy.

Layer by layer what transformers' `CLIPVisionModel` computes in float32 (pre-norm blocks, exact GELU).

Shapes: N tiles, P patches of one, T = P + 1 tokens with the class token, V vision width, D language width, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chiasm.backends.light.shape import TowerShape
from chiasm.backends.light.weights import Floats, Weights

_MODEL = "vision_tower.vision_model."
_CONNECTOR = "multi_modal_projector."


@dataclass(frozen=True, slots=True)
class Linear:
    """x W^T + b, as PyTorch stores it: `weight` (out, in), `bias` (out)."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        return x @ self.weight.T + self.bias


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Ba et al., arXiv 1607.06450."""

    weight: Floats
    bias: Floats
    epsilon: float

    def __call__(self, x: Floats) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        normed: Floats = centred / np.sqrt(variance + np.float32(self.epsilon)) * self.weight + self.bias
        return normed


@dataclass(frozen=True, slots=True)
class _Layer:
    norm1: LayerNorm
    qkv: Linear  # the three projections one below the other
    out: Linear
    norm2: LayerNorm
    fc1: Linear
    fc2: Linear

    def __call__(self, x_TV: Floats, num_heads: int) -> Floats:
        num_tokens, width = x_TV.shape
        qkv = self.qkv(self.norm1(x_TV)).reshape(num_tokens, 3, num_heads, width // num_heads)
        q_HTW, k_HTW, v_HTW = qkv.transpose(1, 2, 0, 3)
        shares_HTT = softmax(q_HTW @ k_HTW.transpose(0, 2, 1) * np.float32((width // num_heads) ** -0.5))
        x_TV = x_TV + self.out((shares_HTT @ v_HTW).transpose(1, 0, 2).reshape(num_tokens, width))
        return x_TV + self.fc2(gelu(self.fc1(self.norm2(x_TV))))


class Tower:
    """From pixels to the features of the selected layer, and from these to picture tokens."""

    def __init__(self, weights: Weights, shape: TowerShape, language_width: int) -> None:
        """Takes its tensors out of `weights`, and drops those of layers that are not run."""
        self._shape = shape
        width, patch = shape.width, shape.patch_size
        self._patches = weights.take(f"{_MODEL}embeddings.patch_embedding.weight", width, 3, patch, patch)
        self._class_token = weights.take(f"{_MODEL}embeddings.class_embedding", width)
        positions = f"{_MODEL}embeddings.position_embedding.weight"
        self._positions = weights.take(positions, shape.num_patches + 1, width)
        self._norm = _norm(weights, f"{_MODEL}pre_layrnorm", shape)  # spelt so in every checkpoint
        self._layers = [_layer(weights, f"{_MODEL}encoder.layers.{index}.", shape) for index in range(shape.num_layers)]
        self._connector1 = _linear(weights, f"{_CONNECTOR}linear_1", width, language_width)
        self._connector2 = _linear(weights, f"{_CONNECTOR}linear_2", language_width, language_width)

    def see(self, pixels_NCHW: Floats) -> Floats:
        """pixels (N, 3, height, width), normalised -> features (N, P, V) of the selected layer, no class token."""
        return self.see_layers(pixels_NCHW, (None,))[0]

    def see_layers(self, pixels_NCHW: Floats, layers: Sequence[int | None]) -> list[Floats]:
        """As `see`, of several layers at once: None for the selected one, which is the last that is computed."""
        by_tile = [self._see_tile(tile, layers) for tile in pixels_NCHW]
        return [np.stack(of_layer) for of_layer in zip(*by_tile, strict=True)]

    def connect(self, x_NPV: Floats) -> Floats:
        """Features (N, P, V) -> picture tokens (N, P, D)."""
        return self._connector2(gelu(self._connector1(x_NPV)))

    def _see_tile(self, tile: Floats, layers: Sequence[int | None]) -> list[Floats]:
        patch = self._shape.patch_size
        side = self._shape.size // patch
        # The convolution strides by its own width, so it is a product with every patch laid flat.
        whole = tile[:, : side * patch, : side * patch].reshape(3, side, patch, side, patch)
        flat = whole.transpose(1, 3, 0, 2, 4).reshape(side * side, -1)
        x_PV = flat @ self._patches.reshape(self._shape.width, -1).T
        x_TV = self._norm(np.concatenate([self._class_token[None], x_PV]) + self._positions)
        found = {0: x_TV}
        for number, block in enumerate(self._layers, start=1):
            x_TV = block(x_TV, self._shape.num_heads)
            if number in layers:
                found[number] = x_TV
        return [(x_TV if layer is None else found[layer])[1:] for layer in layers]


def is_left_out(name: str, num_layers: int) -> bool:
    """Whether a tensor belongs to what is never computed: layers behind the selected one, and the norm behind all."""
    rest = name.removeprefix(f"{_MODEL}encoder.layers.")
    number = rest.partition(".")[0]
    if rest != name and number.isdecimal():
        return int(number) >= num_layers
    return name.startswith(f"{_MODEL}post_layernorm.")


def softmax(x: Floats) -> Floats:
    """Over the last axis."""
    weights = np.exp(x - x.max(-1, keepdims=True))
    normalised: Floats = weights / weights.sum(-1, keepdims=True)
    return normalised


def gelu(x: Floats) -> Floats:
    """x Phi(x), with Abramowitz and Stegun's 7.1.26 for the error function: at most 1.5e-7 off, a float32's step."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(coefficient)) * t
    # The exponent is held where the result still is a normal number.
    erf = np.copysign(1 - series * np.exp(-np.minimum(z * z, np.float32(80))), x)
    result: Floats = np.float32(0.5) * x * (1 + erf)
    return result


def _layer(weights: Weights, prefix: str, shape: TowerShape) -> _Layer:
    width = shape.width
    parts = [_linear(weights, f"{prefix}self_attn.{name}_proj", width, width) for name in "qkv"]
    return _Layer(
        norm1=_norm(weights, f"{prefix}layer_norm1", shape),
        qkv=Linear(np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts])),
        out=_linear(weights, f"{prefix}self_attn.out_proj", width, width),
        norm2=_norm(weights, f"{prefix}layer_norm2", shape),
        fc1=_linear(weights, f"{prefix}mlp.fc1", width, shape.inner),
        fc2=_linear(weights, f"{prefix}mlp.fc2", shape.inner, width),
    )


def _linear(weights: Weights, name: str, num_in: int, num_out: int) -> Linear:
    return Linear(weights.take(f"{name}.weight", num_out, num_in), weights.take(f"{name}.bias", num_out))


def _norm(weights: Weights, name: str, shape: TowerShape) -> LayerNorm:
    weight, bias = (weights.take(f"{name}.{part}", shape.width) for part in ("weight", "bias"))
    return LayerNorm(weight, bias, shape.epsilon)
