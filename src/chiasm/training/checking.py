"""What a recipe names, looked up before anything is read or trained: the last stage may come days later.

It knows names, configurations and paths; what is in the files is found out by those who read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from chiasm import templates
from chiasm.checkpoints.model_configs import completed
from chiasm.errors import UserError, suggest
from chiasm.models import connectors
from chiasm.models.language import build_language
from chiasm.models.llava import Llava
from chiasm.models.vision import KNOWN_TOWERS, build_tower
from chiasm.processing.images import POLICIES
from chiasm.training import objectives
from chiasm.training.config import Recipe, Stage, Vocabulary
from chiasm.training.loop import part_of

# Read by transformers 5 from files of older versions, and of no configuration's own fields.
_OLDER_KEYS = frozenset({"model_type", "rope_theta", "rope_scaling"})


def check_names(recipe: Recipe) -> None:
    """Raise `UserError` with the field unless every component the recipe names exists."""
    with _at("model.connector"):
        connectors.REGISTRY.find(recipe.model.connector)
    for name, stage in recipe.stages.items():
        with _at(f"stages.{name}.template"):
            templates.find(stage.template)
        with _at(f"stages.{name}.images"):
            POLICIES.find(stage.images)
        with _at(f"stages.{name}.objective"):
            objectives.REGISTRY.find(stage.objective)


def check_configurations(recipe: Recipe) -> None:
    """Raise `UserError` with the field unless transformers can build what the recipe gives as configurations.

    Keys are compared with those of transformers' class: it would take any other in silence.
    """
    vision, language = recipe.model.vision, recipe.model.language
    if isinstance(vision, dict):
        kind = vision.get("model_type")
        if kind not in KNOWN_TOWERS:
            raise UserError(f"model.vision.model_type: {kind!r} is no tower: {suggest(str(kind), KNOWN_TOWERS)}")
        _check_configuration("model.vision", vision)
        with _at("model.vision"), torch.device("meta"):
            build_tower(vision)
    if isinstance(language, dict):
        _check_configuration("model.language", language)
        with _at("model.language"), torch.device("meta"):
            build_language(language)


def check_paths(recipe: Recipe) -> None:
    """Raise `UserError` with the field unless the data the recipe names is there."""
    vocabulary = recipe.model.vocabulary
    for records in vocabulary.records if isinstance(vocabulary, Vocabulary) else ():
        if not Path(records).is_file():
            raise UserError(f"model.vocabulary.records: there is no file {records}")
    for name, stage in recipe.stages.items():
        if not Path(stage.data.records).is_file():
            raise UserError(f"stages.{name}.data.records: there is no file {stage.data.records}")
        for key, paths in _compared(stage):
            for path in paths:
                if not Path(path).is_file():
                    raise UserError(f"stages.{name}.contrast.{key}: there is no file {path}")
        if stage.data.images is not None and not Path(stage.data.images).is_dir():
            raise UserError(f"stages.{name}.data.images: the folder of pictures {stage.data.images} does not exist")
        if (held_out := stage.validation) is not None:
            if not Path(held_out.records).is_file():
                raise UserError(f"stages.{name}.validation.records: there is no file {held_out.records}")
            if held_out.images is not None and not Path(held_out.images).is_dir():
                raise UserError(
                    f"stages.{name}.validation.images: the folder of pictures {held_out.images} does not exist"
                )


def _compared(stage: Stage) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The further files of a contrastive stage, by field."""
    if stage.contrast is not None:
        yield "captions", stage.contrast.captions
        yield "instances", () if stage.contrast.instances is None else (stage.contrast.instances,)


def check_image_size(name: str, stage: Stage, patch: int) -> None:
    """Raise `UserError` when pictures of stage `name` hold no patch of so many pixels a side."""
    if stage.image_size is not None and stage.image_size < patch:
        raise UserError(f"stages.{name}.image_size: {stage.image_size} pixels hold no patch of the tower's {patch}")


def check_parts(name: str, stage: Stage, model: Llava) -> None:
    """Raise `UserError` when a part that stage `name` trains has nothing to train, or its pictures hold no patch."""
    check_image_size(name, stage, model.config.vision["patch_size"])
    for part in stage.trains:
        if not any(True for _ in part_of(model, part).parameters()):
            what = f" ('{model.config.connector}')" if part == "connector" else ""
            raise UserError(
                f"stages.{name}.trains: the {part}{what} has no parameters, nothing can be trained: leave it out"
            )


def _check_configuration(where: str, config: dict[str, Any]) -> None:
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        known = suggest(str(kind), CONFIG_MAPPING.keys()).partition("known:")[0].strip()  # there are hundreds
        raise UserError(f"{where}.model_type: this version of transformers knows no {kind!r}. {known}".strip())
    family = CONFIG_MAPPING[kind]
    with _at(where):
        known_keys = {*family().to_dict(), *family.attribute_map, *_OLDER_KEYS}
    for key in config:
        if key not in known_keys:
            raise UserError(f"{where}.{key}: unknown key of a {kind}, {suggest(str(key), known_keys)}")
    with _at(where):
        sizes = completed(config, "tower" if "vision" in where else "language model")
    if "patch_size" in sizes and not 0 < sizes["patch_size"] <= sizes["image_size"]:
        raise UserError(
            f"{where}: image_size {sizes['image_size']} and patch_size {sizes['patch_size']} make no grid of patches"
        )


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Name the field in whatever is raised: transformers' own errors are of many classes."""
    try:
        yield
    except Exception as error:
        said = str(error) if isinstance(error, UserError) else f"transformers cannot build this: {error}"
        raise UserError(f"{where}: {said}") from None
