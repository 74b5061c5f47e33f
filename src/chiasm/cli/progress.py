"""Showing a run to a person: a bar on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chiasm.training.metrics import Answered

_QUIET_SECONDS = 15.0  # between lines in a pipe; ours
_ANSWERS_SHOWN = 2  # of a look at held-out data; ours, all are in the run's answers.jsonl


def let_other_programs_run() -> None:
    """Make waiting threads of torch sleep rather than spin; to be called before torch is imported.

    Training shares its cores with threads that open pictures, and with whatever else the machine does. Spinning, a step
    of the demo took ten times as long beside one busy program on two cores; sleeping costs some 5 % on an idle machine.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class RunReporter:
    """Shows training on standard error. Implements `chiasm.training.metrics.Reporter`."""

    def __init__(self) -> None:
        from rich.console import Console

        # No markup: names and reasons come from data.
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar: Any = None
        self._task: Any = None
        self._last_line = 0.0
        self._smooth: float | None = None

    def stage_begins(self, name: str, num_steps: int, first_step: int, summary: str) -> None:
        """The table of what trains, then a bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console.print(f"stage {name}" + (f" (from step {first_step})" if first_step else ""), style="bold")
        self._console.print("  " + summary.replace("\n", "\n  "), style="dim", soft_wrap=True)
        self._smooth, self._last_line = None, time.monotonic()
        if self._console.is_terminal:
            columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("loss -", total=num_steps, completed=first_step)

    def step(self, metrics: dict[str, float | int | str]) -> None:
        """Advance the bar with a smoothed loss; in a pipe a line every few seconds."""
        if "loss" in metrics:
            loss = float(metrics["loss"])
            self._smooth = loss if self._smooth is None else 0.9 * self._smooth + 0.1 * loss
        shown = "loss -" if self._smooth is None else f"loss {self._smooth:.3f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=metrics["step"], description=shown)
        elif time.monotonic() - self._last_line > _QUIET_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(f"  step {metrics['step']}/{metrics['num_steps']} {shown}")

    def validated(self, metrics: dict[str, float | int | str], answers: Sequence[Answered]) -> None:
        """The loss on held-out data, and what the model answered there."""
        loss = f"loss {metrics['loss']:.3f}" if "loss" in metrics else "no loss"
        self._console.print(f"  step {metrics['step']}/{metrics['num_steps']}: {loss} on held-out data")
        for each in answers[:_ANSWERS_SHOWN]:
            line = f"    {each.question!r}: {each.answer!r}, expected {each.expected!r}"
            self._console.print(line, style="dim", overflow="ellipsis", no_wrap=True)

    def stage_ends(self, name: str, dropped: str) -> None:
        """The last loss, and what was left out."""
        self.close()
        loss = "no step" if self._smooth is None else f"loss {self._smooth:.3f}"
        self._console.print(f"  done, {loss}; samples left out: {dropped}")

    def note(self, message: str) -> None:
        """A line."""
        self._console.print(f"note: {message}", soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing in a pipe; yields the function that advances it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
