"""Training checkpoints: everything a stopped stage needs to go on, written so that a kill at any moment loses nothing.

A checkpoint is a folder with weights, optimiser and counters as safetensors and JSON, and a record of their digests
written last; the folder gets its name by one rename. A damaged one is passed over for the one before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from chiasm.errors import UserError
from chiasm.training import generators as random_state
from chiasm.training.parallel import ALONE, World, placed_as

FORMAT = 1
_RECORD = "complete.json"


class NewerFormat(UserError):
    """A checkpoint that a newer version of chiasm wrote: not damaged, so never to be passed over."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands: `step` steps of `stage` are done, the last `in_a_row` of them without an update.

    `dropped` are the samples left out until then, as `dropped.jsonl` has them; None: of an older version, see there.
    """

    run_id: str
    stage: str
    step: int
    in_a_row: int = 0
    dropped: tuple[Mapping[str, Any], ...] | None = None


def write_atomically(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, make it durable, and give it its name. Raises `UserError`, leaving nothing.

    The folder's parent is made if need be, but not what that lies in: a run whose folder vanished must not go on as if
    nothing were.
    """
    temporary = temporary_of(folder)
    with refusals_of(folder):
        prepare(folder)
        write(temporary)
        files = sorted(path for path in temporary.iterdir() if path.is_file())
        seal(folder, made_durable(files))


def temporary_of(folder: Path) -> Path:
    """Where a folder lies while it is written."""
    return folder.with_name(f".{folder.name}.writing")


def prepare(folder: Path) -> None:
    """Make the empty temporary folder of `folder`."""
    temporary = temporary_of(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.parent.mkdir(exist_ok=True)
    temporary.mkdir()


def made_durable(files: Sequence[Path]) -> dict[str, str]:
    """Flush files to the disk; their digests by name."""
    digests = {}
    for path in files:
        digests[path.name] = _sha256(path)
        _sync(path)
    return digests


def seal(folder: Path, digests: Mapping[str, str]) -> None:
    """Record the digests of what lies in the temporary folder of `folder`, and give it its name."""
    temporary = temporary_of(folder)
    content = {"format": FORMAT, "sha256": dict(sorted(digests.items()))}
    (temporary / _RECORD).write_text(json.dumps({**content, "self": _digest_of(content)}, indent=1))
    for path in (temporary / _RECORD, temporary):
        _sync(path)
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)
    _sync(folder.parent)


@contextmanager
def refusals_of(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses while `folder` is written into a `UserError`, and leave nothing half."""
    try:
        yield
    except (OSError, SafetensorError) as error:  # safetensors wraps what the system says into its own
        shutil.rmtree(temporary_of(folder), ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot write {folder}: {reason}. What was saved before is untouched; make room and continue with --resume"
        ) from None


def check_complete(folder: Path, rank: int = 0, size: int = 1) -> None:
    """Raise `UserError` unless every file of `folder` is the one its record names.

    Of `size` processes each makes sure of its part of the files only.
    """
    try:
        record = json.loads((folder / _RECORD).read_text())
        version, digests = int(record["format"]), dict(record["sha256"])
        known = record.pop("self", None)
        if known != _digest_of(record) and (known is not None or version > FORMAT):  # older records had none
            raise ValueError("not what was written")
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(f"{folder} has no readable {_RECORD}: it was never finished, or is damaged") from None
    if version > FORMAT:
        raise NewerFormat(f"{folder} has format {version}, this version reads up to {FORMAT}: update chiasm")
    if not any(name.endswith(".safetensors") for name in digests):
        raise UserError(f"{folder}: {_RECORD} names no weights: it is damaged")
    for name, digest in sorted(digests.items())[rank::size]:
        path = folder / name
        if not path.is_file() or _sha256(path) != digest:
            raise UserError(f"{path} is missing or damaged: its content is not what was written")


def save_weights(
    folder: Path, tensors: Mapping[str, torch.Tensor], keep: Callable[[Path], None] = lambda _: None
) -> None:
    """Tensors by name as the finished folder `folder`, and in it the folders that `keep` writes."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(target: Path) -> None:
        save_file(held, target / "weights.safetensors")
        keep(target)

    write_atomically(folder, write)


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """What `save_weights` wrote."""
    check_complete(folder)
    return load_file(folder / "weights.safetensors")


def _generator_name(rank: int) -> str:
    return f"rng.{rank}" if rank else "rng"


def save_state(
    folder: Path,
    position: Position,
    trained: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    generators: Sequence[torch.Tensor] = (),
) -> None:
    """The checkpoint of a stage in progress; `generators` are those of all processes, by default of this one."""
    weights = {name: parameter.detach().cpu().contiguous() for name, parameter in trained.items()}
    moments = {_generator_name(rank): each for rank, each in enumerate(generators or [random_state.state()])}
    for name, parameter in trained.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            moments[f"{key}/{name}"] = torch.as_tensor(value).detach().cpu().contiguous()

    def write(target: Path) -> None:
        save_file(weights, target / "weights.safetensors")
        save_file(moments, target / "optimizer.safetensors")
        (target / "position.json").write_text(json.dumps(asdict(position)))

    write_atomically(folder, write)


def load_state(
    folder: Path, run_id: str, trained: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> Position:
    """Put a checkpoint back into parameters, optimiser and random state.

    Raises `UserError`, with nothing changed, when it is damaged or does not fit; `NewerFormat` when it is too new.
    """
    check_complete(folder)
    check_position(folder, run_id)
    check_parameters(folder, {name: parameter.shape for name, parameter in trained.items()})
    return put_back(folder, trained, optimizer)


def position_of(folder: Path) -> Position:
    """Where the run stood that wrote a checkpoint."""
    found = json.loads((folder / "position.json").read_text())
    dropped = found.pop("dropped", None)
    return Position(**found, dropped=None if dropped is None else tuple(dropped))


def check_position(folder: Path, run_id: str) -> None:
    """Raise `UserError` unless a checkpoint is of this run, and of the step its name says."""
    position = position_of(folder)
    if position.run_id != run_id:
        raise UserError(f"{folder} belongs to run {position.run_id}, not to this one ({run_id})")
    if folder.name != checkpoint_name(position):
        raise UserError(f"{folder} holds step {position.step} of stage '{position.stage}': it was renamed")


def check_parameters(folder: Path, expected: Mapping[str, torch.Size]) -> None:
    """Raise `UserError` with the first difference unless a checkpoint holds exactly these parameters."""
    with safe_open(folder / "weights.safetensors", "pt") as file:
        found = {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    check_shapes(found, expected, folder)


def check_finite(folder: Path, rank: int = 0, size: int = 1) -> None:
    """Raise `UserError` where a weight of a checkpoint is no number. Of `size` processes each looks at its part."""
    for path in sorted(folder.glob("*.safetensors"))[rank::size]:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                is_weight = path.name == "weights.safetensors" or name.startswith("weights/")  # of several processes
                if is_weight and not torch.isfinite(file.get_tensor(name)).all():
                    raise UserError(f"{path}: {name} holds NaN or infinity: training went wrong before it was written")


def put_back(
    folder: Path, trained: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, world: World = ALONE
) -> Position:
    """Put a checkpoint that was found whole and fitting into parameters, optimiser and random state.

    Where there are more processes than before, the new ones keep the random state they have.
    """
    weights, moments = load_file(folder / "weights.safetensors"), load_file(folder / "optimizer.safetensors")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(placed_as(parameter, weights[name]))
    generators = {key: moments.pop(key) for key in list(moments) if key.partition(".")[0] == "rng"}
    if _generator_name(world.rank) in generators:
        random_state.put_back(generators[_generator_name(world.rank)])
    by_name: dict[str, dict[str, Any]] = {}
    for key, value in moments.items():
        kind, _, name = key.partition("/")
        # Everything lies where its parameter does; a fused AdamW counts its steps there, too.
        there = value.to(trained[name].device) if kind == "step" else placed_as(trained[name], value)
        by_name.setdefault(name, {})[kind] = there
    for name, kept in by_name.items():
        optimizer.state[trained[name]] = kept
    return position_of(folder)


def check_fits(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Size], folder: Path) -> None:
    """Raise `UserError` with the first difference unless `found` has exactly the names and shapes `expected`."""
    check_shapes({name: tensor.shape for name, tensor in found.items()}, expected, folder)


def check_shapes(found: Mapping[str, torch.Size], expected: Mapping[str, torch.Size], folder: Path) -> None:
    """The same of shapes alone."""
    if wrong := sorted(set(found) ^ set(expected)):
        where = "only there" if wrong[0] in found else "missing there"
        raise UserError(
            f"{folder} holds other parameters than this recipe trains: first difference {wrong[0]}, {where}"
        )
    for name, shape in sorted(expected.items()):
        if found[name] != shape:
            raise UserError(f"{folder}: {name} is {tuple(found[name])}, this recipe's is {tuple(shape)}")


def checkpoint_name(position: Position) -> str:
    """The name of a checkpoint's folder."""
    return f"{position.stage}-{position.step:07d}"


def newest_first(folder: Path, stage: str) -> list[Path]:
    """Checkpoints of a stage, the latest step first."""
    found = [path for path in folder.glob(f"{stage}-*") if path.name.removeprefix(f"{stage}-").isdigit()]
    return sorted(found, key=lambda path: -int(path.name.rpartition("-")[2]))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Delete a checkpoint; its record goes first, so that a half-deleted one is never taken for whole."""
    (folder / _RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
