"""What a run reports while it works: a line of JSON a step, and a person's view of it through a `Reporter`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Answered:
    """What the model answered to a held-out question, and what was expected; pictures are paths."""

    id: str
    images: tuple[str, ...]
    question: str
    expected: str
    answer: str


class Reporter(Protocol):
    """Whoever shows a run to a person: the command line, the demo, nobody."""

    def stage_begins(self, name: str, num_steps: int, first_step: int, summary: str) -> None:
        """`summary` says what trains and what is frozen."""
        ...

    def step(self, metrics: dict[str, float | int | str]) -> None:
        """Called after every optimiser step; a step whose samples were all unusable has no `loss`."""
        ...

    def validated(self, metrics: dict[str, float | int | str], answers: Sequence[Answered]) -> None:
        """Called after every look at held-out data; no `loss` where none of it could be used."""
        ...

    def stage_ends(self, name: str, dropped: str) -> None:
        """`dropped` counts unusable samples by reason."""
        ...

    def note(self, message: str) -> None:
        """Something a person should know."""
        ...


class Silent:
    """A reporter that says nothing."""

    def stage_begins(self, name: str, num_steps: int, first_step: int, summary: str) -> None:
        """Nothing."""

    def step(self, metrics: dict[str, float | int | str]) -> None:
        """Nothing."""

    def validated(self, metrics: dict[str, float | int | str], answers: Sequence[Answered]) -> None:
        """Nothing."""

    def stage_ends(self, name: str, dropped: str) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""


class MetricsFile:
    """JSON lines that each carry a `stage` and a `step`. A full disk costs the log, not the run: one warning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broken = False

    def write(self, line: Mapping[str, object]) -> None:
        """One line."""
        if self._broken:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            self._warn(error)

    def forget_after(self, stage: str, step: int) -> list[dict[str, Any]]:
        """Leave out what a killed run logged of `stage` beyond `step`: those steps will be done again.

        Returns the lines of `stage` that are kept.
        """
        if not self._path.is_file():
            return []
        kept: list[str] = []
        found = []
        try:
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    logged = json.loads(line)
                    stays = logged["stage"] != stage or logged["step"] <= step
                except (ValueError, TypeError, KeyError):
                    continue  # the torn last line of a killed run
                if stays:
                    kept.append(line + "\n")
                    found += [logged] if logged["stage"] == stage else []
            temporary = self._path.with_name(f".{self._path.name}.writing")
            temporary.write_text("".join(kept), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:
            self._warn(error)
        return found

    def _warn(self, error: OSError) -> None:
        self._broken = True
        print(f"warning: {self._path} cannot be written ({error.strerror}); training goes on", file=sys.stderr)
