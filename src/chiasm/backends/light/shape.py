"""The sizes of an assistant from its `config.json`, where it is one that the light implementation computes.

A field that could change what is computed is known here with its one supported value; a field that is not known makes
the whole unsupported, so that a new kind of checkpoint is never computed wrongly. What a file leaves out has the
default of transformers' `LlamaConfig`, `CLIPVisionConfig` and `LlavaConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """A checkpoint that the light implementation does not compute; the message says which part of it."""


@dataclass(frozen=True, slots=True)
class TowerShape:
    """A CLIP vision tower of which the first `num_layers` are run. `size` and `patch_size` in pixels."""

    width: int
    inner: int
    num_layers: int
    num_heads: int
    size: int
    patch_size: int
    epsilon: float

    @property
    def num_patches(self) -> int:
        """Tokens of a tile, the class token not counted."""
        side: int = self.size // self.patch_size
        return side * side


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """A Llama whose output head is its table of embeddings. `theta` is the base of its rotary positions."""

    width: int
    inner: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_width: int
    num_ids: int
    max_positions: int
    epsilon: float
    theta: float


@dataclass(frozen=True, slots=True)
class AssistantShape:
    """Tower and decoder, joined by LLaVA-1.5's connector of two layers."""

    tower: TowerShape
    decoder: DecoderShape


# About files and training, not about what is computed.
_NOISE = frozenset(
    {
        "_name_or_path",
        "architectures",
        "attention_dropout",
        "bos_token_id",
        "chunk_size_feed_forward",
        "dropout",
        "dtype",
        "eos_token_id",
        "ignore_index",
        "image_seq_length",
        "image_token_index",
        "initializer_factor",
        "initializer_range",
        "output_attentions",
        "output_hidden_states",
        "pad_token_id",
        "pretraining_tp",
        "projection_dim",
        "return_dict",
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)


def shape_of(config: Mapping[str, Any]) -> AssistantShape:
    """The shape that a `config.json` describes. Raises `Unsupported` for another than the bundled assistant's kind."""
    whole = _Section("config.json", config)
    whole.only(
        model_type="llava",
        projector_hidden_act="gelu",
        multimodal_projector_bias=True,
        vision_feature_select_strategy="default",
        mm_projector_type="mlp2x_gelu",
        tie_word_embeddings=True,
    )
    layer = whole.integer("vision_feature_layer", -2)
    tower, text = whole.section("vision_config"), whole.section("text_config")
    whole.check_rest()
    return AssistantShape(_tower(tower, layer), _decoder(text))


def _tower(said: _Section, feature_layer: int) -> TowerShape:
    said.only(model_type="clip_vision_model", num_channels=3)
    said.needs(hidden_act="gelu")  # CLIP's default is another
    num_layers = said.integer("num_hidden_layers")
    # Counted like `hidden_states` of transformers: -2 is the output of the last layer but one.
    num_run = feature_layer if feature_layer >= 0 else num_layers + 1 + feature_layer
    if not 0 <= num_run <= num_layers:
        raise Unsupported(f"feature layer {feature_layer} of a tower with {num_layers} layers")
    shape = TowerShape(
        width=said.integer("hidden_size"),
        inner=said.integer("intermediate_size"),
        num_layers=num_run,
        num_heads=said.integer("num_attention_heads"),
        size=said.integer("image_size"),
        patch_size=said.integer("patch_size"),
        epsilon=said.number("layer_norm_eps", 1e-5),
    )
    said.check_rest()
    if min(shape.width, shape.num_heads, shape.patch_size) < 1 or shape.width % shape.num_heads:
        raise Unsupported(f"a tower {shape.width} wide with {shape.num_heads} heads")
    return shape


def _decoder(said: _Section) -> DecoderShape:
    said.only(model_type="llama", hidden_act="silu", attention_bias=False, mlp_bias=False, rope_scaling=None)
    said.needs(tie_word_embeddings=True)
    theta = said.number("rope_theta", 10000.0)
    if (rope := said.take("rope_parameters", None)) is not None:
        rotary = _Section("rope_parameters", rope if isinstance(rope, dict) else {"rope_parameters": rope})
        rotary.only(rope_type="default")
        theta = rotary.number("rope_theta", theta)
        rotary.check_rest()
    width, num_heads = said.integer("hidden_size"), said.integer("num_attention_heads")
    shape = DecoderShape(
        width=width,
        inner=said.integer("intermediate_size"),
        num_layers=said.integer("num_hidden_layers"),
        num_heads=num_heads,
        num_kv_heads=said.integer("num_key_value_heads", num_heads),
        head_width=said.integer("head_dim", width // max(1, num_heads)),
        num_ids=said.integer("vocab_size"),
        max_positions=said.integer("max_position_embeddings", 2048),
        epsilon=said.number("rms_norm_eps", 1e-6),
        theta=theta,
    )
    said.check_rest()
    if min(shape.num_heads, shape.num_kv_heads, shape.head_width) < 1 or shape.num_heads % shape.num_kv_heads:
        raise Unsupported(f"a decoder with {shape.num_heads} heads over {shape.num_kv_heads} of keys and values")
    return shape


class _Section:
    """An object of a configuration whose fields are taken one by one; what is left at the end is not known."""

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        self._name, self._left = name, {key: value for key, value in fields.items() if key not in _NOISE}

    def take(self, key: str, default: object) -> Any:
        """The value of a field, which then is known."""
        return self._left.pop(key, default)

    def only(self, **supported: object) -> None:
        """Raise `Unsupported` where one of these fields is there with another value."""
        for key, value in supported.items():
            if (found := self.take(key, value)) != value:
                raise Unsupported(f"{self._name} says {key}: {found!r}; {value!r} is supported")

    def needs(self, **supported: object) -> None:
        """The same for fields whose default is another value: these must be there."""
        for key, value in supported.items():
            if (found := self.take(key, None)) != value:
                raise Unsupported(f"{self._name} says {key}: {found!r}; {value!r} is supported")

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        found = self.take(key, default)
        if not isinstance(found, int) or isinstance(found, bool):
            raise Unsupported(f"{self._name} says {key}: {found!r}; a whole number was expected")
        return found

    def number(self, key: str, default: float) -> float:
        """A number above 0."""
        found = self.take(key, default)
        if not isinstance(found, int | float) or isinstance(found, bool) or not found > 0:
            raise Unsupported(f"{self._name} says {key}: {found!r}; a number above 0 was expected")
        return float(found)

    def section(self, key: str) -> _Section:
        """The object in a field."""
        found = self.take(key, None)
        if not isinstance(found, dict):
            raise Unsupported(f"{self._name} has no object {key}")
        return _Section(key, found)

    def check_rest(self) -> None:
        """Raise `Unsupported` for fields that nobody took."""
        if self._left:
            raise Unsupported(f"{self._name} has fields that are not known here: {', '.join(sorted(self._left))}")
