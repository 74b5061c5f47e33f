"""`chiasm list`: the interchangeable parts by name, read from the folders they live in. Imports none of them."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from chiasm.errors import UserError, suggest

# Kind to the folder whose files are its components, below the package. A folder that does not exist has no kind.
_FOLDERS = {
    "recipes": "recipes",
    "templates": "templates",
    "connectors": "models/connectors",
    "policies": "processing/policies",
    "tasks": "evals/tasks",
    "kinds": "synthesis/kinds",
    "styles": "synthesis/styles",
}
_PACKAGE = Path(__file__).resolve().parents[1]


def list(  # the verb's name
    kind: Annotated[str | None, typer.Argument(help="templates, connectors, recipes, ...; without it, all.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: kind to a list of names with what they are.")
    ] = False,
) -> None:
    """List the parts that can be named in commands and recipes.

    Example: chiasm list templates
    """
    known = {name: _PACKAGE / folder for name, folder in _FOLDERS.items() if (_PACKAGE / folder).is_dir()}
    if kind is not None and kind not in known:
        raise UserError(f"no list of '{kind}': {suggest(kind, known)}")
    found = {name: components(folder) for name, folder in known.items() if kind in (None, name)}
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


def components(folder: Path) -> Sequence[tuple[str, str]]:
    """(name, first sentence of the docstring) of every component in `folder`, by name."""
    files = sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return [(path.stem, _first_line(path)) for path in files]


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return text.partition("\n")[0]
