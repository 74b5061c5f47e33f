"""One small demo for all tests that look at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chiasm.demo import story
from chiasm.demo.story import Story, tell
from tests.training import micro

CHANGES = [*micro.SIZES, *(f"stages.{stage}.steps=2" for stage in ("see", "talk", "align", "instruct"))]


@pytest.fixture(scope="package", autouse=True)
def _few_questions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "NUM_PICTURES", 6)
        yield


@pytest.fixture(scope="package")
def told(tmp_path_factory: pytest.TempPathFactory, _few_questions: None) -> Story:
    """A finished story of a few pictures and a few steps."""
    return tell(tmp_path_factory.mktemp("demo") / "told", micro.Recorder(), changes=CHANGES, num_train=40)
