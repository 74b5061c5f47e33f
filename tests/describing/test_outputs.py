"""Files of descriptions: what they hold, how they go on, and what they refuse."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from chiasm.describing import styles
from chiasm.describing.description import Brief, Description
from chiasm.describing.outputs import RowFile, TextFiles
from chiasm.describing.styles import Written
from chiasm.errors import UserError

BRIEF = Brief.of_style("tags", styles.find("tags"), "en", "model")
NASTY = 'He said "no",\nthen\r\n=SUM(A1) \x1b[2J 中'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, *descriptions: Description, brief: Brief = BRIEF) -> list[str]:
    with RowFile(Path(path), brief) as file:
        todo = file.todo([description.image for description in descriptions])
        for description in descriptions:
            if description.image in todo:
                file.write(description)
        return todo


def good(image: str, text: str = "fine") -> Description:
    return Description(image, Written(text, (text, "b")), "stop")


def bad(image: str) -> Description:
    return Description(image, None, "", "damaged", f"{image}: a damaged JPEG file")


def json_rows(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def csv_rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_json_lines_hold_what_was_written() -> None:
    write("o.jsonl", good("a.jpg", NASTY), bad("b.jpg"))
    first, second = json_rows("o.jsonl")
    assert first == {"image": "a.jpg", "text": NASTY, "tags": [NASTY, "b"], **BRIEF.identity, "finish_reason": "stop"}
    assert second["text"] is None
    assert (second["error"], second["message"]) == ("damaged", "b.jpg: a damaged JPEG file")
    assert b"\x1b" not in Path("o.jsonl").read_bytes()


def test_csv_is_what_a_spreadsheet_reads_and_no_formula() -> None:
    names = ["=a.jpg", "'b.jpg", 'c"\n,.jpg', "d.jpg"]
    texts = [NASTY, "=1+1", "- item", "'Twas"]
    described = [good(name, text) for name, text in zip(names, texts, strict=True)]
    assert write("o.csv", *described) == names
    rows = csv_rows("o.csv")
    assert [row["image"] for row in rows] == ["'=a.jpg", "''b.jpg", 'c"\n,.jpg', "d.jpg"]
    assert [row["text"] for row in rows] == [
        'He said "no",\nthen\n=SUM(A1) ␛[2J 中',
        "'=1+1",
        "'- item",
        "''Twas",
    ]
    assert rows[3]["tags"] == "''Twas, b"
    assert rows[3]["prompt"] == BRIEF.prompt
    assert write("o.csv", *described) == []


@pytest.mark.parametrize("path", ["o.jsonl", "o.csv"])
def test_whatever_a_kill_leaves_is_gone_on_with(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of them
    brief = Brief.of_prompt("?", "m")
    described = [good(f"{i}.jpg", f'text "{i}"\nof, lines') for i in range(3)] + [bad("3.jpg")]
    write(path, *described, brief=brief)
    whole = Path(path).read_bytes()
    for length in range(len(whole)):
        Path(path).write_bytes(whole[:length])
        write(path, *described, brief=brief)
        rows = csv_rows(path) if path == "o.csv" else json_rows(path)
        assert [row["image"] for row in rows] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"], length
    assert Path(path).read_bytes() == whole


def test_a_name_that_is_no_text_is_found_again() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    for path in ("o.jsonl", "o.csv"):
        assert write(path, good(name, "lone \ud800 half")) == [name]
        assert write(path, good(name)) == []


@pytest.mark.parametrize("path", ["o.jsonl", "o.csv"])
def test_a_picture_that_failed_is_tried_again_and_has_one_row(path: str) -> None:
    write(path, good("a.jpg"), bad("b.jpg"), bad("c.jpg"), good("d.jpg"))
    Path(path).chmod(0o640)
    assert write(path, good("a.jpg"), good("b.jpg")) == ["b.jpg"]
    rows = csv_rows(path) if path == "o.csv" else json_rows(path)
    assert [(row["image"], row["text"] or None) for row in rows] == [
        ("a.jpg", "fine"),
        ("c.jpg", None),  # not named in the second run: its row stays
        ("d.jpg", "fine"),
        ("b.jpg", "fine"),
    ]
    assert Path(path).stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in Path().iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("o.jsonl", b"precious"),
        ("o.jsonl", b'{"image": "a.jpg", "conversations": []}\n'),
        ("o.jsonl", b'{"image": "a.jpg", "conversations": []}'),
        ("o.jsonl", b"[1, 2]\n"),
        ("o.jsonl", b"\xff\xfe\n"),
        ("o.csv", b"image,text\na.jpg,hello\n"),
        ("o.csv", b"precious"),
        ("o.txt", b""),
    ],
)
def test_a_file_of_something_else_is_left_as_it_is(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(UserError, match=r"was not written by|says no format"):
        write(name, good("a.jpg"))
    assert Path(name).read_bytes() == content


@pytest.mark.parametrize("path", ["o.jsonl", "o.csv"])
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Brief.of_style("tags", styles.find("tags"), "en", "other"), "model was 'model', now 'other'"),
        (Brief.of_style("tags", styles.find("tags"), "zh", "model"), "language was 'en', now 'zh'"),
        (Brief.of_style("ocr", styles.find("ocr"), "en", "model"), "style was 'tags', now 'ocr'"),
        (Brief.of_prompt("What?", "model"), "now 'What\\?'"),
    ],
)
def test_another_brief_is_refused_with_both_named(path: str, other: Brief, said: str) -> None:
    write(path, good("a.jpg"))
    before = Path(path).read_bytes()
    with pytest.raises(UserError, match=said):
        write(path, good("b.jpg"), brief=other)
    assert Path(path).read_bytes() == before


def test_a_second_process_is_refused() -> None:
    with RowFile(Path("o.jsonl"), BRIEF) as file:
        file.write(bad("a.jpg"))
        with pytest.raises(UserError, match="another process"):
            RowFile(Path("o.jsonl"), BRIEF)
    with RowFile(Path("o.jsonl"), BRIEF) as file:
        file.todo(["a.jpg"])  # the file has been replaced: still locked
        with pytest.raises(UserError, match="another process"):
            RowFile(Path("o.jsonl"), BRIEF)


def test_folders_and_devices_are_no_files_and_links_stay_links(tmp_path: Path) -> None:
    Path("d.jsonl").mkdir()
    Path("n.jsonl").symlink_to("/dev/null")
    for name in ("d.jsonl", "n.jsonl"):
        with pytest.raises(UserError, match="is no file to write rows to"):
            RowFile(Path(name), BRIEF)
    Path("real.jsonl").write_bytes(b"")
    Path("link.jsonl").symlink_to("real.jsonl")
    write("link.jsonl", bad("a.jpg"))
    write("link.jsonl", good("a.jpg"))
    assert Path("link.jsonl").is_symlink()
    assert len(json_rows("real.jsonl")) == 1


def test_text_files_are_never_overwritten() -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        Path(name).write_bytes(b"")
    Path("a.txt").write_text("precious")
    Path("b.txt").symlink_to("nowhere")
    files = TextFiles()
    assert files.todo(["a.jpg", "b.jpg", "c.jpg", "d.jpg"]) == ["c.jpg", "d.jpg"]
    Path("c.txt").write_text("came meanwhile")
    for name in ("c.jpg", "d.jpg"):
        files.write(good(name, NASTY + "\ud800"))
    files.write(bad("e.jpg"))
    assert Path("a.txt").read_text() == "precious"
    assert Path("c.txt").read_text() == "came meanwhile"
    assert "c.txt came into being" in files.notes[0]
    assert Path("d.txt").read_bytes() == (NASTY + "?\n").encode()
    assert sorted(path.name for path in Path().iterdir()) == [
        "a.jpg",
        "a.txt",
        "b.jpg",
        "b.txt",
        "c.jpg",
        "c.txt",
        "d.jpg",
        "d.txt",
    ]
