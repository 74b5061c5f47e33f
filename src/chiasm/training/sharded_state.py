"""Training checkpoints of a model that is divided among processes: each writes what it holds, at the same time.

Through `torch.distributed.checkpoint`, as safetensors that carry their place in the whole, so that any number of
processes, also one, can read them; nothing in the files is pickled. What makes a checkpoint whole is as in `state`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.training import generators as random_state
from chiasm.training import state
from chiasm.training.parallel import World
from chiasm.training.state import Position

_WEIGHTS, _GENERATOR = "weights/", "rng"
_FILES = "shard-*.safetensors"  # the writer's names: shard-00001-model-00001-of-00001.safetensors


def is_one(folder: Path) -> bool:
    """Whether a checkpoint was written by several processes."""
    return any(folder.glob(_FILES))


def save_state(
    folder: Path,
    position: Position,
    trained: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    generators: Sequence[torch.Tensor],
    world: World,
) -> None:
    """The checkpoint of a stage in progress. All processes call it; what fails in one fails in all, as `UserError`."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    tensors: dict[str, torch.Tensor] = {f"{_WEIGHTS}{name}": p.detach() for name, p in trained.items()}
    for name, parameter in trained.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value.detach()
    tensors |= {f"{_GENERATOR}/{rank}": each for rank, each in enumerate(generators)}
    temporary = state.temporary_of(folder)

    def begin() -> None:
        state.prepare(folder)
        (temporary / "position.json").write_text(json.dumps(asdict(position)))

    with state.refusals_of(folder):
        world.from_first(begin)
        writer = HuggingFaceStorageWriter(str(temporary), save_distributed=True)
        try:
            save(tensors, storage_writer=writer, process_group=world.control)
        except CheckpointException as error:  # raised in every process, with what went wrong in each
            raise OSError(str(next(iter(error.failures.values()))[0])) from None
        mine = sorted(temporary.glob(f"shard-{world.rank + 1:05d}-*"))
        files = [*mine, temporary / "position.json"] if world.leads else mine
        found = world.exchange(state.made_durable(files))
        digests = {name: sha256 for each in found for name, sha256 in each.items()}
        world.from_first(lambda: state.seal(folder, digests))


def check_parameters(folder: Path, shapes: Mapping[str, torch.Size]) -> None:
    """Raise `UserError` with the first difference unless a checkpoint holds exactly the parameters in `shapes`."""
    found = {name.removeprefix(_WEIGHTS): size for name, size in _sizes(folder).items() if name.startswith(_WEIGHTS)}
    state.check_shapes(found, shapes, folder)


def put_back(
    folder: Path, trained: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, world: World
) -> Position:
    """Put a checkpoint that was found whole and fitting into parameters, optimiser and random state."""
    from torch.distributed.checkpoint.state_dict_loader import load

    tensors: dict[str, torch.Tensor] = {}
    moments: dict[str, dict[str, torch.Tensor]] = {}
    for key, size in _sizes(folder).items():
        kind, _, name = key.partition("/")
        if key.startswith(_WEIGHTS):
            tensors[key] = trained[name].detach()
        elif kind != _GENERATOR:
            # Moments are divided as their parameter is; a fused AdamW counts its steps where that lies.
            parameter = trained[name]
            counted = kind == "step"
            tensors[key] = torch.zeros((), device=parameter.device) if counted else torch.zeros_like(parameter)
            moments.setdefault(name, {})[kind] = tensors[key]
        elif name == str(world.rank):
            tensors[key] = torch.zeros(size, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is", UserWarning)  # one process alone is as good
        load(tensors, storage_reader=_reader(folder), process_group=world.control, no_dist=world.size == 1)
    for name, kept in moments.items():
        optimizer.state[trained[name]] = kept
    if (generator := tensors.get(f"{_GENERATOR}/{world.rank}")) is not None:
        random_state.put_back(generator)
    return state.position_of(folder)


def _sizes(folder: Path) -> dict[str, torch.Size]:
    return {name: entry.size for name, entry in _reader(folder).read_metadata().state_dict_metadata.items()}


def _reader(folder: Path) -> Any:
    try:
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    except ImportError:
        raise UserError(
            f"{folder} was written by processes that divided the model: torch {torch.__version__} cannot read it, but "
            "2.9 can"
        ) from None
    return HuggingFaceStorageReader(str(folder))
