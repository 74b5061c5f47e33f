"""What a run reports, for TensorBoard as well: a folder of events for each stage. Needs `chiasm[tensorboard]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import UserError
from chiasm.processing.pictures import PictureError, open_picture
from chiasm.training.metrics import Answered, Reporter

FOLDER = "tensorboard"
_NO_CURVE = ("step", "num_steps")  # they are what curves are drawn over


class TensorBoard:
    """A reporter that writes below `folder`/tensorboard and passes everything on to `other`.

    Raises `UserError` where tensorboard is not installed.
    """

    def __init__(self, folder: Path, other: Reporter) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "--tensorboard needs the package tensorboard: pip install 'chiasm[tensorboard]', or leave it out "
                "(metrics.jsonl of the run holds the same)"
            ) from None
        self._folder, self._other, self._open = folder / FOLDER, other, SummaryWriter
        self._writer: Any = None
        self._shown: set[str] = set()

    def stage_begins(self, name: str, num_steps: int, first_step: int, summary: str) -> None:
        """A folder of the stage's name; TensorBoard forgets what a killed run wrote there beyond `first_step`."""
        self._other.stage_begins(name, num_steps, first_step, summary)
        self.close()
        self._shown.clear()
        self._writer = self._open(str(self._folder / name), purge_step=first_step + 1)

    def step(self, metrics: dict[str, float | int | str]) -> None:
        """A point on every curve."""
        self._other.step(metrics)
        self._add("", metrics)

    def validated(self, metrics: dict[str, float | int | str], answers: Sequence[Answered]) -> None:
        """Points on the curves of held-out data, the answers as text, and each picture the first time it is shown."""
        self._other.validated(metrics, answers)
        self._add("validation/", metrics)
        step = int(metrics["step"])
        for each in answers:
            text = f"    {each.question}\n\n    {each.answer}\n\n    expected: {each.expected}"  # indented: no Markdown
            self._writer.add_text(f"answers/{each.id}", text, step)
            if each.images and each.id not in self._shown:
                self._shown.add(each.id)
                self._picture(f"pictures/{each.id}", each.images[0], step)

    def stage_ends(self, name: str, dropped: str) -> None:
        """The stage's events are complete."""
        self._other.stage_ends(name, dropped)
        self.close()

    def note(self, message: str) -> None:
        """For people only."""
        self._other.note(message)

    def close(self) -> None:
        """Write what is still waiting to be written."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, prefix: str, metrics: dict[str, float | int | str]) -> None:
        for name, value in metrics.items():
            if name not in _NO_CURVE and isinstance(value, int | float):
                self._writer.add_scalar(prefix + name, value, int(metrics["step"]))

    def _picture(self, name: str, path: str, step: int) -> None:
        try:
            picture = open_picture(Path(path)).convert("RGB")
        except PictureError:
            return  # its record was named as unusable
        self._writer.add_image(name, np.asarray(picture), step, dataformats="HWC")
