"""Values of options that name something: an unknown name is wrong usage, told before any model is read."""

from __future__ import annotations

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
