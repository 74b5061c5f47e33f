"""Bytes that a forward pass keeps for its backward pass, per token and layer, counted tensor by tensor.

Counted for the modules this package runs: transformers' Llama-like decoders with our norms and CLIP, attention through
SDPA (whose scores are never kept) or document by document, all in bfloat16 or all in float32; or under autocast, as
objective `clip` has it. Nothing here knows recipes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from chiasm.models import documents

How = Literal["trained", "frozen", "adapters"]


@dataclass(frozen=True, slots=True)
class Blocks:
    """A stack of transformer blocks: `width` D, inner width F of the MLP, how many, heads, rows of the vocabulary."""

    width: int
    mlp: int
    layers: int
    vocabulary: int = 0
    heads: int = 0
    shared: float = 1.0
    """Heads of keys and values, as a share of all."""
    positions: int = 0
    """Patches (and class token) of a tower's tile."""

    @classmethod
    def of(cls, config: dict[str, Any], layers: int | None = None) -> Blocks:
        """From a configuration of transformers; `layers` that run where not all do."""
        width = int(config.get("hidden_size") or config.get("n_embd") or config["d_model"])
        mlp = int(config.get("intermediate_size") or config.get("n_inner") or 4 * width)
        count = int(config.get("num_hidden_layers") or config.get("n_layer") or config["n_layers"])
        heads = int(config.get("num_attention_heads") or config.get("n_head") or 0)
        shared = int(config.get("num_key_value_heads") or heads) / heads if heads else 1.0
        patches = 0
        if "image_size" in config:
            patches = (int(config["image_size"]) // int(config["patch_size"])) ** 2
            patches += config.get("model_type") == "clip_vision_model"
        return cls(
            width, mlp, count if layers is None else layers, int(config.get("vocab_size") or 0), heads, shared, patches
        )


def decoder_block(blocks: Blocks, how: How, low: int, rank: int = 0) -> int:
    """Bytes a token leaves in one decoder block, keys and values repeated to all heads. `low` is bytes of a number.

    Trained: input and outcome of both norms, q, k, v, attention, and in the MLP gate, its activation, the other branch
    and the product. Frozen weights need no inputs of their layers: only what the norms, SDPA and the products keep. An
    adapter keeps the dropout's mask and what it let through, for each of seven layers.
    """
    d, f = blocks.width, blocks.mlp
    kept = low * (8 * d + 4 * f if how == "trained" else 6 * d + 3 * f)
    if how == "adapters":
        kept += (6 * d + f) * (4 + low) + 7 * rank * low
    return kept


def attended_apart(blocks: Blocks, how: How, length: int, low: int) -> float:
    """Bytes a token leaves more in one block where documents of that length are attended one by one, as on a CPU.

    The weights of short ones are kept; what SDPA keeps of its outcome, for itself alone where nothing trains, is not.
    Queries, keys, values and weights of narrow heads are in float32.
    """
    outcome = 0 if how == "trained" else low * blocks.width
    # Keys and values are not repeated to all heads.
    outcome += round(low * 2 * blocks.width * (1 - blocks.shared))
    number = 4 if blocks.width <= documents.NARROW * blocks.heads else low
    outcome -= round((number - low) * blocks.width * (1 + 2 * blocks.shared))
    if length > documents.LONGEST_KEPT:
        return -outcome
    edges = [*range(documents.QUERIES, length, documents.QUERIES), length]
    kept: int = sum((end - begin) * end for begin, end in pairwise([0, *edges]))
    return number * blocks.heads * kept / length - outcome


def block_input(blocks: Blocks, low: int) -> int:
    """Bytes a token leaves in a block that is computed twice: its input."""
    return blocks.width * low


def tower_block(blocks: Blocks, low: int, cast: bool = False) -> int:
    """Bytes a patch leaves in one trained tower block: CLIP's, with its two linear layers and quick GELU.

    `cast`: computed under autocast from float32 weights, so that what a layer reads is kept once more.
    """
    d, f = blocks.width, blocks.mlp
    return 24 * d + 6 * f if cast and low == 2 else low * (8 * d + 3 * f)


def tower_passing(blocks: Blocks, low: int) -> int:
    """Bytes a patch needs while a frozen tower's block runs and keeps nothing: residual, q, k, v and the MLP twice."""
    return low * (6 * blocks.width + 2 * blocks.mlp)


def ends(blocks: Blocks, low: int) -> int:
    """Bytes a token leaves outside the blocks: embeddings, pictures put among them, the last norm and the rows asked.

    Each is kept with its gradient on the way back.
    """
    return 6 * blocks.width * low


def logits(vocabulary: int, low: int) -> int:
    """Bytes a trained position takes for its logits: as computed, in float32, their log-softmax, and two gradients."""
    return vocabulary * (16 if low == 4 else 20)
