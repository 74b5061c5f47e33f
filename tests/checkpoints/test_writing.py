"""A folder is written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from chiasm import checkpoints
from chiasm.checkpoints import shards
from chiasm.checkpoints.tensors import read_folder
from chiasm.errors import UserError
from tests.checkpoints import tiny


def test_the_manifest_lists_every_file(hf: Path) -> None:
    manifest = json.loads((hf / "manifest.json").read_text())
    names = {path.relative_to(hf).as_posix() for path in hf.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == names - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256((hf / name).read_bytes()).hexdigest()
        assert entry["bytes"] == (hf / name).stat().st_size
    assert manifest["format"] == 1


def test_provenance_goes_into_the_manifest(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "out", tiny.model(), tiny.processor(), provenance={"recipe": "tiny"})
    loaded = checkpoints.load(tmp_path / "out")
    assert loaded.manifest is not None
    assert loaded.manifest["provenance"] == {"recipe": "tiny"}
    assert loaded.manifest["num_tensors"] == len(list(tiny.model().named_parameters()))


def test_nothing_is_overwritten(hf: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    checkpoints.convert(hf, tmp_path / "empty", to="original")
    before = sorted((tmp_path / "empty").rglob("*"))
    with pytest.raises(UserError, match="exists already"):
        checkpoints.convert(hf, tmp_path / "empty", to="hf")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        checkpoints.save(tmp_path / "file", tiny.model(), tiny.processor())
    assert sorted((tmp_path / "empty").rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("after", [0.01, 0.5, 0.99])
def test_a_full_disk_leaves_nothing_behind(after: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = tiny.model(), tiny.processor()
    checkpoints.save(tmp_path / "before", model, processor)
    there = sorted(tmp_path.iterdir())
    total = sum(tensor.num_bytes for tensor in read_folder(tmp_path / "before").values())
    room = [int(total * after)]
    write = shards.write_shard

    def limited(path: Path, tensors: Any, written: Any = lambda _: None) -> str:
        def count(num_bytes: int) -> None:
            room[0] -= num_bytes
            if room[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written(num_bytes)

        return write(path, tensors, count)

    monkeypatch.setattr(shards, "write_shard", limited)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save(tmp_path / "out", model, processor)
    assert sorted(tmp_path.iterdir()) == there
    checkpoints.load(tmp_path / "before")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match="could not be written"):
        checkpoints.save(tmp_path / "file" / "out", tiny.model(), tiny.processor())


def test_an_interrupted_save_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(tmp_path / "out", tiny.model(), tiny.processor())
    assert list(tmp_path.iterdir()) == []


def test_a_processor_of_another_model_is_misuse(tmp_path: Path, hf: Path) -> None:
    with pytest.raises(ValueError, match="-200"):
        checkpoints.save(tmp_path / "out", tiny.model(), checkpoints.load(hf).processor)
