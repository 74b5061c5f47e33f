"""Attention of one step: a row of tokens of many prompts, each trunk with its branches attended by itself.

Registered with transformers as an attention function, so that every family that goes through its interface works. Where
no step is handed along it is transformers' own SDPA: training and plain `forward` see no difference.

Shapes: T tokens of the row, H query heads, G key-value heads, R = H / G, N queries of a block, M members of a batch,
S keys, K head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from chiasm.generation.batch import Batch
from chiasm.generation.cache import layer_kinds
from chiasm.generation.trunk import Trunk

NAME = "chiasm_trunks"  # under which transformers knows the function
STEP = "chiasm_step"  # the keyword by which a step reaches it through the decoder
LOOK = "chiasm_look"  # and that of whoever looks on
# Attention that is fully told by which keys a query sees.
_KINDS = frozenset({"full_attention", "sliding_attention"})
# Arguments of other attention functions that change the result; sdpa knows none of them.
_FOREIGN = ("softcap", "s_aux", "position_bias")


class Heads(NamedTuple):
    """What a layer attends with: query (1, H, T, K), key and value (1, G, T, K)."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor

    def of(self, rows: slice) -> Heads:
        """Those of some tokens."""
        return Heads(self.query[:, :, rows], self.key[:, :, rows], self.value[:, :, rows])


class Onlooker(Protocol):
    """Told what every layer attends with; nothing that it does changes a result."""

    def see(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, scaling: float | None
    ) -> None:
        """query (B, H, T, K), key (B, G, T, K); `mask` (B, 1, T, T), bool, True where seen; None: causal."""
        ...


def take_over(language_model: Any) -> bool:
    """Make `language_model` attend through this module; False, and nothing changed, where it could not be right.

    That is: models that attend past transformers' interface, with something else than SDPA, or with layers whose
    state is not keys and values under a mask.
    """
    config = language_model.config
    if config._attn_implementation == NAME:
        return True
    if (
        config._attn_implementation != "sdpa"
        or not getattr(language_model, "_supports_attention_backend", False)
        or not set(layer_kinds(config)) <= _KINDS
    ):
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    language_model.set_attn_implementation(NAME)
    return True


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """transformers' attention: query (B, H, T, K), key and value (B, G, T, K) -> (B, T, H, K), no weights."""
    step: Step | None = kwargs.pop(STEP, None)
    onlooker: Onlooker | None = kwargs.pop(LOOK, None)
    foreign = [name for name in _FOREIGN if kwargs.get(name) is not None]
    layer: Any = module
    if onlooker is not None and not foreign:
        onlooker.see(layer.layer_idx, query, key, attention_mask, kwargs.get("scaling"))
    if step is None:
        one_query = query.shape[2] == 1 and attention_mask is None
        if one_query and not (foreign or module.training or torch.is_grad_enabled()):
            return _folded(query, key, value, None, kwargs.get("scaling")), None
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    if foreign:
        raise ValueError(f"attention with {', '.join(foreign)} is not scaled dot-product attention under a mask")
    heads = Heads(query, key, value)
    return step.attend(layer.layer_idx, heads, kwargs.get("scaling"), kwargs.get("sliding_window")), None


@dataclass(slots=True)
class Block:
    """Queries that go through one call: `rows` of the step, `places` of the trunk's buffer, over all places up to them.

    `is_causal`: a whole trunk from its first token on, where each query sees all places up to its own.
    """

    trunk: Trunk
    rows: slice
    places: slice
    is_causal: bool
    masks: dict[tuple[int | None, int], torch.Tensor | None] = field(default_factory=dict)

    def mask(self, window: int | None, like: torch.Tensor, repeats: int) -> torch.Tensor | None:
        """0 where a key is seen, -inf elsewhere: (R * N, S); None where all are seen. Made once a step."""
        if (window, repeats) not in self.masks:
            mask = self._mask(window, like)
            self.masks[window, repeats] = mask if mask is None or repeats == 1 else mask.repeat(repeats, 1)
        return self.masks[window, repeats]

    def _mask(self, window: int | None, like: torch.Tensor) -> torch.Tensor | None:
        if self.trunk.sees_all_before(window):
            if self.places.stop - self.places.start == 1:
                return None
            mask = like.new_zeros(self.places.stop - self.places.start, self.places.stop)
            mask[:, self.places.start :].fill_(-torch.inf).triu_(1)
            return mask
        seen = self.trunk.visible(self.places, window)
        return None if bool(seen.all()) else torch.where(seen, 0.0, -torch.inf).to(like.device, like.dtype)

    def attend(self, layer: int, heads: Heads, scaling: float | None, window: int | None) -> torch.Tensor:
        """As `Step.attend`, with the rows of the block alone."""
        query = heads.query
        self.trunk.write(layer, self.places.start, heads.key, heads.value)
        keys, values = self.trunk.held(layer, self.places.stop)
        repeats = query.shape[1] // keys.shape[1]
        if not self.is_causal or window is not None:
            return _folded(query, keys, values, self.mask(window, query, repeats), scaling)
        x = F.scaled_dot_product_attention(query, keys, values, is_causal=True, scale=scaling, enable_gqa=repeats > 1)
        return x.transpose(1, 2)


@dataclass(slots=True)
class Abreast:
    """A token of each member of a batch, which go through one call: `rows` of the step, in the order of the slots.

    `places`: where each member's token goes; it sees all places before.
    """

    batch: Batch
    rows: slice
    places: Sequence[int]
    _at: torch.Tensor | None = None
    _masks: dict[int | None, torch.Tensor] = field(default_factory=dict)

    def attend(self, layer: int, heads: Heads, scaling: float | None, window: int | None) -> torch.Tensor:
        """As `Step.attend`, with the rows of the block alone."""
        query = heads.query
        if self._at is None:
            self._at = torch.tensor(self.places, device=query.device)
        self.batch.write(layer, self._at, heads.key[0].transpose(0, 1), heads.value[0].transpose(0, 1))
        keys, values = self.batch.held(layer, len(self.places), max(self.places) + 1)
        x = _folded(query.transpose(0, 2), keys, values, self._mask(window, self._at, query), scaling)
        return x.transpose(0, 1)

    def _mask(self, window: int | None, places: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """0 where a key is seen, -inf elsewhere: (M, 1, 1, S). Made once a step."""
        if window not in self._masks:
            before = places[:, None] - torch.arange(max(self.places) + 1, device=like.device)
            seen = before >= 0 if window is None else (before >= 0) & (before < window)
            self._masks[window] = torch.where(seen, 0.0, -torch.inf).to(like.dtype)[:, None, None]
        return self._masks[window]


@dataclass(slots=True)
class Step:
    """The blocks of one step; every layer comes by once.

    `wanted`: the rows whose hidden states are asked for, all where it names none.
    """

    blocks: Sequence[Block | Abreast]
    longest: int  # positions of the step are below it
    wanted: Sequence[int] = ()
    num_layers: int = 0

    def attend(self, layer: int, heads: Heads, scaling: float | None, window: int | None) -> torch.Tensor:
        """The attended heads (1, T, H, K); keys and values are kept in the trunks."""
        self.num_layers += 1
        if window is not None and window >= self.longest:
            window = None
        parts = [block.attend(layer, heads.of(block.rows), scaling, window) for block in self.blocks]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _folded(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None, scaling: float | None
) -> torch.Tensor:
    """query (B, H, N, K), keys and values (B, G, S, K), mask (R * N, S), or one that can be
    expanded to (B, G, R * N, S), or None -> (B, N, H, K).

    The heads that share keys become more queries of one head: no kernel has to repeat keys for them. On a CPU in
    bfloat16 that takes a seventh of the time of SDPA's own `enable_gqa` for one query.
    """
    batch, num_heads, num_queries, width = query.shape
    if num_heads == keys.shape[1]:
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scaling).transpose(1, 2)
    folded = query.reshape(batch, keys.shape[1], -1, width)
    x = F.scaled_dot_product_attention(folded, keys, values, attn_mask=mask, scale=scaling)
    return x.reshape(batch, num_heads, num_queries, x.shape[3]).transpose(1, 2)
