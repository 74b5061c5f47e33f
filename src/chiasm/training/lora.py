"""Low-rank adapters on a language model, through peft: put on, taken off, and saved beside what they stand on.

Layers are chosen by what they are and where: linear layers inside the language model, never by a name that a vision
tower may use as well. It knows nothing of files; `checkpoints` writes and reads them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from chiasm import checkpoints
from chiasm.errors import UserError
from chiasm.models.language import output_head
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training.config import Lora, Recipe

_ADAPTER = "default"  # peft's name for the only adapter of a model


def check(recipe: Recipe) -> None:
    """Raise `UserError` when adapters are asked for and what they need is not here, before anything is loaded."""
    for name, stage in recipe.stages.items():
        if stage.lora is None:
            continue
        _module("peft", f"stages.{name}.lora", "train")
        if stage.lora.bits == 4:
            _module("bitsandbytes", f"stages.{name}.lora.bits 4", "qlora")
            if base_of(recipe) is None:
                raise UserError(
                    f"stages.{name}.lora.bits 4 rounds the weights the adapters stand on, and no folder holds these: "
                    "train them in a run of their own and give it as model.start"
                )


def layers(language: nn.Module) -> list[str]:
    """The names of the linear layers that get an adapter: all but the output head.

    The published train.py takes all linear layers but `lm_head` and those below its picture modules, by name.
    """
    head = output_head(language)
    return [name for name, module in language.named_modules() if isinstance(module, nn.Linear) and module is not head]


def attach(language: nn.Module, settings: Lora | None) -> None:
    """Put adapters on a frozen language model, unless it has them; they train, in float32.

    Fresh ones are drawn from torch's generator and change nothing yet: the second factor begins at zero.
    """
    if settings is None:
        raise ValueError("a stage without lora has no adapters to put on")
    if not any(True for _ in _adapters(language)):
        names = layers(language)
        if not names:
            kind = cast(Any, language).config.model_type
            raise UserError(f"stages.*.lora: a {kind} has no linear layers that could be adapted. Leave lora out")
        peft = _module("peft", "lora", "train")
        if settings.bits == 4:
            _quantise(language, names)
        config = peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            bias="none",
            target_modules=names,
        )
        peft.inject_adapter_in_model(config, language)
    for _, parameter in _adapters(language):
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)


def detach(language: nn.Module) -> dict[str, torch.Tensor]:
    """Take the adapters off; what they learnt, by layer: `model.layers.0.self_attn.q_proj.lora_A.weight`."""
    learnt = {name.replace(f".{_ADAPTER}.", "."): p.detach().clone() for name, p in _adapters(language)}
    for name, module in list(language.named_modules()):
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            language.set_submodule(name, cast(nn.Module, module.base_layer))
    return learnt


def save(final: Path, recipe: Recipe, model: Llava, processor: Processor, provenance: dict[str, Any]) -> None:
    """Write the last stage's adapters and the connector to the folder `final`, and what they stand on where no other
    folder holds it. The model is left without adapters."""
    settings = list(recipe.stages.values())[-1].lora
    if settings is None:
        raise ValueError("the recipe's last stage has no lora")
    learnt = detach(model.language_model)
    adapter = checkpoints.Adapter(learnt, settings.rank, settings.alpha, settings.dropout)
    checkpoints.save_adapter(final, adapter, model, processor, base=base_of(recipe), provenance=provenance)


def base_of(recipe: Recipe) -> dict[str, str] | None:
    """The folders or hub names that hold what the adapters stand on; None where the run itself made that."""
    changed = any(
        stage.image_size is not None  # which stretches the tower's positions
        or "vision" in stage.trains
        or ("language" in stage.trains and stage.lora is None)
        for stage in recipe.stages.values()
    )
    origin = recipe.model
    if changed:
        return None
    if origin.start is not None:
        return None if checkpoints.holds_adapters(origin.start) else {"checkpoint": origin.start}
    if isinstance(origin.vision, str) and isinstance(origin.language, str):
        return {"vision": origin.vision, "language": origin.language}
    return None


def _adapters(language: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The adapters' parameters: those below a layer that peft has wrapped."""
    found = []
    for name, module in language.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            found += [(f"{name}.{n}", p) for n, p in module.named_parameters() if not n.startswith("base_layer.")]
    return found


def _quantise(language: nn.Module, names: list[str]) -> None:
    """Keep the weights of these layers as nf4 with doubly quantised scales, as the published run's `--bits 4` does."""
    quantised = _module("bitsandbytes", "lora.bits 4", "qlora").nn
    for name in names:
        linear = cast(nn.Linear, language.get_submodule(name))
        weight = linear.weight.data
        layer = quantised.Linear4bit(
            linear.in_features, linear.out_features, bias=False, compute_dtype=weight.dtype, quant_type="nf4"
        )
        layer.weight = quantised.Params4bit(weight.cpu(), requires_grad=False, quant_type="nf4")
        layer.bias = linear.bias
        language.set_submodule(name, layer.to(weight.device))  # moving it quantises it


def _module(name: str, what: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{what} needs {name} ({error}). Install it: pip install 'chiasm[{extra}]'") from None
