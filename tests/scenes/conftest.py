"""The scenes every test of the drawn world looks at."""

from __future__ import annotations

import pytest

from chiasm.scenes.world import Scene, sample_scene


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """Five hundred scenes of one world."""
    return [sample_scene(seed=11, index=index) for index in range(500)]
