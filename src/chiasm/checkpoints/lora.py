"""Folders of adapters: ours and those of the published LLaVA code, read as the merged model they stand for; written.

An adapter changes the weights of a base that lies elsewhere. Ours names it in `base.json`, with digests; a published
folder names it in `adapter_config.json`, or the caller does. Layer by layer the sum is made when a weight is read, so a
merged model costs no more memory than a plain one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chiasm.atomic import new_folder
from chiasm.checkpoints import backbones, huggingface, manifest, original, towers, weights, writing
from chiasm.checkpoints.adapter import CONFIG, FILES, Adapter, check_config, is_adapter, merged, read_pairs
from chiasm.checkpoints.description import Description
from chiasm.checkpoints.json_files import read_json, write_json
from chiasm.checkpoints.locating import TOWER, locate
from chiasm.checkpoints.model_configs import vocabulary_size
from chiasm.checkpoints.processor_json import check_format
from chiasm.checkpoints.shards import write_shard
from chiasm.checkpoints.tensors import Stored, read_files, read_folder
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor

BASE = "base.json"
CONNECTOR = "mm_projector.safetensors"
OTHERS = "non_lora_trainables.bin"  # of the published train.py: what it trained beside the adapters
FORMAT = 1
_OWN_BASE = "base"  # the folder inside, for a base that is nowhere else
_WHAT = {"vision": TOWER, "language": "the base of the adapters", "checkpoint": "the base of the adapters"}

Describe = Callable[[Path], Description]


@dataclass(frozen=True, slots=True)
class _Base:
    """What the adapters stand on: tensors under their names in memory, and the folders they come from.

    `config` is that of the language model; `parts` are folders by what they hold: a checkpoint, or vision and language.
    """

    parts: dict[str, Path]
    language: dict[str, Any]
    tensors: dict[str, Stored]
    checks: tuple[tuple[Path, dict[str, Any]], ...] = ()


def describe(
    folder: Path, listed: dict[str, Any] | None, template: str | None, base: str | None, describe_base: Describe
) -> Description:
    """The merged model a folder of adapters stands for; `base` overrides what the folder names.

    Raises `UserError` for a base that is missing or another one, and for adapters that are no plain LoRA.
    """
    scale, rank, named = check_config(folder)
    pairs = read_pairs(folder, rank)
    if (folder / BASE).is_file():
        parts, expected = _named_base(folder, base)
        found = _open_base(parts, describe_base)
        described = huggingface.describe(folder, listed, template, stored={})
        own = read_files([folder / CONNECTOR])
    else:
        name = base or named
        if name is None:
            raise UserError(f"{folder / CONFIG} names no base. Say which model the adapters were trained on: --base")
        found, expected = _open_base(_kind_of_base(locate(name, what=_WHAT["checkpoint"])), describe_base), ()
        if not original.is_original(read_json(folder / "config.json")):
            raise UserError(
                f"{folder}: config.json is not of the original layout and there is no {BASE}, so nothing says how the "
                "adapters belong to a LLaVA. Merge them with the program that made them"
            )
        if not (folder / OTHERS).is_file():
            raise UserError(
                f"{folder} has no {OTHERS}: the connector that was trained with the adapters is missing. Copy it there"
            )
        own = _unwrapped(read_files([folder / OTHERS]))
        tokenizer = _tokenizer_folder(folder, found)
        described = original.describe(folder, listed, template, stored={}, words=tokenizer)
        if "checkpoint" not in found.parts:
            tower = towers.open_tower(read_json(folder / "config.json")["mm_vision_tower"], beside=folder)
            found.tensors.update({f"vision_tower.{key}": value for key, value in tower.weights().items()})
    tensors = _together(described.config, found, own, pairs, scale, folder)
    return replace(described, tensors=tensors, bases=(*expected, *found.checks))


def save_adapter(
    target: str | Path,
    adapter: Adapter,
    model: Llava,
    processor: Processor,
    *,
    base: dict[str, str] | None,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write adapters, connector and all small files of the model to a new folder, whole or not at all.

    `model` is without adapters. `base` says where its other weights lie: `{"checkpoint": ...}` or `{"vision": ...,
    "language": ...}`, folders or hub names, which are digested; None writes them into the folder `base` inside.
    """
    described = Description(
        folder=Path(target),
        layout="chiasm",
        config=model.config,
        processor=processor,
        tensors={name: Stored.of(parameter) for name, parameter in model.named_parameters()},
        strangers=(),
        manifest=None,
        tower_weights=True,
        original=None,
    )
    connector = {
        weights.to_original(name, model.config.connector): tensor
        for name, tensor in described.tensors.items()
        if name.startswith("connector.")
    }
    with new_folder(Path(target)) as folder:
        if base is None:
            writing.write(folder / _OWN_BASE, described, "hf", provenance, 5 * 10**9, False)
            entries: dict[str, Any] = {"checkpoint": {"name": _OWN_BASE, "inside": True}}
        else:
            entries = {part: _entry(part, name, Path(target)) for part, name in base.items()}
        for name, data in writing.small_files(described).items():
            (folder / name).write_bytes(data)
        language = entries.get("language") or entries["checkpoint"]
        (folder / CONFIG).write_bytes(adapter.config(language["name"]))
        (folder / BASE).write_bytes(write_json({"format": FORMAT, "base": entries}))
        digests = {
            FILES[0]: write_shard(folder / FILES[0], adapter.stored()),
            CONNECTOR: write_shard(folder / CONNECTOR, connector),
        }
        count = len(adapter.tensors) + len(connector)
        (folder / manifest.FILE).write_bytes(manifest.written(folder, digests, count, provenance))


def holds_adapters(source: str | Path) -> bool:
    """Whether a folder or a hub name is adapters rather than a whole model."""
    return is_adapter(locate(source))


def _entry(part: str, name: str, target: Path) -> dict[str, Any]:
    """A part of the base as `base.json` names it: hub names as they are, folders absolute and from here."""
    folder = locate(name, what=_WHAT[part])
    if not Path(name).expanduser().is_dir():
        return {"name": name, "files": _digests(folder)}
    here = os.path.relpath(folder.resolve(), target.resolve())
    return {"name": str(folder.resolve()), "from_here": Path(here).as_posix(), "files": _digests(folder)}


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and digest of every file of a base that decides what the model is; a manifest's are believed."""
    listed = (manifest.read(folder) or {}).get("files", {})
    used = {tensor.file.relative_to(folder).as_posix() for tensor in read_folder(folder).values() if tensor.file}
    return {
        name: listed.get(name) or {"bytes": (folder / name).stat().st_size, "sha256": manifest.digest(folder / name)}
        for name in ["config.json", *sorted(used)]
    }


def _named_base(folder: Path, override: str | None) -> tuple[dict[str, Path], tuple[tuple[Path, dict[str, Any]], ...]]:
    """The folders of the base that `base.json` names, their small files verified, and what their weights must be."""
    path = folder / BASE
    said = read_json(path)
    check_format(said.get("format"), FORMAT, path)
    entries = said.get("base")
    known = ({"checkpoint"}, {"vision", "language"})
    if not isinstance(entries, dict) or set(entries) not in known or not all(map(_is_entry, entries.values())):
        raise UserError(f"{path} does not say what the adapters stand on. Copy the folder again from where it came")
    parts: dict[str, Path] = {}
    expected = []
    for part, entry in entries.items():
        own = override if part != "vision" else None
        parts[part] = _found(folder, entry, own, part)
        if not entry.get("inside"):
            listed = {"files": entry["files"]}
            _check_same(parts[part], listed)
            expected.append((parts[part], listed))
    return parts, tuple(expected)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return False
    files = entry.get("files")
    digested = isinstance(files, dict) and all(isinstance(f, dict) and "sha256" in f for f in files.values())
    return digested or entry.get("inside") is True


def _found(folder: Path, entry: dict[str, Any], override: str | None, part: str) -> Path:
    if override is not None:
        return locate(override, what=_WHAT[part])
    if entry.get("inside"):
        return folder / _OWN_BASE
    if "from_here" in entry and (folder / str(entry["from_here"])).is_dir():
        return folder / str(entry["from_here"])
    try:
        return locate(entry["name"], what=_WHAT[part])
    except UserError as error:
        raise UserError(f"the adapters of {folder} stand on another model: {error}. Or name it with --base") from None


def _check_same(folder: Path, listed: dict[str, Any]) -> None:
    """Raise `UserError` unless the base's small files are those the adapters were trained on."""
    try:
        manifest.check_small_files(folder, listed)
    except UserError as error:
        raise UserError(f"{folder} is not the base the adapters were trained on: {error}") from None


def _kind_of_base(folder: Path) -> dict[str, Path]:
    config = read_json(folder / "config.json")
    whole = original.is_original(config) or "text_config" in config
    return {"checkpoint" if whole else "language": folder}


def _open_base(parts: dict[str, Path], describe_base: Describe) -> _Base:
    if "checkpoint" in parts:
        described = describe_base(parts["checkpoint"])
        listed = described.manifest
        checks = (*described.bases, (parts["checkpoint"], listed)) if listed else described.bases
        return _Base(parts, described.config.language, dict(described.tensors), checks)
    words = backbones.open_language(parts["language"])
    tensors = {f"language_model.{name}": tensor for name, tensor in words.weights().items()}
    if "vision" in parts:
        tower = towers.open_tower(parts["vision"])
        tensors.update({f"vision_tower.{name}": tensor for name, tensor in tower.weights().items()})
    return _Base(parts, words.config, tensors)


def _tokenizer_folder(folder: Path, base: _Base) -> Path:
    """Where the tokenizer lies: published folders of adapters often lack it."""
    own = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model"))
    return folder if own else base.parts.get("language") or base.parts["checkpoint"]


def _unwrapped(tensors: Mapping[str, Stored]) -> dict[str, Stored]:
    """Names as in the model itself: the published code's loader takes the same two prefixes off (builder.py)."""
    bare = {name.removeprefix("base_model."): tensor for name, tensor in tensors.items()}
    return {
        name.removeprefix("model.") if name.startswith("model.model.") else name: tensor
        for name, tensor in bare.items()
    }


def _together(
    config: LlavaConfig,
    base: _Base,
    own: Mapping[str, Stored],
    pairs: Mapping[str, tuple[Stored, Stored]],
    scale: float,
    folder: Path,
) -> dict[str, Stored]:
    """The base's tensors with the vocabulary's rows as `config` has them, the folder's own, and the adapters merged."""
    below = huggingface.base_of(config)
    base_config = config.model_copy(update={"language": base.language})
    tensors = writing.with_rows(base_config, base.tensors, vocabulary_size(config))
    replaced, strangers = weights.renamed(dict(own), lambda name: weights.from_original(name, config.connector, below))
    if strangers:
        raise UserError(f"{folder} holds weights beside its adapters that no LLaVA has: {', '.join(strangers)}")
    tensors = {**tensors, **replaced}
    for layer, pair in pairs.items():
        name = weights.from_original(f"{layer}.weight", config.connector, below)
        if name is None or name not in tensors:
            raise UserError(
                f"{folder} adapts {layer}, which the base does not have: it was trained on another model. Name its own "
                "with --base"
            )
        tensors[name] = merged(tensors[name], pair, scale, layer)
    return tensors
