"""Tensors lying in files: their names, shapes and dtypes at once, their values one at a time.

safetensors, and PyTorch's `.bin` through `torch.load(weights_only=True)` alone. Nothing here knows what a tensor is
for. Mapped pages count as memory of the process until the mapping is closed; so files are opened anew after every
`REOPEN_BYTES`, and reading a checkpoint of any size costs that much memory beside what the caller keeps.
"""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from chiasm.checkpoints.json_files import plain_name, read_json
from chiasm.errors import UserError

# Ours: one part in 200 of a 7B checkpoint; reopening takes about a millisecond.
REOPEN_BYTES = 64 * 1024 * 1024
# Ours: a 7B checkpoint's header takes 80 kB. The format allows 100 MB, which takes gigabytes once parsed.
MAX_HEADER_BYTES = 4 * 1024 * 1024

# Names of the safetensors format for the dtypes weights come in.
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
INTEGERS = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8}
_KNOWN = {**DTYPES, **INTEGERS, "BOOL": torch.bool}

# Where weights are looked for, in this order (transformers' own names and order).
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that can be read. `file` is where it lies, None for one made in memory."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], torch.Tensor]
    file: Path | None = None

    @property
    def num_bytes(self) -> int:
        """Size of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def to(self, dtype: torch.dtype) -> Stored:
        """The same tensor in another dtype, converted when it is read."""
        return self if dtype == self.dtype else replace(self, dtype=dtype, read=lambda: self.read().to(dtype))

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Stored:
        """A tensor in memory; moved to the CPU when it is read."""
        return cls(tuple(tensor.shape), tensor.dtype, lambda: tensor.detach().cpu())


class _Reader:
    """Keeps at most one file open, and that one for at most `REOPEN_BYTES`."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._tensors: Any = None
        self._handed_out = 0

    def read(self, path: Path, name: str) -> torch.Tensor:
        if path != self._path or (self._handed_out >= REOPEN_BYTES and _can_be_mapped(path)):
            self._tensors = None  # unmapped before the next is mapped
            self._tensors, self._path, self._handed_out = _open(path), path, 0
        tensor: torch.Tensor = (
            self._tensors[name] if isinstance(self._tensors, Mapping) else self._tensors.get_tensor(name)
        )
        self._handed_out += tensor.nbytes
        return tensor


def read_folder(folder: Path) -> dict[str, Stored]:
    """All tensors of a folder's weight files, in the files' order; raises `UserError` when there are none."""
    present = [name for name in WEIGHT_FILES if (folder / name).is_file()]
    if not present:
        only = ", ".join(sorted(p.name for p in folder.glob("*") if p.suffix in (".safetensors", ".bin"))[:5])
        raise UserError(f"{folder} holds no weights: expected one of {', '.join(WEIGHT_FILES)}; found {only or 'none'}")
    path = folder / present[0]
    if path.suffix != ".json":
        return read_files([path])
    index = read_json(path)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{path} has no 'weight_map': it does not say which file holds which tensor")
    shards = [folder / name for name in sorted({plain_name(name, path) for name in weight_map.values()})]
    if absent := [shard.name for shard in shards if not shard.is_file()]:
        raise UserError(f"{path} names files that are not there: {', '.join(absent)}. Copy them to {folder}")
    tensors = read_files(shards)
    if absent := sorted(weight_map.keys() - tensors.keys()):
        raise UserError(f"{path} promises tensors that its files do not hold: {', '.join(absent)}")
    return tensors


def read_files(paths: list[Path]) -> dict[str, Stored]:
    """All tensors of these files; raises `UserError` for damaged files and for a name that two files hold."""
    reader, tensors = _Reader(), dict[str, Stored]()
    for path in paths:
        for name, (shape, dtype) in _headers(path).items():
            if name in tensors:
                raise UserError(f"tensor {name} lies in both {tensors[name].file} and {path}. Remove the wrong file")
            tensors[name] = Stored(shape, dtype, partial(reader.read, path, name), path)
    return tensors


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and dtype of every tensor of one file."""
    tensors: Any = _open(path)
    if isinstance(tensors, Mapping):
        return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    headers = {}
    for name in tensors.offset_keys():  # in the order they lie in the file
        view = tensors.get_slice(name)
        if view.get_dtype() not in _KNOWN:
            raise UserError(
                f"{path}: tensor {name} has dtype {view.get_dtype()}; expected one of {', '.join(_KNOWN)}. "
                "Quantised checkpoints must be converted to plain weights first"
            )
        headers[name] = tuple(view.get_shape()), _KNOWN[view.get_dtype()]
    return headers


def _open(path: Path) -> Any:
    """A `safe_open` handle, or the mapping of tensors in a `.bin` file."""
    try:
        return _open_safetensors(path) if path.suffix == ".safetensors" else _open_bin(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _open_safetensors(path: Path) -> Any:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
    if header_bytes > min(MAX_HEADER_BYTES, path.stat().st_size):
        raise UserError(
            f"{path} is no safetensors file: it announces a header of {header_bytes:,} bytes, the file has "
            f"{path.stat().st_size:,} and at most {MAX_HEADER_BYTES:,} are read. Copy it again from where it came"
        )
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise UserError(f"{path} is no whole safetensors file: {error}. Copy it again from where it came") from None


def _open_bin(path: Path) -> dict[str, torch.Tensor]:
    try:
        loaded = _load_bin(path)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError):
        # torch's own words are left out: they advise to read the file without the protection.
        raise UserError(
            f"{path} is refused: it holds something beside tensors, which could run code when it is read, or it is "
            "damaged. Copy it again from where it came, or ask its makers for safetensors"
        ) from None
    while isinstance(loaded, dict) and set(loaded) == {"state_dict"}:
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in loaded.items()
    ):
        raise UserError(f"{path} holds a {type(loaded).__name__} that is not names and tensors")
    return loaded


def _load_bin(path: Path) -> Any:
    """`weights_only` always: the reader then builds tensors and nothing else. Mapped where it is a zip archive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch wonders aloud about foreign pickles before refusing them
        return torch.load(path, map_location="cpu", weights_only=True, mmap=_can_be_mapped(path))


def _can_be_mapped(path: Path) -> bool:
    """False for `.bin` files in PyTorch's format before 1.6, which is no zip archive and is read whole."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(4) == b"PK\x03\x04"
