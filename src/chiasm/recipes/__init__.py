"""Recipes: one file each, found by file name. `recipe()` of a file returns a whole run as a value."""

from __future__ import annotations

from pathlib import Path

from chiasm.errors import UserError
from chiasm.registry import Registry
from chiasm.training.config import Recipe

REGISTRY = Registry("chiasm.recipes", "recipe", ("recipe",))


def find(name: str) -> Recipe:
    """The recipe called `name`, or the one in the YAML file `name`."""
    if name.endswith((".yaml", ".yml", ".json")):
        return Recipe.from_yaml(Path(name))
    if Path(name).is_dir():
        raise UserError(f"{name} is a folder; a recipe is a name ({', '.join(REGISTRY.names())}) or a .yaml file")
    recipe = REGISTRY.find(name).module.recipe()
    if not isinstance(recipe, Recipe):
        raise TypeError(f"{name}.recipe() must return a chiasm.training.config.Recipe")
    return recipe
