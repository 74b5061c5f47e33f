"""One small demo for all tests that look at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chiasm.demo.story import Story, tell
from tests.demo import standins
from tests.training import micro


@pytest.fixture(scope="package", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory, micro_world: Path) -> Iterator[Path]:
    """The folder of the parts every demo here begins from."""
    parts = tmp_path_factory.mktemp("parts")
    standins.write_parts(parts, micro_world)
    with standins.small_demo(parts):
        yield parts


@pytest.fixture(scope="package")
def told(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Story:
    """A finished story of a few pictures and a few steps."""
    folder = tmp_path_factory.mktemp("demo") / "told"
    return tell(folder, micro.Recorder(), changes=standins.STEPS, num_train=standins.NUM_TRAIN)
