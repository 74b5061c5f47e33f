"""An empty model, and its parameters filled from files one at a time.

Memory: parameters are allocated uninitialised, which costs nothing until they are written, and files are mapped a
little at a time (`tensors.REOPEN_BYTES`), so that loading peaks hardly above the model itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, cast

import torch

from chiasm.checkpoints.progress import bytes_bar
from chiasm.checkpoints.tensors import Stored
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava


def empty(config: LlavaConfig, dtype: torch.dtype, device: str = "cpu") -> Llava:
    """A model whose parameters hold no values yet; buffers made from the configuration are right and in float32.

    `device="meta"` gives names and shapes alone.
    """
    from transformers.initialization import no_init_weights

    before = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(no_init_weights())
        stack.enter_context(torch.device(device))
        stack.callback(torch.set_default_dtype, before)
        torch.set_default_dtype(dtype)
        model = Llava(config)
    cast(Any, model.language_model).tie_weights()
    return model.eval()


def shapes(model: Llava) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, tied ones once."""
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def tied_names(model: Llava) -> dict[str, str]:
    """Parameters that are others by a second name, and those others: an output head tied to the embeddings."""
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    everything = model.named_parameters(remove_duplicate=False)
    return {name: named[id(parameter)] for name, parameter in everything if named[id(parameter)] != name}


def check_names(model: Llava, tensors: Mapping[str, Stored], strangers: Iterable[str], where: object) -> None:
    """Raise one `UserError` listing all tensors that are missing, unexpected or of another shape."""
    expected, tied = shapes(model), tied_names(model)
    missing = [name for name in expected if name not in tensors]
    unexpected = [name for name in tensors if name not in expected and name not in tied] + list(strangers)
    misshapen = [
        f"{name} is {_size(tensors[name].shape)} in the file, {_size(shape)} in the model"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    problems = [
        f"{len(found)} {what}: {', '.join(found)}"
        for what, found in (("misshapen", misshapen), ("missing", missing), ("unexpected", unexpected))
        if found
    ]
    if problems:
        raise UserError(f"the weights of {where} do not fit its config.json. {'. '.join(problems)}")


def fill(model: Llava, tensors: Mapping[str, Stored], *, force: bool = False, progress: bool = True) -> None:
    """Copy every tensor into the parameter of its name, converting to the parameter's dtype.

    Names and shapes are right already (`check_names`). Raises `UserError` for values that are not finite, unless
    `force`, and for a second copy of tied weights that differs from the first.
    """
    parameters, tied = dict(model.named_parameters()), tied_names(model)
    total = sum(tensor.num_bytes for tensor in tensors.values())
    with bytes_bar("reading weights", total, progress) as done, torch.no_grad():
        later = []
        for name, stored in tensors.items():
            if name in tied:
                later.append((name, stored))
                continue
            parameter = parameters[name]
            parameter.copy_(stored.read())
            if not force:
                _check_finite(name, parameter, stored)
            done(stored.num_bytes)
        for name, stored in later:
            if not torch.equal(stored.read().to(parameters[tied[name]]), parameters[tied[name]]):
                raise UserError(
                    f"{name} differs from {tied[name]}, but config.json ties them (tie_word_embeddings): one is wrong"
                )
            done(stored.num_bytes)


def _check_finite(name: str, parameter: torch.Tensor, stored: Stored) -> None:
    if not parameter.numel():
        return
    low, high = torch.aminmax(parameter)
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise UserError(
            f"{name}{f' in {stored.file}' if stored.file else ''} holds values that are not finite (as "
            f"{str(parameter.dtype).removeprefix('torch.')}). The run that wrote it had diverged, or the "
            "file is damaged; load with force to look at it all the same"
        )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
