"""Tensors of a safetensors file as float32 arrays of numpy. It knows no model.

The format: eight bytes with the length of a JSON header, the header, the values one behind the other
(github.com/huggingface/safetensors, README, "Format"). bfloat16 is the upper half of a float32.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chiasm.backends.light.shape import Unsupported

Floats = npt.NDArray[np.float32]

_NUM_BYTES = {"F32": 4, "BF16": 2}


class Weights:
    """The tensors of one file, taken one by one by name and shape; `names` are those not yet taken."""

    def __init__(self, path: Path) -> None:
        """Raises `Unsupported` for a file that is damaged or holds other dtypes than float32 and bfloat16."""
        self._path = path
        try:
            self._data = path.read_bytes()
            self._start = 8 + int.from_bytes(self._data[:8], "little")
            header = json.loads(self._data[8 : self._start])
            self._entries: dict[str, Any] = {key: value for key, value in header.items() if key != "__metadata__"}
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise Unsupported(f"{path} cannot be read: {error}") from None

    @property
    def names(self) -> list[str]:
        """Names that were not taken."""
        return list(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; raises `Unsupported` where there is none of this name."""
        try:
            return tuple(int(length) for length in self._entries[name]["shape"])
        except (KeyError, TypeError, ValueError):
            raise Unsupported(f"{self._path} holds no tensor {name}") from None

    def take(self, name: str, *shape: int) -> Floats:
        """The tensor `name` of this shape. Raises `Unsupported` where it is missing, or of another shape or dtype."""
        found = self.shape(name)
        if found != shape:
            raise Unsupported(f"{self._path}: tensor {name} is {list(found)}, not {list(shape)}")
        entry = self._entries.pop(name)
        try:
            first, last = entry["data_offsets"]
            raw = memoryview(self._data)[self._start + first : self._start + last]
            if first < 0 or len(raw) != math.prod(shape) * _NUM_BYTES[entry["dtype"]]:
                raise ValueError(f"{len(raw)} bytes")
        except (KeyError, TypeError, ValueError) as error:
            raise Unsupported(f"{self._path}: tensor {name} cannot be read: {error}") from None
        if entry["dtype"] == "F32":
            return np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)
        widened: npt.NDArray[np.uint32] = np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)
        return widened.view(np.float32).reshape(shape)
