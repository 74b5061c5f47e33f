"""A Llama in numpy, with its keys and values kept: a prompt in one pass, then a token at a time.

Layer by layer what transformers' `LlamaForCausalLM` computes in float32 (RMS norms, rotary positions, gated SiLU).

Shapes: T new tokens, S = those kept and the new ones, D width, K heads of keys and values, G heads of queries for each
of them, W width of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chiasm.backends.light.shape import DecoderShape
from chiasm.backends.light.tower import softmax
from chiasm.backends.light.weights import Floats, Weights

_MODEL = "language_model.model."
_FIRST_CAPACITY = 256  # tokens there is room for at first; ours: a picture, a question and an answer


class KeysAndValues:
    """What the layers keep of the first `length` tokens; the buffers have room for more."""

    def __init__(self, shape: DecoderShape) -> None:
        self.length = 0
        self._shape = shape
        self.keys, self.values = self._buffer(_FIRST_CAPACITY), self._buffer(_FIRST_CAPACITY)

    def make_room(self, num_tokens: int) -> None:
        """Let there be places for so many tokens."""
        if num_tokens > self.keys.shape[2]:
            capacity = min(2 * num_tokens, max(num_tokens, self._shape.max_positions))
            # Both or none: an interrupt between them would leave one too short for ever.
            self.keys, self.values = self._longer(self.keys, capacity), self._longer(self.values, capacity)

    def _longer(self, buffer: Floats, capacity: int) -> Floats:
        longer = self._buffer(capacity)
        longer[:, :, : self.length] = buffer[:, :, : self.length]
        return longer

    def _buffer(self, capacity: int) -> Floats:
        return np.zeros(
            (self._shape.num_layers, self._shape.num_kv_heads, capacity, self._shape.head_width), np.float32
        )


@dataclass(frozen=True, slots=True)
class _Layer:
    norm1: Floats
    qkv: Floats  # the three projections one below the other
    out: Floats
    norm2: Floats
    gate_up: Floats  # the two halves one below the other
    down: Floats


class Decoder:
    """Embeddings in, logits of the last token out."""

    def __init__(self, weights: Weights, shape: DecoderShape) -> None:
        """Takes its tensors out of `weights`."""
        self.shape = shape
        self._embeddings = weights.take(f"{_MODEL}embed_tokens.weight", shape.num_ids, shape.width)
        self._layers = [_layer(weights, f"{_MODEL}layers.{index}.", shape) for index in range(shape.num_layers)]
        self._norm = weights.take(f"{_MODEL}norm.weight", shape.width)
        exponents = np.arange(0, shape.head_width, 2, dtype=np.float32) / np.float32(shape.head_width)
        self._frequencies = 1 / np.float32(shape.theta) ** exponents

    def embed(self, ids: Sequence[int]) -> Floats:
        """Embeddings (T, D) of ids."""
        return self._embeddings[np.asarray(ids, dtype=np.intp)]

    def step(self, x_TD: Floats, kept: KeysAndValues) -> Floats:
        """Logits (V) behind the last of T new tokens, which follow those of `kept` and are kept too.

        Interrupted by an exception, the step has not happened: `kept` is as long as it was.
        """
        first, num_new = kept.length, len(x_TD)
        kept.make_room(first + num_new)
        angles = np.arange(first, first + num_new, dtype=np.float32)[:, None] * self._frequencies
        cosines, sines = np.cos(angles), np.sin(angles)
        places = np.arange(first + num_new)
        hidden_TS = places[None] > places[first:, None] if num_new > 1 else None
        for index, layer in enumerate(self._layers):
            q, k, v = self._projected(layer, x_TD)
            keys, values = kept.keys[index, :, : first + num_new], kept.values[index, :, : first + num_new]
            keys[:, first:], values[:, first:] = _turned(k, cosines, sines), v
            x_TD = x_TD + self._attended(_turned(q, cosines, sines), keys, values, hidden_TS) @ layer.out.T
            gate, up = np.split(self._normed(x_TD, layer.norm2) @ layer.gate_up.T, 2, axis=-1)
            x_TD = x_TD + _silu(gate) * up @ layer.down.T
        kept.length = first + num_new
        return self._embeddings @ self._normed(x_TD[-1], self._norm)

    def _projected(self, layer: _Layer, x_TD: Floats) -> tuple[Floats, Floats, Floats]:
        """Queries (K G, T, W), keys and values (K, T, W)."""
        heads, kv_heads, head_width = self.shape.num_heads, self.shape.num_kv_heads, self.shape.head_width
        qkv = self._normed(x_TD, layer.norm1) @ layer.qkv.T
        split = qkv.reshape(len(x_TD), heads + 2 * kv_heads, head_width).transpose(1, 0, 2)
        return split[:heads], split[heads : heads + kv_heads], split[heads + kv_heads :]

    def _attended(self, q: Floats, keys: Floats, values: Floats, hidden_TS: np.ndarray | None) -> Floats:
        """What each new token takes from those it sees (T, K G W)."""
        num_new = q.shape[1]
        q_KGTW = q.reshape(self.shape.num_kv_heads, -1, num_new, self.shape.head_width)
        scores = q_KGTW @ keys[:, None].swapaxes(-1, -2) * np.float32(self.shape.head_width**-0.5)
        if hidden_TS is not None:
            scores[:, :, hidden_TS] = -np.inf
        taken = softmax(scores) @ values[:, None]
        return taken.transpose(2, 0, 1, 3).reshape(num_new, -1)

    def _normed(self, x: Floats, weight: Floats) -> Floats:
        """Zhang and Sennrich, arXiv 1910.07467."""
        normed: Floats = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float32(self.shape.epsilon)) * weight
        return normed


def _turned(x: Floats, cosines: Floats, sines: Floats) -> Floats:
    """Heads (.., T, W) turned by their positions (Su et al., arXiv 2104.09864), halves paired as in Llama's files."""
    left, right = np.split(x, 2, axis=-1)
    return np.concatenate([left * cosines - right * sines, right * cosines + left * sines], -1)


def _silu(x: Floats) -> Floats:
    """x sigmoid(x); by the hyperbolic tangent, which cannot overflow."""
    half = np.float32(0.5) * x
    result: Floats = half * (1 + np.tanh(half))
    return result


def _layer(weights: Weights, prefix: str, shape: DecoderShape) -> _Layer:
    width, inner = shape.width, shape.inner
    queries, pairs = shape.num_heads * shape.head_width, shape.num_kv_heads * shape.head_width
    rows = {"q": queries, "k": pairs, "v": pairs}
    qkv = [weights.take(f"{prefix}self_attn.{name}_proj.weight", count, width) for name, count in rows.items()]
    gate_up = [weights.take(f"{prefix}mlp.{name}_proj.weight", inner, width) for name in ("gate", "up")]
    return _Layer(
        norm1=weights.take(f"{prefix}input_layernorm.weight", width),
        qkv=np.concatenate(qkv),
        out=weights.take(f"{prefix}self_attn.o_proj.weight", width, queries),
        norm2=weights.take(f"{prefix}post_attention_layernorm.weight", width),
        gate_up=np.concatenate(gate_up),
        down=weights.take(f"{prefix}mlp.down_proj.weight", width, inner),
    )
