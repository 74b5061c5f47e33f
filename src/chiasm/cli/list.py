"""`chiasm list`: the interchangeable parts by name, read from the folders they live in. Imports none of them."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from chiasm.errors import suggest
from chiasm.registry import Registry

_CHIASM = Path(__file__).resolve().parents[1]
# Kind to the package whose registry it is. The registries themselves are not imported: some lie beside code that needs
# torch, and a list should come at once. A test compares this table with them.
PACKAGES = {
    "recipes": "chiasm.recipes",
    "templates": "chiasm.templates",
    "connectors": "chiasm.models.connectors",
    "objectives": "chiasm.training.objectives",
    "policies": "chiasm.processing.policies",
    "tasks": "chiasm.evals.tasks",
    "kinds": "chiasm.synthesis.kinds",
    "checks": "chiasm.synthesis.checks",
    "styles": "chiasm.describing.styles",
    "sources": "chiasm.data.sources",
    "mixtures": "chiasm.data.mixtures",
}


def list(  # the verb's name
    kind: Annotated[
        str | None, typer.Argument(help="recipes, templates, connectors, tasks, ...; without it, all.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: kind to a list of names with what they are.")
    ] = False,
) -> None:
    """List the parts that can be named in commands and recipes.

    Example: chiasm list templates
    """
    if kind is not None and kind not in PACKAGES:
        raise typer.BadParameter(f"no list of '{kind}': {suggest(kind, PACKAGES)}", param_hint="KIND")
    found = {name: components(package) for name, package in PACKAGES.items() if kind in (None, name)}
    if as_json:
        print(
            json.dumps({name: [{"name": n, "about": a} for n, a in parts] for name, parts in found.items()}, indent=2)
        )
        return
    for name, parts in found.items():
        if kind is None:
            print(f"{name}:")
        width = max((len(component) for component, _ in parts), default=0)
        for component, about in parts:
            print(f"{'  ' if kind is None else ''}{component:<{width}}  {about}".rstrip())


def components(package: str) -> Sequence[tuple[str, str]]:
    """(name, first line of the docstring) of every component in `package`, by name."""
    folder = _CHIASM.joinpath(*package.split(".")[1:])
    return [(name, _first_line(folder / f"{name}.py")) for name in Registry(package, "").names()]


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return text.partition("\n")[0]
