"""Keys and values of tokens already seen, in buffers that grow by doubling.

transformers' own cache joins old and new by copying everything at every token; here a token writes its own place.
All layers keep every token (a sliding window is a matter of the mask), so that any prefix can be returned to.

Shapes: B rows, H key-value heads, T tokens, K head width.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, get_layer_types_and_kwargs

from chiasm.errors import UserError

_SMALLEST = 128  # tokens of the first buffer; ours: below it, growing costs more than the memory is worth
# Attention kinds for which keeping every key and value is enough; others (state-space, indexed) carry other state.
_KEPT_WHOLE = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


class GrowingLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """Keys and values of one layer; `length` of the places in the buffers are in use."""

    is_sliding = False
    is_croppable = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Empty buffers of the right kind."""
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values (B, H, T, K); returns all (B, H, length, K), as views of the buffers."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        start, end = self.length, self.length + key_states.shape[2]
        if end > self.keys.shape[2]:
            capacity = max(2 * self.keys.shape[2], end + end // 4, _SMALLEST)
            self.keys, self.values = (enlarged(x, start, capacity) for x in (self.keys, self.values))
        self.keys[:, :, start:end] = key_states
        self.values[:, :, start:end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many keys there will be, and the position of the first."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens held."""
        return self.length

    def get_max_length(self) -> int:
        """No maximum."""
        return -1

    def keep_first(self, length: int) -> None:
        """Forget all but the first `length` tokens; the buffers stay."""
        self.length = min(self.length, length)

    def crop(self, tokens_to_remove: int) -> None:
        """transformers' way to say it: forget `-tokens_to_remove` tokens from the end."""
        self.keep_first(self.length - abs(tokens_to_remove))


class GrowingCache(Cache):
    """A cache for `Llava.hidden`, one `GrowingLayer` a layer."""

    def __init__(self, language_config: Any) -> None:
        """`language_config` is the transformers configuration of the language model; `UserError` for other caches."""
        kinds = layer_kinds(language_config)
        if unknown := sorted(set(kinds) - _KEPT_WHOLE):
            raise UserError(
                f"language models with layers of kind {', '.join(unknown)} cannot generate here yet: "
                f"their state is not only keys and values (known: {', '.join(sorted(_KEPT_WHOLE))})"
            )
        self._growing = [GrowingLayer() for _ in kinds]
        super().__init__(layers=[*self._growing])

    def keep_first(self, length: int) -> None:
        """Forget all but the first `length` tokens.

        Layers are brought to one length even where an interrupted step left some of them a token ahead.
        """
        for layer in self._growing:
            layer.keep_first(length)


def layer_kinds(language_config: Any) -> list[str]:
    """The attention kind of each layer, as transformers calls them."""
    kinds, _ = get_layer_types_and_kwargs(language_config.get_text_config(decoder=True))
    return list(kinds)


def enlarged(x_BHTK: torch.Tensor, used: int, capacity: int) -> torch.Tensor:
    """The first `used` places of `x` in a buffer of `capacity` places; the rest is not yet written."""
    larger = x_BHTK.new_empty(*x_BHTK.shape[:2], capacity, x_BHTK.shape[3])
    larger[:, :, :used] = x_BHTK[:, :, :used]
    return larger
