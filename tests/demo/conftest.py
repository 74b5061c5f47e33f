"""One small demo for all tests that look at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chiasm.demo.story import Story, tell
from tests.demo import standins
from tests.training import micro


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory, micro_world: Path) -> Path:
    """The folder of the parts every demo here begins from."""
    folder = tmp_path_factory.mktemp("parts")
    standins.write_parts(folder, micro_world)
    return folder


@pytest.fixture(autouse=True)
def _small(parts: Path) -> Iterator[None]:
    """Undone after each test: those of other folders want what really comes along."""
    with standins.small_demo(parts):
        yield


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Story:
    """A finished story of a few pictures and a few steps."""
    folder = tmp_path_factory.mktemp("demo") / "told"
    with standins.small_demo(parts):
        return tell(folder, micro.Recorder(), changes=standins.STEPS, num_train=standins.NUM_TRAIN)
