"""Values of options that name something: an unknown name is wrong usage, told before any model is read."""

from __future__ import annotations

from typing import Annotated

import typer

from chiasm.errors import UserError, suggest


def known_template(name: str | None) -> str | None:
    """`name`, if a template is called so."""
    if name is not None:
        from chiasm import templates

        try:
            templates.find(name)
        except UserError as error:
            raise typer.BadParameter(str(error)) from None
    return name


def known_dtype(name: str | None) -> str | None:
    """`name`, if it is a dtype models are run in."""
    known = ("float32", "bfloat16", "float16")
    if name is not None and name not in known:
        raise typer.BadParameter(f"no dtype '{name}': {suggest(name, known)}")
    return name


def known_device(name: str | None) -> str | None:
    """`name`, if it is a device's name; whether this machine has one is found out when it is used."""
    if name is not None:
        import torch

        try:
            torch.device(name)
        except RuntimeError:  # its message lists twenty kinds of device
            raise typer.BadParameter(f"no device '{name}': {suggest(name, ('cpu', 'cuda', 'mps'))}, cuda:1") from None
    return name


# Options of all verbs that open a model to ask it.
TemplateOption = Annotated[
    str | None, typer.Option(callback=known_template, help="Write the prompt so. [default: as the checkpoint says]")
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        callback=known_dtype,
        help="float32, bfloat16, float16. [default: the checkpoint's; float32 for small models on a CPU]",
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option(callback=known_device, help="cpu, cuda, cuda:1, mps. [default: the best one here]")
]
