"""Names of tensors: in memory, in the Hugging Face layout, in the original layout. Nothing about their values.

In memory a `Llava` has transformers' own module names below `vision_tower`, `connector` and `language_model`. On disk:

| in memory | Hugging Face (llava-hf/llava-1.5-7b-hf) | original (liuhaotian/llava-v1.5-7b) |
|---|---|---|
| vision_tower.X | vision_tower.vision_model.X | model.vision_tower.vision_tower.vision_model.X |
| connector.{0,2,..}.Y | multi_modal_projector.linear_{1,2,..}.Y | model.mm_projector.{0,2,..}.Y (`linear`: no number) |
| language_model.X | language_model.X | X |

What a connector of another build calls its tensors goes through as it is, below the layout's word for the connector.
Every rule is anchored at both ends: a name that fits none is nobody's and is reported, never bent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from chiasm.errors import UserError

Rule = tuple[str, "str | Callable[[re.Match[str]], str]"]
T = TypeVar("T")


def _index_of(linear: re.Match[str]) -> str:
    """`linear_1` is layer 0 of the connector, `linear_2` layer 2: between them stand activations without weights."""
    return f"connector.{2 * (int(linear[1]) - 1)}.{linear[2]}"


def _linear_of(index: re.Match[str]) -> str:
    return f"multi_modal_projector.linear_{int(index[1]) // 2 + 1}.{index[2]}"


# transformers has written `model.` before these names, and the tower without `vision_model.` since 5.0; all are read.
_FROM_HF: tuple[Rule, ...] = (
    (r"(?:model\.)?vision_tower\.(?:vision_model\.)?(.+)", r"vision_tower.\1"),
    (r"(?:model\.)?multi_modal_projector\.linear_([1-9]\d?)\.(weight|bias)", _index_of),
    (r"(?:model\.)?multi_modal_projector\.(?!linear_)(.+)", r"connector.\1"),
    (r"(?:language_model\.)?(lm_head\..+)", r"language_model.\1"),
    (r"language_model\.({base}\..+)", r"language_model.\1"),
    (r"model\.language_model\.(.+)", r"language_model.{base}.\1"),
    (r"language_model\.(.+)", r"language_model.\1"),
)
_TO_HF: tuple[Rule, ...] = (
    (r"vision_tower\.(.+)", r"vision_tower.vision_model.\1"),
    (r"connector\.(\d*[02468])\.(weight|bias)", _linear_of),
    (r"connector\.(.+)", r"multi_modal_projector.\1"),
    (r"(language_model\..+)", r"\1"),
)
_FROM_ORIGINAL: tuple[Rule, ...] = (
    (r"{base}\.vision_tower\.vision_tower\.(?:vision_model\.)?(.+)", r"vision_tower.\1"),
    (r"{base}\.mm_projector\.(.+)", r"connector.\1"),
    (r"((?:{base}|lm_head)\.(?!vision_tower\.|mm_projector|image_newline).+)", r"language_model.\1"),
)
_TO_ORIGINAL: tuple[Rule, ...] = (
    (r"vision_tower\.(.+)", r"{base}.vision_tower.vision_tower.vision_model.\1"),
    (r"connector\.(.+)", r"{base}.mm_projector.\1"),
    (r"language_model\.(.+)", r"\1"),
)
# Stage-1 files; DeepSpeed and LoRA runs put prefixes of their wrappers before the name.
_CONNECTOR: tuple[Rule, ...] = (
    (r"(?:base_model\.)?(?:module\.)?(?:model\.)*mm_projector\.(weight|bias)", r"connector.0.\1"),
    (r"(?:base_model\.)?(?:module\.)?(?:model\.)*mm_projector\.(.+)", r"connector.\1"),
    (r"(?:model\.)?multi_modal_projector\.linear_([1-9]\d?)\.(weight|bias)", _index_of),
    (r"(?:model\.)?multi_modal_projector\.(?!linear_)(.+)", r"connector.\1"),
    (r"(connector\..+)", r"\1"),
)
# A whole CLIP or SigLIP carries its text side as well.
_TOWER: tuple[Rule, ...] = (
    (r"(?:vision_model\.)?((?:embeddings|encoder|pre_layrnorm|post_layernorm|head)\..+)", r"\1"),
)
_NOT_TOWER = re.compile(r"text_model\..+|(?:visual|text)_projection\.weight|logit_scale|logit_bias")

# Older versions of transformers stored these; they follow from the configuration and are made anew.
_DERIVED = re.compile(r".*\.(?:position_ids|rotary_emb\.inv_freq|attn\.masked_bias)|.*\.h\.\d+\.attn\.bias")


def is_derived(name: str) -> bool:
    """Whether a tensor of this name is computed from the configuration, so that files need not carry it."""
    return _DERIVED.fullmatch(name) is not None


def from_hf(name: str, base: str = "model") -> str | None:
    """Hugging Face name -> name in memory, None for a stranger. `base` is the family's word for its blocks."""
    return _apply(_FROM_HF, name, base)


def to_hf(name: str) -> str:
    """Name in memory -> Hugging Face name."""
    return _must(_apply(_TO_HF, name, "model"), name)


def from_original(name: str, connector: str, base: str = "model") -> str | None:
    """Original name -> name in memory, None for a stranger. MPT's `base` is `transformer`.

    The published connector `linear` is a bare layer without a number.
    """
    if connector == "linear":
        name = re.sub(rf"^({re.escape(base)}\.mm_projector)\.(weight|bias)$", r"\1.0.\2", name)
    return _apply(_FROM_ORIGINAL, name, base)


def to_original(name: str, connector: str, base: str = "model") -> str:
    """Name in memory -> original name, the inverse of `from_original`."""
    if connector == "linear":
        name = re.sub(r"^connector\.0\.(weight|bias)$", rf"{base}.mm_projector.\1", name)
        if name.startswith(f"{base}.mm_projector."):
            return name
    return _must(_apply(_TO_ORIGINAL, name, base), name)


def from_connector(name: str) -> str | None:
    """A stage-1 file's name -> name in the connector module (`0.weight`), None for a stranger."""
    found = _apply(_CONNECTOR, name, "model")
    return None if found is None else found.removeprefix("connector.")


def from_tower(name: str) -> str | None:
    """A tower file's name -> name in the bare tower, None for what belongs to CLIP's text side or to nobody."""
    return _apply(_TOWER, name, "model")


def is_text_side(name: str) -> bool:
    """Whether a tower file's tensor is the text half of CLIP or SigLIP, which a tower has no use for."""
    return _NOT_TOWER.fullmatch(name) is not None


def renamed(tensors: Mapping[str, T], rename: Callable[[str], str | None]) -> tuple[dict[str, T], list[str]]:
    """The tensors under their new names, and the old names nobody knows. Raises `UserError` where two become one."""
    result: dict[str, T] = {}
    strangers, came_from = [], dict[str, str]()
    for old, tensor in tensors.items():
        new = rename(old)
        if new is None:
            strangers.append(old)
        elif new in result:
            raise UserError(
                f"the tensors {came_from[new]} and {old} are two names of the same one. Remove the wrong one"
            )
        else:
            result[new], came_from[new] = tensor, old
    return result, strangers


def _apply(rules: tuple[Rule, ...], name: str, base: str) -> str | None:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern.replace("{base}", re.escape(base)), name):
            if callable(replacement):
                return replacement(match)
            return match.expand(replacement.replace("{base}", base))
    return None


def _must(name: str | None, old: str) -> str:
    if name is None:
        raise UserError(f"the tensor {old} has no name in this layout: its connector or tower is not part of LLaVA's")
    return name
