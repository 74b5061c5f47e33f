"""Steps whose loss or gradient is no number: each is left out and named, three in a row mean going back.

What is left out changes nothing, so a single broken sample costs its step. When every step breaks, it is the weights
that are near breaking: the last checkpoint may be far enough back, and if it is not, no step that follows is worth it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chiasm.errors import UserError
from chiasm.training.metrics import MetricsFile, Reporter
from chiasm.training.parallel import World
from chiasm.training.state import Position

IN_A_ROW = 3  # ours


class NotFinite:
    """Counts them for the stage `name`, in step in all processes; the first writes them to `log`.

    `called` says what people call the sample of an index.
    """

    def __init__(
        self, name: str, called: Callable[[int], str], log: MetricsFile, reporter: Reporter, world: World
    ) -> None:
        self._called = called
        self._name, self._log, self._reporter, self._world = name, log, reporter, world
        self._went_back_to: int | None = None
        self._last = ""
        self.in_a_row = 0
        """Steps left out since one was not."""

    @property
    def is_too_much(self) -> bool:
        """Whether to go back."""
        return self.in_a_row >= IN_A_ROW

    def begin(self, step: int, in_a_row: int = 0) -> None:
        """`step` steps are done, the last `in_a_row` of them without an update; later ones will be done again."""
        self.in_a_row = in_a_row
        if self._world.leads:
            self._log.forget_after(self._name, step)

    def count(self, step: int, fault: object, indices: Sequence[int]) -> dict[str, str]:
        """What came of `step`: nothing wrong (None), or for instance "loss became nan". `indices` are this process's.

        All processes call it, with the same fault. Returns the names of all samples, for the metrics.
        """
        if fault is None:
            self.in_a_row = 0
            return {}
        self.in_a_row += 1
        self._last = f"the {fault} in step {step}"
        named = [each for part in self._world.exchange([self._called(index) for index in indices]) for each in part]
        self._reporter.note(
            f"stage {self._name}: the {fault} in step {step}, which therefore changes nothing "
            f"({self.in_a_row} in a row). Its samples: {_some(named)}"
        )
        self._write(step, str(fault), named)
        return {"samples": ", ".join(named)}

    def go_back(self, step: int, to: Position | None) -> Position:
        """After `step`, with the checkpoint `to` put back. Raises `UserError` where that helps no more.

        What was left out stays in the log: it is why the run went back.
        """
        what = f"stage {self._name}: {self._last}, {self.in_a_row} steps in a row"
        advice = (
            "What was saved before is sound; lower optim.lr, or look at the samples named in skipped.jsonl of the run"
        )
        if to is None:
            raise UserError(f"{what}, and no checkpoint to go back to. {advice}")
        if to.step == self._went_back_to:
            raise UserError(f"{what}, again after going back to the checkpoint of step {to.step}. {advice}")
        self._went_back_to, self.in_a_row = to.step, to.in_a_row
        self._reporter.note(f"{what}: back to the checkpoint of step {to.step}")
        self._write(step, f"back to step {to.step}", [])
        return to

    def _write(self, step: int, what: str, samples: list[str]) -> None:
        if self._world.leads:
            self._log.write({"stage": self._name, "step": step, "what": what, "samples": ", ".join(samples)})


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
