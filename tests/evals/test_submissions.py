from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.evals.submissions import read_submission, write_submission


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_submission(tmp_path / "new" / "file.json", [{"id": 1, "answer": "猫"}, {"id": "2", "answer": ""}])
    assert json.loads(path.read_text("utf-8")) == [{"id": 1, "answer": "猫"}, {"id": "2", "answer": ""}]
    assert read_submission(path, "id", "answer") == {"1": "猫", "2": ""}
    assert [each.name for each in path.parent.iterdir()] == ["file.json"], "no half of a file is left"


def test_other_files_are_somebody_elses(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question_id": 1, "text": "yes"}\n')
    assert read_submission(path, "question_id", "answer") is None
    assert read_submission(tmp_path, "question_id", "answer") is None
    path.write_text('[{"question_id": 1, "text": "yes"}]')
    assert read_submission(path, "question_id", "answer") is None


def test_broken_records_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    records = [{"id": 1, "answer": "a"}, {"id": 1, "answer": "b"}, {"id": 2}, {"id": True, "answer": "c"}, 7]
    path.write_text(json.dumps(records))
    with pytest.raises(UserError, match=r"3 of 5 records lack id or answer \(first: 2\).*1 are second answers"):
        read_submission(path, "id", "answer")
