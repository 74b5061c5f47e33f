"""What TensorBoard is told, by a stand-in for its writer: the package is an extra."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chiasm.errors import UserError
from chiasm.training.metrics import Answered, Silent
from chiasm.training.run import run
from chiasm.training.tensorboard import TensorBoard
from tests.training import micro


class Writer:
    """Remembers what was written, by folder."""

    made: dict[str, Writer]

    def __init__(self, folder: str, purge_step: int) -> None:
        self.purge_step, self.closed = purge_step, False
        self.scalars: dict[str, list[tuple[int, float]]] = {}
        self.texts: dict[str, list[tuple[int, str]]] = {}
        self.pictures: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        Writer.made[folder] = self

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars.setdefault(tag, []).append((step, value))

    def add_text(self, tag: str, text: str, step: int) -> None:
        self.texts.setdefault(tag, []).append((step, text))

    def add_image(self, tag: str, pixels: Any, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.pictures.setdefault(tag, []).append((step, pixels.shape))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Writer]:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    Writer.made = {}
    return Writer.made


def test_a_run_writes_a_folder_a_stage(micro_world: Path, tmp_path: Path, writers: dict[str, Writer]) -> None:
    recorder = micro.Recorder()
    out = tmp_path / "run"
    run(micro.recipe(micro_world), out, reporter=TensorBoard(out, recorder))
    assert list(writers) == [str(out / "tensorboard" / name) for name in ("align", "instruct")]
    for name, writer in zip(("align", "instruct"), writers.values(), strict=True):
        logged = [line for line in recorder.steps if line["stage"] == name]
        assert writer.scalars["loss"] == [(line["step"], line["loss"]) for line in logged]
        assert set(writer.scalars) == set(logged[0]) - {"stage", "step", "num_steps"}
        assert writer.closed
    assert recorder.ended == {"align": "none", "instruct": "none"}  # and whoever else watches is told, too


def test_a_resumed_stage_forgets_what_will_be_done_again(tmp_path: Path, writers: dict[str, Writer]) -> None:
    board = TensorBoard(tmp_path, Silent())
    board.stage_begins("align", 9, 4, "")
    (writer,) = writers.values()
    assert writer.purge_step == 5


def test_answers_are_text_and_their_pictures_are_shown_once(
    micro_world: Path, tmp_path: Path, writers: dict[str, Writer]
) -> None:
    picture = str(micro_world / "images" / "val" / "000000.png")
    board = TensorBoard(tmp_path, Silent())
    board.stage_begins("align", 9, 0, "")
    for step in (4, 8):
        answers = [Answered("a", (picture,), "Is it?", "yes", "no"), Answered("b", ("gone.png",), "And?", "c", "d")]
        board.validated({"stage": "align", "step": step, "num_steps": 9, "loss": 2.0}, answers)
    (writer,) = writers.values()
    assert writer.scalars == {"validation/loss": [(4, 2.0), (8, 2.0)]}
    assert [step for step, _ in writer.texts["answers/a"]] == [4, 8]
    assert "expected: yes" in writer.texts["answers/a"][0][1]
    assert writer.pictures == {"pictures/a": [(4, (64, 64, 3))]}


def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'chiasm\[tensorboard\]'"):
        TensorBoard(tmp_path, Silent())
