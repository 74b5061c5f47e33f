"""Interchangeable components found by file name: the file name is the component's name.

A folder of files is a registry: `models/connectors/linear.py` is the connector `linear`. Names are listed without
importing anything; one file is imported when it is asked for. A capital `N` in a file name stands for a number, so
`mlpNx_gelu.py` answers to `mlp2x_gelu` and is told the 2. Components from outside are named with dots:
`my_package.my_connector`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from dataclasses import dataclass
from types import ModuleType

from chiasm.errors import UserError, suggest


@dataclass(frozen=True, slots=True)
class Component:
    """A module found by name, and the numbers its name carried."""

    name: str
    module: ModuleType
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """The components of one folder. `package` is its dotted name, `kind` the word users know them by.

    `offers` are the names every component must define.
    """

    package: str
    kind: str
    offers: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """All names of the folder, sorted, without importing its files."""
        package = importlib.util.find_spec(self.package)
        folders = package.submodule_search_locations if package else None
        return sorted(m.name for m in pkgutil.iter_modules(folders or ()) if not m.name.startswith("_"))

    def find(self, name: str) -> Component:
        """The component called `name`; raises `UserError` with the nearest name when there is none."""
        component = self._named(name)
        if absent := [offer for offer in self.offers if not hasattr(component.module, offer)]:
            raise UserError(
                f"the module {component.module.__name__} is no {self.kind}: it does not define {', '.join(absent)}. "
                f"Add it there, or use one of: {', '.join(self.names())}"
            )
        return component

    def _named(self, name: str) -> Component:
        for known in self.names():
            pattern = "".join(r"(\d+)" if part == "N" else re.escape(part) for part in re.split("(N)", known))
            if match := re.fullmatch(pattern, name):
                numbers = tuple(int(digits) for digits in match.groups())
                return Component(name, importlib.import_module(f"{self.package}.{known}"), numbers)
        if re.fullmatch(r"\w+(\.\w+)+", name):
            return self._from_outside(name)
        raise UserError(f"no {self.kind} called '{name}': {suggest(name, self.names())}")

    def _from_outside(self, name: str) -> Component:
        try:
            return Component(name, importlib.import_module(name))
        except ModuleNotFoundError as error:
            raise UserError(
                f"no {self.kind} '{name}': a name with dots is imported as a Python module and {error}. "
                f"Install it, or use one of: {', '.join(self.names())}"
            ) from error
