"""JSON files of a checkpoint folder, read as data from strangers. Knows no field of any of them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chiasm.errors import UserError

# Ours: 100 times the largest configuration or shard index of a published checkpoint.
MAX_JSON_BYTES = 32 * 1024 * 1024
# What asks a loader to run code from the folder; transformers' own words.
_CODE_KEYS = ("auto_map", "trust_remote_code", "custom_pipelines")


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The object in the file; raises `UserError` when it is missing, too large, no JSON or no object."""
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise UserError(f"{path} has {size:,} bytes; at most {max_bytes:,} are read. Is it the right file?")
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing. Is {path.parent} a checkpoint folder, copied whole?") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}. Copy it again from where it came") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a JSON {type(value).__name__}; expected an object")
    return value


def read_json_if_there(path: Path) -> dict[str, Any]:
    """The object in the file, empty where there is no file."""
    return read_json(path) if path.is_file() else {}


def write_json(value: object) -> bytes:
    """The bytes of a JSON file a person can read."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def section(config: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """The object under `key`; raises `UserError` where it is anything else."""
    value = config.get(key)
    if not isinstance(value, dict):
        raise UserError(f"{path} has no object '{key}': it is {value!r}. Is the file whole?")
    return dict(value)


def plain_name(name: object, where: Path) -> str:
    """`name` if it is the bare name of a file; raises `UserError` for paths, which could lead out of the folder."""
    if not isinstance(name, str) or not re.fullmatch(r"(?!\.)[^/\\:\x00-\x1f]{1,255}", name):
        raise UserError(f"{where} names the file {name!r}; expected a plain file name in the same folder")
    return name


def without_code(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration without requests to run code from its folder; says so once on stderr if there were any."""
    found = sorted({*_code_requests(config), *(path.name for path in folder.glob("*.py"))})
    if found:
        note(f"{folder} brings code of its own ({', '.join(found)}): ignored, chiasm runs no code from checkpoints")
    return {
        key: {k: v for k, v in value.items() if k not in _CODE_KEYS} if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in _CODE_KEYS
    }


def note(text: str) -> None:
    """One line for the person at the terminal, on stderr so that it never mixes with output."""
    print(f"note: {text}", file=sys.stderr)


def _code_requests(config: dict[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if key in _CODE_KEYS:
            yield key
        elif isinstance(value, dict):
            yield from (k for k in value if k in _CODE_KEYS)
