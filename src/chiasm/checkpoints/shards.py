"""Writing safetensors shard by shard, tensor by tensor: at most one tensor is in memory at a time.

`safetensors.torch.save_file` wants all tensors of a file at once. The format is small enough to stream: eight bytes of
header length, a JSON header with every offset, then the values (https://huggingface.co/docs/safetensors). Digests are
made from the bytes on their way, so the file is never read again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from chiasm.checkpoints.json_files import write_json
from chiasm.checkpoints.tensors import DTYPES, INTEGERS, Stored

_NAMES = {dtype: name for name, dtype in {**DTYPES, **INTEGERS, "BOOL": torch.bool}.items()}


def plan(tensors: Mapping[str, Stored], max_shard_bytes: int) -> dict[str, dict[str, Stored]]:
    """File name -> its tensors, in order, each file at most `max_shard_bytes` unless a single tensor is larger."""
    shards: list[dict[str, Stored]] = [{}]
    room = max_shard_bytes
    for name, tensor in tensors.items():
        if shards[-1] and tensor.num_bytes > room:
            shards.append({})
            room = max_shard_bytes
        shards[-1][name] = tensor
        room -= tensor.num_bytes
    if len(shards) == 1:
        return {"model.safetensors": shards[0]}
    return {f"model-{i:05}-of-{len(shards):05}.safetensors": shard for i, shard in enumerate(shards, 1)}


def index(shards: Mapping[str, Mapping[str, Stored]]) -> bytes:
    """`model.safetensors.index.json`: which file holds which tensor."""
    total = sum(tensor.num_bytes for shard in shards.values() for tensor in shard.values())
    weight_map = {name: file for file, shard in shards.items() for name in shard}
    return write_json({"metadata": {"total_size": total}, "weight_map": weight_map})


def write_shard(path: Path, tensors: Mapping[str, Stored], written: Callable[[int], None] = lambda _: None) -> str:
    """Write one file, flushed to the disk, and return its SHA-256; `written` is told the bytes of every tensor."""
    # Wider values first, as the library lays them out: then every tensor is aligned to its own dtype.
    ordered = dict(sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize))
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def put(data: bytes | memoryview) -> None:
            file.write(data)
            digest.update(data)

        header = _header(ordered)
        put(len(header).to_bytes(8, "little"))
        put(header)
        for name, stored in ordered.items():
            tensor = stored.read()
            if tuple(tensor.shape) != stored.shape or tensor.dtype != stored.dtype:
                raise ValueError(f"{name} was announced as {stored.shape} {stored.dtype} and is {tensor.shape}")
            put(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            written(stored.num_bytes)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _header(tensors: Mapping[str, Stored]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + tensor.num_bytes
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)  # the values begin at a multiple of eight
