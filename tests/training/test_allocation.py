"""What is asked of the C library, and when nothing is."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from chiasm.training import allocation


class _Library:
    """Takes a block size of at most `most` bytes, as versions of glibc differ."""

    def __init__(self, most: int) -> None:
        self.asked: list[tuple[int, int]] = []
        self._most = most

    def mallopt(self, parameter: int, value: int) -> int:
        self.asked.append((parameter, value))
        return int(value <= self._most)


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


def asked_of(library: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    allocation.keep_freed_memory()
    return list(getattr(library, "asked", []))


def test_large_blocks_come_from_the_heap_and_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_of(_Library(1 << 40), monkeypatch) == [(-3, 1 << 30), (-1, -1)]


def test_an_older_library_is_asked_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_of(_Library(32 << 20), monkeypatch) == [(-3, 1 << 30), (-3, 32 << 20), (-1, -1)]


def test_one_that_takes_neither_is_left_to_adapt_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (-1, -1) not in asked_of(_Library(0), monkeypatch)


def test_who_has_told_the_library_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
    assert asked_of(_Library(1 << 40), monkeypatch) == []


@pytest.mark.parametrize("library", [object()], ids=["musl"])
def test_other_libraries_and_systems_are_left_alone(library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_of(library, monkeypatch) == []
    monkeypatch.setattr(sys, "platform", "darwin")
    assert asked_of(_Library(1 << 40), monkeypatch) == []
