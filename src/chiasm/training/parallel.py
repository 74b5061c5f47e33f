"""The processes of a run, as torchrun starts them: what one tells the others, and sums over what all of them hold.

What is told goes as JSON over gloo, so that nothing is ever unpickled; tensors go by NCCL between GPUs, by gloo between
CPUs. A run of one process is a `World` of size 1, whose every method answers at once and touches nothing. It knows
neither models nor data.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar, cast

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor

from chiasm.errors import UserError

# Ours. One process may write a large checkpoint, or wait for the lock of a cache, while the others wait for it.
PATIENCE = timedelta(hours=2)
_FAREWELL = timedelta(seconds=20)  # how long a process that fails waits for the others to hear of it; ours
_FIRST_BYTES = 16 * 1024  # of a message; longer ones take a second round. Ours
_BUCKET_BYTES = 64 * 1024 * 1024  # of a sum; ours

T = TypeVar("T")


class Told(UserError):
    """An error that every process of the run has been told: one of them shows it."""


class Lost(UserError):
    """Another process is gone: nothing more can be done together."""


class World:
    """Who else takes part: this process is number `rank` of `size`, of which `per_node` share a machine.

    `control` is the group, over gloo, through which they tell each other things.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, per_node: int = 1, control: dist.ProcessGroup | None = None
    ) -> None:
        self.rank, self.size, self.per_node = rank, size, per_node
        self.control = control

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks to people."""
        return self.rank == 0

    def exchange(self, value: Any) -> list[Any]:
        """What each process gave, in the order of their ranks; `value` is plain JSON. All must call it, in step.

        Raises `Told` in every process when one of them has failed instead.
        """
        if self.size == 1:
            return [value]
        messages = self._messages({"value": value}, PATIENCE)
        for rank, message in enumerate(messages):
            if "error" in message:
                raise Told(message["error"] if rank == 0 else f"process {rank} of {self.size}: {message['error']}")
        return [message["value"] for message in messages]

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them: plain JSON, or None. Where it fails, all do."""
        if self.size == 1:
            return make()
        return cast("T", self.exchange(make() if self.leads else None)[0])

    def fail(self, error: UserError) -> UserError:
        """Tell the others, who wait in an exchange or will come to one, that this process ends; the error to raise."""
        if self.size == 1 or isinstance(error, Told):
            return error
        # They ended themselves, or hang elsewhere: torchrun ends them with this process.
        with suppress(RuntimeError, UserError):
            messages = self._messages({"error": str(error)}, _FAREWELL)
            first = next(rank for rank, message in enumerate(messages) if "error" in message)
            return Told(str(error)) if first == self.rank else Told(messages[first]["error"])
        return error

    def check_same(self, what: str, value: str) -> None:
        """Raise `UserError` in every process when `value` is not the same in all."""
        values = self.exchange(value)
        for rank, other in enumerate(values):
            if other != values[0]:
                raise Told(
                    f"process {rank} of {self.size} has another {what} than the first ({other[:12]}, "
                    f"{values[0][:12]}): give every machine the same files and the same version"
                )

    def sum_in_order(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put into each tensor its sum over all processes, added up in the order of their ranks.

        Every process takes one part of the numbers from all the others, adds it up and hands it round: as many bytes as
        a ring takes, but an order that does not depend on a number's place. Tensors have one dtype and device, and the
        same shapes everywhere.
        """
        if self.size == 1:
            return
        # Renamed in torch 2.13.
        hand_round = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            length = flat.numel()
            flat = torch.nn.functional.pad(flat, (0, -length % self.size))
            received = torch.empty_like(flat)
            dist.all_to_all_single(received, flat)
            first, *others = received.view(self.size, -1)
            for other in others:
                first += other
            hand_round(flat, first)
            for tensor, total in zip(
                bucket, torch.split(flat[:length], [each.numel() for each in bucket]), strict=True
            ):
                tensor.copy_(total.view_as(tensor))

    def explain(self, error: RuntimeError) -> Lost | None:
        """What to say of an error of torch's where it means that another process is gone; None where it does not."""
        return self._lost(error) if isinstance(error, dist.DistError) or "gloo" in str(error) else None

    def _lost(self, error: RuntimeError) -> Lost:
        found = re.search(r"connection [a-z ]*(by|to) [a-z ]*peer|tim(ed|ing) ?out|timeout", str(error), re.IGNORECASE)
        reason = found[0] if found else str(error).partition("\n")[0][:200]
        return Lost(
            f"process {self.rank} of {self.size} lost another one ({reason}): what that one said, or torchrun says of "
            "it, is the reason. Go on with --resume"
        )

    def _messages(self, mine: Mapping[str, Any], patience: timedelta) -> list[dict[str, Any]]:
        content = json.dumps(mine).encode()
        framed = len(content).to_bytes(8, "little") + content
        found = self._gathered(framed, _FIRST_BYTES, patience)
        lengths = [int.from_bytes(each[:8], "little") for each in found]
        if 8 + max(lengths) > _FIRST_BYTES:
            found = self._gathered(framed, 8 + max(lengths), patience)
        return [json.loads(each[8 : 8 + length]) for each, length in zip(found, lengths, strict=True)]

    def _gathered(self, content: bytes, width: int, patience: timedelta) -> list[bytes]:
        mine = torch.frombuffer(bytearray(content[:width].ljust(width, b"\0")), dtype=torch.uint8)
        found = [torch.empty_like(mine) for _ in range(self.size)]
        try:
            work = dist.all_gather(found, mine, group=self.control, async_op=True)
            assert work is not None  # asynchronous, and this process belongs to the group
            work.wait(patience)
        except RuntimeError as error:
            raise self._lost(error) from None
        return [each.numpy().tobytes() for each in found]


def is_divided(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether any of these tensors is divided among processes."""
    return any(isinstance(tensor, DTensor) for tensor in tensors)


def placed_as(parameter: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """`whole`, which every process has, on the device of `parameter`, and divided where that is."""
    if not isinstance(parameter, DTensor):
        return whole.to(parameter.device)
    mesh = parameter.device_mesh
    return distribute_tensor(whole.to(mesh.device_type), mesh, parameter.placements, src_data_rank=None)


ALONE = World()
Layout = Literal["replicate", "shard", "hybrid"]


@dataclass(frozen=True, slots=True)
class Placement:
    """On which device a run computes (None: the best one here), among which processes, and what each of them holds.

    `replicate`: every process holds the whole model. `shard`: each holds a part of every weight, gradient and moment,
    and gathers a block while it computes it. `hybrid`: sharded within a machine, replicated between machines.
    """

    device: str | None = None
    world: World = ALONE
    layout: Layout = "replicate"


HERE = Placement()


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE") or 1) > 1


def leads() -> bool:
    """Whether this process is the one of those torchrun started that speaks to people."""
    return not launched() or os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str | None, layout: Layout = "replicate") -> Iterator[Placement]:
    """This process among those torchrun started, with a device of its own; alone where it started none.

    A `UserError` that leaves the block is told to the others.
    """
    if not launched():
        yield Placement(device)
        return
    place = {name: _from_environment(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    per_node = int(os.environ.get("LOCAL_WORLD_SIZE") or place["WORLD_SIZE"])
    device = _own_device(device, place["LOCAL_RANK"], per_node)
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
        world = World(place["RANK"], place["WORLD_SIZE"], per_node, control)
        try:
            yield Placement(device, world, layout)
        except UserError as error:
            raise world.fail(error) from None
        except RuntimeError as error:
            if explained := world.explain(error):
                raise explained from None
            raise
    finally:
        dist.destroy_process_group()


def _from_environment(name: str) -> int:
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        raise UserError(
            f"WORLD_SIZE says that this is one of several processes, but {name} does not say which: start them with "
            "torchrun, or unset WORLD_SIZE"
        ) from None


def _own_device(device: str | None, local_rank: int, per_node: int) -> str:
    """The device of the process `local_rank` of this machine."""
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind not in ("cpu", "cuda"):
        raise UserError(f"--device {kind}: with several processes each takes its own; say cpu or cuda, or nothing")
    if kind == "cpu":
        return kind
    if per_node > torch.cuda.device_count():
        raise UserError(
            f"{per_node} processes were started on a machine with {torch.cuda.device_count()} GPUs: start at most "
            "one for each (--nproc-per-node)"
        )
    return f"cuda:{local_rank}"


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Tensors in turn, as many at a time as `_BUCKET_BYTES` hold; a larger one alone."""
    bucket: list[torch.Tensor] = []
    held = 0
    for tensor in tensors:
        if bucket and held + tensor.nbytes > _BUCKET_BYTES:
            yield bucket
            bucket, held = [], 0
        bucket.append(tensor)
        held += tensor.nbytes
    if bucket:
        yield bucket
