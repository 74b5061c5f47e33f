"""One small demo for all tests that look at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chiasm.demo.story import Story, tell
from tests.demo import standins
from tests.training import micro


@pytest.fixture(autouse=True)
def _small(demo_parts: Path) -> Iterator[None]:
    """Undone after each test: those of other folders want what really comes along."""
    with standins.small_demo(demo_parts):
        yield


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory, demo_parts: Path) -> Story:
    """A finished story of a few pictures and a few steps."""
    folder = tmp_path_factory.mktemp("demo") / "told"
    with standins.small_demo(demo_parts):
        return tell(folder, micro.Recorder(), changes=standins.STEPS, num_train=standins.NUM_TRAIN)
