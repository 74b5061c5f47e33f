"""What a configuration says is taken as transformers takes it, or not at all."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from chiasm import bundled
from chiasm.backends.light.shape import AssistantShape, DecoderShape, TowerShape, Unsupported, shape_of

CONFIG: dict[str, Any] = {
    "model_type": "llava",
    "image_token_index": 70,
    "projector_hidden_act": "gelu",
    "tie_word_embeddings": True,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 12,
        "intermediate_size": 24,
        "num_hidden_layers": 5,
        "num_attention_heads": 3,
        "image_size": 30,
        "patch_size": 7,
        "hidden_act": "gelu",
    },
    "text_config": {
        "model_type": "llama",
        "hidden_size": 16,
        "intermediate_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 71,
        "tie_word_embeddings": True,
    },
}


def test_what_is_left_out_has_transformers_defaults() -> None:
    tower = TowerShape(12, 24, num_layers=4, num_heads=3, size=30, patch_size=7, epsilon=1e-5)
    decoder = DecoderShape(16, 20, 2, 4, 4, 4, num_ids=71, max_positions=2048, epsilon=1e-6, theta=10000.0)
    assert shape_of(CONFIG) == AssistantShape(tower, decoder)
    assert tower.num_patches == 16  # two pixels a side are beyond the last whole patch


def test_what_is_said_is_taken() -> None:
    config = deepcopy(CONFIG)
    config["vision_feature_layer"] = 1
    config["text_config"] |= {"num_key_value_heads": 2, "head_dim": 6, "rms_norm_eps": 0.5, "torch_dtype": "bfloat16"}
    config["text_config"] |= {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
    decoder = shape_of(config).decoder
    assert (decoder.num_kv_heads, decoder.head_width, decoder.epsilon, decoder.theta) == (2, 6, 0.5, 500.0)
    assert shape_of(config).tower.num_layers == 1


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        ("", {"model_type": "llava_next"}, "model_type: 'llava_next'"),
        ("", {"vision_feature_select_strategy": "full"}, "select_strategy: 'full'"),
        ("", {"mm_projector_type": "linear"}, "projector_type: 'linear'"),
        ("", {"vision_feature_layer": [-2, -5]}, "a whole number"),
        ("", {"vision_feature_layer": -7}, "feature layer -7"),
        ("", {"text_config": None}, "no object text_config"),
        ("vision_config", {"hidden_act": "quick_gelu"}, "hidden_act"),
        ("vision_config", {"model_type": "siglip_vision_model"}, "siglip"),
        ("vision_config", {"num_attention_heads": 5}, "12 wide with 5 heads"),
        ("text_config", {"model_type": "qwen2"}, "qwen2"),
        ("text_config", {"tie_word_embeddings": False}, "tie_word_embeddings: False"),
        ("text_config", {"attention_bias": True}, "attention_bias"),
        ("text_config", {"rope_scaling": {"type": "linear"}}, "rope_scaling"),
        ("text_config", {"rope_parameters": {"rope_type": "yarn"}}, "rope_type: 'yarn'"),
        ("text_config", {"rope_parameters": {"rope_type": "default", "factor": 2}}, "not known here: factor"),
        ("text_config", {"num_key_value_heads": 3}, "4 heads over 3"),
        ("text_config", {"sliding_window": 9}, "not known here: sliding_window"),
        ("text_config", {"hidden_size": None}, "hidden_size: None"),
    ],
)
def test_what_it_does_not_compute_it_refuses(place: str, changes: dict[str, Any], said: str) -> None:
    config = deepcopy(CONFIG)
    (config[place] if place else config).update(changes)
    with pytest.raises(Unsupported, match=said.replace("[", r"\[")):
        shape_of(config)


def test_the_bundled_assistant_is_of_this_kind() -> None:
    shape_of(json.loads((bundled.folder("assistant") / "config.json").read_text()))
