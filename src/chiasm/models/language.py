"""Causal language models of transformers, built empty or fresh, and what we ask of their insides."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from chiasm.errors import UserError


def build_language(config: dict[str, Any], attention: str | None = None) -> nn.Module:
    """A causal language model from its transformers configuration; raises `UserError` where transformers cannot.

    `attention` names one of transformers' implementations; None takes the best the model has (SDPA for most).
    """
    from huggingface_hub.errors import StrictDataclassError  # a value of the wrong type
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise UserError(f"no language model of type {kind!r} in this version of transformers. Is the name misspelt?")
    if "auto_map" in config:
        raise UserError(
            f"the {kind} configuration wants code from its folder (auto_map); only transformers' own is run"
        )
    settings = {key: value for key, value in config.items() if key not in ("torch_dtype", "dtype", "model_type")}
    try:
        module = cast("Any", AutoModelForCausalLM).from_config(
            CONFIG_MAPPING[kind](**settings), dtype=torch.get_default_dtype(), attn_implementation=attention
        )
    except KeyError as error:  # the bare key: a name that one of transformers' tables does not hold
        raise UserError(
            f"a {kind} cannot be built as a causal language model: its configuration lacks {error}, or says {error} "
            "where transformers knows no such name"
        ) from None
    except (ValueError, TypeError, AttributeError, StrictDataclassError) as error:
        raise UserError(f"a {kind} cannot be built as a causal language model: {error}") from None
    return cast("nn.Module", module)


def decoder(language: nn.Module) -> nn.Module:
    """The blocks below the output head, whatever the family calls them."""
    return cast("nn.Module", cast("Any", language).base_model)


def decoder_blocks(language: nn.Module) -> list[nn.Module]:
    """The blocks one by one: the longest list of modules in the decoder, whatever the family calls it."""
    lists = [list(module) for module in decoder(language).modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def output_head(language: nn.Module) -> nn.Module:
    """The layer from hidden states to logits."""
    return cast("nn.Module", cast("Any", language).get_output_embeddings())


def embed(language: nn.Module, ids_BT: torch.Tensor) -> torch.Tensor:
    """Token embeddings (batch, tokens, width)."""
    return cast("torch.Tensor", cast("Any", language).get_input_embeddings()(ids_BT))
