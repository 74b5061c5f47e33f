"""Showing a synthesis job to a person: a bar on a terminal, a line now and then in a pipe, a summary at the end."""

from __future__ import annotations

import time
from typing import Any

from chiasm.synthesis.job import State

_QUIET_SECONDS = 15.0  # between lines in a pipe; ours
_REDRAW_SECONDS = 0.2


class SynthesisReporter:
    """Shows a job on standard error while it runs."""

    def __init__(self) -> None:
        from rich.console import Console

        # No markup: reasons and messages come from replies.
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar: Any = None
        self._task: Any = None
        self._began = self._last = time.monotonic()
        self._num_known = 0

    def note(self, message: str) -> None:
        """A line."""
        self._console.print(f"note: {message}", soft_wrap=True)

    def begin(self, state_size: int) -> None:
        """The bar, for so many samples."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._began = self._last = time.monotonic()
        if self._console.is_terminal:
            columns = (
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=state_size)

    def tell(self, state: State) -> None:
        """Something happened; shown if it is time."""
        now = time.monotonic()
        if now - self._last < (_REDRAW_SECONDS if self._bar is not None else _QUIET_SECONDS):
            return
        self._last = now
        if self._bar is not None:
            self._bar.update(self._task, completed=state.num_done, description=_in_short(state))
        else:
            left = self._seconds_left(state, now)
            self._console.print(f"  {state.num_done}/{state.num_items}: {_in_short(state)}{left}", soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _seconds_left(self, state: State, now: float) -> str:
        asked = state.num_replied - state.num_known  # what the journal knew took no time
        if asked <= 0:
            return ""
        left = (state.num_items - state.num_done) * (now - self._began) / asked
        return f", about {_duration(left)} left"


def summary(state: State) -> str:
    """What a job came to, in lines for people."""
    unanswered = state.unanswered.total()
    lines = [
        f"{state.num_items:,} samples of {state.num_contexts:,} pictures: {state.num_accepted:,} accepted"
        f" ({_percent(state.num_accepted, state.num_items - unanswered)} of those answered),"
        f" {state.rejected.total():,} rejected, {unanswered:,} without a reply"
    ]
    lines += [f"  {count:>8,} rejected: {reason}" for reason, count in state.rejected.most_common()]
    lines += [f"  {count:>8,} without a reply: {reason}" for reason, count in state.unanswered.most_common()]
    lines += [f"  {count:>8,} accepted after a repair: {rule}" for rule, count in state.repairs.most_common()]
    lines.append(f"bill: {state.account.bill()}")
    return "\n".join(lines)


def _in_short(state: State) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in state.rejected.most_common(3))
    bill = state.account.bill()
    tokens = bill.tally.used.num_prompt + bill.tally.used.num_answer
    text = f"{state.num_accepted} accepted, {state.rejected.total()} rejected" + (f" ({reasons})" if reasons else "")
    if unanswered := state.unanswered.total():
        text += f", {unanswered} without a reply"
    text += f", {_short(tokens)} tokens"
    return text + (f", cost {bill.total:.4f}" if bill.total is not None else "")


def _short(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
