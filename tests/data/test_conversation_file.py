"""Records as conversations, and what is left out of them by name and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chiasm.conversation import RecordError
from chiasm.data.conversations import ConversationFile, Dropped
from chiasm.errors import UserError

_TALK = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hi"}]


def _file(folder: Path, *records: dict[str, Any], images: Path | None = None) -> ConversationFile:
    (folder / "r.json").write_text(json.dumps(list(records)))
    return ConversationFile(folder / "r.json", images)


def test_records_without_id_are_called_by_their_place(tmp_path: Path) -> None:
    file = _file(tmp_path, {"conversations": _TALK}, {"id": 0, "conversations": _TALK}, {"id": "x"})
    assert [file.name(i) for i in range(3)] == ["#0", "0", "x"]
    assert [file[i].id for i in range(2)] == ["#0", "0"]


def test_a_name_can_always_be_written(tmp_path: Path) -> None:
    file = _file(tmp_path, {"id": "\ud800", "conversations": _TALK}, {"id": ["a", "\ud800"]})
    for index in range(2):
        file.name(index).encode("utf-8")
    with pytest.raises(RecordError, match="'id'"):
        file[0]


def test_pictures_lie_in_the_folder(tmp_path: Path) -> None:
    file = _file(tmp_path, {"image": "a/b.jpg", "conversations": _TALK}, images=tmp_path)
    assert [str(image.source) for image in file[0].images] == [str(tmp_path / "a" / "b.jpg")]


def test_lengths_in_bytes_make_chinese_and_english_alike(tmp_path: Path) -> None:
    chinese = [{"from": "human", "value": "狗呢"}, {"from": "gpt", "value": "在"}]
    file = _file(tmp_path, {"conversations": _TALK}, {"image": "a.png", "conversations": chinese}, {"id": "none"})
    assert file.text_lengths() == [7, 9, 0]
    assert file.word_lengths() == [-2, 2, -1]


def test_an_absent_folder_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.*does not exist"):
        _file(tmp_path, {"conversations": _TALK}, images=tmp_path / "nowhere")


def test_dropped_tells_those_of_one_name_apart_by_index() -> None:
    dropped = Dropped()
    assert str(dropped) == "none"
    assert dropped.add("a", 0, "missing", "no file a") == "a"
    assert dropped.add("a", 7, "missing", "no file a") == "a (#7)"
    assert dropped.add("c", 8, "too long", "long") == "c"
    assert list(dropped.named) == ["a", "a (#7)", "c"]
    assert str(dropped) == "2 missing, 1 too long"


@pytest.mark.parametrize("content", ['{"images": [], "annotations": []}', '{"id": "x"}\n', "3"])
def test_one_object_that_is_no_record_is_no_record_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(UserError, match="expected a list of records"):
        ConversationFile(tmp_path / "r.json")


def test_one_record_in_a_list_may_lack_everything(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('[{"id": "x"}]')
    assert ConversationFile(tmp_path / "r.json").name(0) == "x"
