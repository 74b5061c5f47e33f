"""The field's benchmarks: their questions as published, their scoring rules as pure functions, and reports.

Whoever answers is handed in as a `chiasm.chat.ChatModel`; nothing here knows a model, torch or the network.
"""

from __future__ import annotations

from chiasm.evals.task import Task
from chiasm.registry import Registry

REGISTRY = Registry("chiasm.evals.tasks", "task", ("TASK",))

__all__ = ["REGISTRY", "Task", "find"]


def find(name: str) -> Task:
    """The task called `name`: the `TASK` of the file of that name."""
    task = REGISTRY.find(name).module.TASK
    if not isinstance(task, Task):
        raise TypeError(f"{name}.TASK must be a chiasm.evals.task.Task, not {type(task).__name__}")
    return task
