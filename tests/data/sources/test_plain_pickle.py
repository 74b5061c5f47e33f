"""Pickles as data: plain values come out, and nothing in a hostile one is ever called."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from chiasm.data.sources._plain_pickle import read_plain_pickle
from chiasm.errors import UserError

SHARED = ["one", 2]
PLAIN: Any = [
    {"a": 1, "b": [True, False, None, 1.5, -7, 2**70, 300, 70_000], "c": ("x", "y"), "d": ()},
    [SHARED, SHARED, (1,), (1, 2, 3), (1, 2, 3, 4)],
    {},
    "café 图",
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_out_as_they_went_in(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "v.p").write_bytes(pickle.dumps(PLAIN, protocol=protocol))
    assert read_plain_pickle(tmp_path / "v.p") == PLAIN


def test_strings_of_python_2(tmp_path: Path) -> None:
    # What Python 2 wrote for [{'sent': 'a dog', 'split': u'train', 'n': 5L}] at protocols 0 and 2.
    (tmp_path / "0.p").write_bytes(
        b"(lp0\n(dp1\nS'sent'\np2\nS'a dog'\np3\nsS'split'\np4\nVtrain\np5\nsS'n'\np6\nL5L\nsa."
    )
    (tmp_path / "2.p").write_bytes(
        b"\x80\x02]q\x00}q\x01(U\x04sentq\x02U\x05a dogU\x05splitX\x05\x00\x00\x00trainU\x01n\x8a\x01\x05ua."
    )
    for name in ("0.p", "2.p"):
        assert read_plain_pickle(tmp_path / name) == [{"sent": "a dog", "split": "train", "n": 5}]


class Calls:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_program_is_refused_by_its_instruction_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "was run"
    (tmp_path / "v.p").write_bytes(pickle.dumps([1, Calls(mark)], protocol=protocol))
    with pytest.raises(UserError, match=r"refused: it holds the pickle instruction (GLOBAL|STACK_GLOBAL)"):
        read_plain_pickle(tmp_path / "v.p")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a whole pickle"),
        (b"hello", "not a whole pickle"),
        (b"\x80\x04]", "not a whole pickle"),
        (b"].", None),
        (b"a.", "not a whole pickle"),
        (b"u.", "not a whole pickle"),
        (b"(ios\nsystem\n.", "INST"),
        (b"Pid\n.", "PERSID"),
        (b"\x82\x01.", "EXT1"),
        (b"]K\x01b.", "BUILD"),
        (b"r\xff\xff\xff\x7f.", "not a whole pickle"),
        (b"(]]d.", "not a whole pickle"),  # a list as a key
        (b"X\xff\xff\xff\x7fabc.", "not a whole pickle"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.", "not a whole pickle"),
    ],
)
def test_damaged_and_hostile_pickles(tmp_path: Path, content: bytes, says: str | None) -> None:
    (tmp_path / "v.p").write_bytes(content)
    if says is None:
        assert read_plain_pickle(tmp_path / "v.p") == []
        return
    with pytest.raises(UserError, match=says):
        read_plain_pickle(tmp_path / "v.p")
