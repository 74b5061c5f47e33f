"""Features on disk: found again bit by bit, whatever happened to the files and whoever else writes."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from chiasm.data.features import Damaged, FeatureStore
from chiasm.errors import UserError
from chiasm.processing.images import ImageLayout

LAYOUT = ImageLayout(2, 1, 3)
KEY = {"tower": "a", "images": {"policy": "pad"}}


def store(root: Path, key: dict[str, Any] = KEY, dtype: torch.dtype = torch.bfloat16) -> FeatureStore:
    return FeatureStore(root, key, 4, dtype)


def made(number: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(number)).to(dtype)


def fill(target: FeatureStore, *numbers: int) -> None:
    with target.writing(lambda: None) as add:
        for number in numbers:
            add(f"d{number}", LAYOUT, made(number))


def shards(target: FeatureStore) -> list[Path]:
    return sorted(target.folder.glob("*.features"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_what_was_kept_is_read_by_another_process(tmp_path: Path, dtype: torch.dtype) -> None:
    first = store(tmp_path, dtype=dtype)
    assert "d1" not in first
    with first.writing(lambda: None) as add:
        add("d1", LAYOUT, made(1, dtype))
    for reader in (first, store(tmp_path, dtype=dtype)):
        assert len(reader) == 1
        assert reader.layout("d1") == LAYOUT
        assert torch.equal(reader.read("d1"), made(1, dtype))
        assert reader.num_bytes(LAYOUT) == 2 * 3 * 4 * dtype.itemsize == reader.stored_bytes()


def test_another_key_never_reads_it(tmp_path: Path) -> None:
    fill(store(tmp_path), 1)
    assert len(store(tmp_path)) == 1
    for other in ({**KEY, "tower": "b"}, {**KEY, "images": {"policy": "square"}}):
        assert len(store(tmp_path, other)) == 0
    assert len(store(tmp_path, dtype=torch.float32)) == 0
    assert len(FeatureStore(tmp_path, KEY, 8, torch.bfloat16)) == 0


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "list cut", "list gone"])
def test_damage_is_noticed_and_written_anew(tmp_path: Path, damage: str) -> None:
    fill(store(tmp_path), 1, 2, 3)
    (path,) = shards(store(tmp_path))
    if damage == "flip":
        content = bytearray(path.read_bytes())
        content[50] ^= 1  # in the second picture: 48 bytes each
        path.write_bytes(content)
    elif damage == "cut":
        os.truncate(path, 100)
    elif damage == "gone":
        path.unlink()
    elif damage == "list cut":
        os.truncate(path.with_suffix(".json"), 30)
    else:
        path.with_suffix(".json").unlink()
    after = store(tmp_path)
    lost = {"flip": {2}, "cut": {3}}.get(damage, {1, 2, 3})
    if damage == "flip":
        with pytest.raises(Damaged, match="no longer holds"):
            after.read("d2")
    assert {n for n in (1, 2, 3) if not after.sound(f"d{n}")} == lost
    fill(after, *lost)
    for reader in (after, store(tmp_path)):
        for number in (1, 2, 3):
            assert torch.equal(reader.read(f"d{number}"), made(number))


def test_what_was_added_before_an_error_stays(tmp_path: Path) -> None:
    def stopped() -> None:
        with store(tmp_path).writing(lambda: None) as add:
            add("d1", LAYOUT, made(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert torch.equal(store(tmp_path).read("d1"), made(1))


def test_an_unfinished_shard_is_tidied_away(tmp_path: Path) -> None:
    fill(store(tmp_path), 1)
    target = store(tmp_path)
    half = target.folder / "0123456789abcdef.features"
    half.write_bytes(b"torn")
    fill(target, 2)
    assert not half.exists()
    assert len(store(tmp_path)) == 2


def test_features_of_another_kind_are_refused(tmp_path: Path) -> None:
    with store(tmp_path).writing(lambda: None) as add:
        with pytest.raises(ValueError, match=r"expected \(2, 3, 4\)"):
            add("d", LAYOUT, torch.zeros(1, 3, 4, dtype=torch.bfloat16))
        with pytest.raises(ValueError, match="float32"):
            add("d", LAYOUT, torch.zeros(2, 3, 4))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"cannot be kept.*--cache-dir"),
        store(tmp_path / "file").writing(lambda: None),
    ):
        pass


def _write_some(root: Path, numbers: list[int]) -> None:
    target = store(root)
    with target.writing(lambda: None) as add:
        for number in numbers:
            if f"d{number}" not in target:
                add(f"d{number}", LAYOUT, made(number))


def test_processes_at_once_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_some, args=(tmp_path, list(range(n, n + 20)))) for n in (0, 10)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    target = store(tmp_path)
    assert len(target) == 30
    assert target.stored_bytes() == 30 * target.num_bytes(LAYOUT)
    for number in range(30):
        assert torch.equal(target.read(f"d{number}"), made(number))
