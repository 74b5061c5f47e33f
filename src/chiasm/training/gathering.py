"""What the processes of a run hold, put together for losses that compare every sample with every other one.

Each process then computes the same whole loss, and follows it back to the rows that are its own: gradients added up
over the processes, as the loop does, are those of one process, and no gradient has to travel twice. It knows no losses.
"""

from __future__ import annotations

import torch
import torch.distributed as dist


def num_processes() -> int:
    """How many compute together; 1 where nothing was started in common."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return dist.get_rank() if num_processes() > 1 else 0


def of_first(parameter: torch.Tensor) -> torch.Tensor:
    """A parameter all processes hold alike, followed back in the first alone: its gradient is then not summed twice."""
    return parameter if rank() == 0 else parameter.detach()


def gathered(rows: torch.Tensor) -> torch.Tensor:
    """The rows of all processes, in the order of their ranks; this one's own keep their graph. All must call it.

    Processes may hold different numbers of rows, of one width and type.
    """
    size = num_processes()
    if size == 1:
        return rows
    counts = [torch.empty(1, dtype=torch.int64, device=rows.device) for _ in range(size)]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    lengths = [int(count) for count in counts]
    padded = rows.new_zeros(max(lengths), *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    found = [torch.empty_like(padded) for _ in range(size)]
    dist.all_gather(found, padded)
    found = [each[:length] for each, length in zip(found, lengths, strict=True)]
    found[rank()] = rows
    return torch.cat(found)


def offset(num_rows: int, device: torch.device) -> int:
    """How many rows stand before this process's own among the gathered ones. All must call it."""
    size = num_processes()
    if size == 1:
        return 0
    counts = [torch.empty(1, dtype=torch.int64, device=device) for _ in range(size)]
    dist.all_gather(counts, torch.tensor([num_rows], device=device))
    return sum(int(count) for count in counts[: rank()])


def widest(width: int, device: torch.device) -> int:
    """The largest of all processes' numbers. All must call it."""
    if num_processes() == 1:
        return width
    found = torch.tensor(width, device=device)
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return int(found)
