"""The growing cache against transformers' own, and going back to a prefix."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, MambaConfig

from chiasm.errors import UserError
from chiasm.generation.cache import GrowingCache

CONFIG = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)


def test_holds_what_transformers_own_cache_holds_while_growing() -> None:
    mine, theirs = GrowingCache(CONFIG), DynamicCache(config=CONFIG)
    for num_tokens in (5, 1, 120, 1, 1, 300, 1):
        for layer in range(2):
            keys, values = torch.randn(3, 2, num_tokens, 4), torch.randn(3, 2, num_tokens, 4)
            held, expected = mine.update(keys, values, layer), theirs.update(keys, values, layer)
            assert torch.equal(held[0], expected[0])
            assert torch.equal(held[1], expected[1])
        assert mine.get_seq_length() == theirs.get_seq_length()
        assert mine.get_mask_sizes(3, 0) == theirs.get_mask_sizes(3, 0)


def test_one_more_token_writes_into_the_same_buffer() -> None:
    cache = GrowingCache(CONFIG)
    first, _ = cache.update(torch.zeros(1, 2, 10, 4), torch.zeros(1, 2, 10, 4), 0)
    second, _ = cache.update(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), 0)
    assert first.data_ptr() == second.data_ptr()


def test_growing_copies_a_number_of_tokens_linear_in_the_length() -> None:
    cache, pointers = GrowingCache(CONFIG), set()
    for _ in range(5000):
        keys, _ = cache.update(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4), 0)
        pointers.add(keys.data_ptr())
    assert len(pointers) <= 7  # 128, 256, ..., 8192


def test_going_back_to_a_prefix_brings_all_layers_to_one_length() -> None:
    cache = GrowingCache(CONFIG)
    keys = torch.randn(1, 2, 6, 4)
    for layer in range(2):
        cache.update(keys, keys, layer)
    cache.update(keys, keys, 0)  # a step that was interrupted after the first layer
    cache.keep_first(4)
    for layer in range(2):
        held, _ = cache.update(keys[:, :, 4:5], keys[:, :, 4:5], layer)
        assert torch.equal(held, keys[:, :, :5])


def test_a_model_with_other_state_is_refused() -> None:
    with pytest.raises(UserError, match="linear_attention"):
        GrowingCache(MambaConfig(num_hidden_layers=2))
