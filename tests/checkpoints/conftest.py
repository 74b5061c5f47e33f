from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from chiasm import checkpoints
from tests.checkpoints import tiny


@pytest.fixture(scope="session")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    model, processor = tiny.model(), tiny.processor()
    checkpoints.save(root / "hf", model, processor)
    checkpoints.save(root / "original", model, processor, layout="original")
    return root


@pytest.fixture
def hf(_written: Path, tmp_path: Path) -> Path:
    """A checkpoint of the tiny model in the Hugging Face layout, the test's own copy."""
    return Path(shutil.copytree(_written / "hf", tmp_path / "given-hf"))


@pytest.fixture
def original(_written: Path, tmp_path: Path) -> Path:
    """The same in the original layout, tower inside."""
    return Path(shutil.copytree(_written / "original", tmp_path / "given-original"))


@pytest.fixture
def original_without_tower(original: Path) -> Path:
    """The same as it usually is published: the tower in a folder beside the checkpoint, a connector of its own."""
    prefix = "model.vision_tower.vision_tower."
    tensors = load_file(original / "model.safetensors")
    tower = {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}
    beside = original.parent / "tiny-clip"
    (original / "vision_tower").rename(beside)
    save_file(tower, beside / "model.safetensors", {"format": "pt"})
    save_file(tensors, original / "model.safetensors", {"format": "pt"})
    tiny.edit(original / "config.json", mm_vision_tower="tiny-clip")
    (original / "processor.json").unlink()
    return original
