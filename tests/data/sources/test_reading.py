"""Reading big files entry by entry, and gathering on disk."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from chiasm.data import sources
from chiasm.data.sources._grouping import Groups
from chiasm.data.sources._reading import listed, members, sections
from chiasm.errors import UserError


def test_sections_pass_over_what_is_not_wanted(tmp_path: Path) -> None:
    value = {"info": {"a": [1]}, "images": [{"id": 1}], "annotations": [{"id": 2}, 3], "licenses": [], "last": "x"}
    (tmp_path / "v.json").write_text(json.dumps(value, indent=2))
    found = list(sections(tmp_path / "v.json", "annotations", "images"))
    assert found == [("images", {"id": 1}), ("annotations", {"id": 2}), ("annotations", 3)]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_gzip_is_read_as_it_is(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"v.json{ending}"
    content = b' \n{"a" : 1,\t"b": [2]} '
    path.write_bytes(gzip.compress(content) if ending else content)
    assert list(members(path)) == [("a", 1), ("b", [2])]


@pytest.mark.parametrize("cut", [5, 25, 40])
def test_torn_gzip_is_told(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress(json.dumps([{"number": n} for n in range(50)]).encode())
    (tmp_path / "v.json.gz").write_bytes(whole[:cut])
    with pytest.raises(UserError, match=r"v\.json\.gz"):
        list(listed(tmp_path / "v.json.gz"))


def test_the_file_is_found_packed(tmp_path: Path) -> None:
    (tmp_path / "gqa").mkdir()
    (tmp_path / "gqa" / "train_balanced_questions.json.gz").write_bytes(gzip.compress(b"{}"))
    assert sources.locate(sources.find("gqa"), tmp_path, {})["questions"].name == "train_balanced_questions.json.gz"


def test_groups_come_out_in_order_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with Groups() as groups:
        for place in range(25_000):
            groups.add(place % 7, -place, place)
        groups.add("text", 0, {"图": [1]})
        found = dict(groups)
    assert list(found) == [0, 1, 2, 3, 4, 5, 6, "text"]
    assert found[3] == sorted((n for n in range(25_000) if n % 7 == 3), reverse=True)
    assert found["text"] == [{"图": [1]}]
    assert list(tmp_path.iterdir()) == []
