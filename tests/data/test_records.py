"""Record files: what is read, what is refused with the byte where it went wrong, and how little memory it takes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.data import records as module
from chiasm.data.records import RecordFile
from chiasm.errors import UserError

_RECORDS: list[dict[str, Any]] = [
    {"id": "a", "text": "äöü 图里 🙂 \u202eRTL"},
    {"id": 2, "conversations": [{"from": "human", "value": '[]{}," \\ \n \x00'}], "none": None},
    {},
    {"float": -1.5e-7, "nested": {"a": [1, [2, [3]]]}, "yes": True},
]


def _file(folder: Path, content: bytes | str, name: str = "records.json") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _refusal(folder: Path, content: bytes | str) -> str:
    path = _file(folder, content)
    with pytest.raises(UserError) as refused:
        RecordFile(path)
    message = str(refused.value)
    assert str(path) in message
    return message


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 4 << 20])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_gives_what_json_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, bom: bytes, indent: int | None
) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)
    text = json.dumps(_RECORDS, ensure_ascii=False, indent=indent)
    file = RecordFile(_file(tmp_path, bom + f" \r\n{text}\n\t".encode()))
    assert len(file) == len(_RECORDS)
    assert [file[i] for i in (3, 0, 2, 1)] == [_RECORDS[i] for i in (3, 0, 2, 1)]
    assert list(file) == _RECORDS
    assert file.torn is None


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n \n"])
def test_json_lines_give_what_json_gives(tmp_path: Path, bom: bytes, end: str) -> None:
    text = end.join(json.dumps(record, ensure_ascii=False) for record in _RECORDS)
    file = RecordFile(_file(tmp_path, bom + text.encode()))  # the last line is whole, though without its end
    assert list(file) == _RECORDS
    assert file[1] == _RECORDS[1]
    assert file.torn is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text()), max_size=3)),
    st.integers(1, 40),
)
def test_any_list_at_any_chunk_size(tmp_path_factory: pytest.TempPathFactory, records: list[Any], chunk: int) -> None:
    path = _file(tmp_path_factory.mktemp("r"), json.dumps(records, ensure_ascii=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        assert list(RecordFile(path)) == records


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_values_that_are_no_objects_are_left_to_who_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)
    values = [{"a": 1}, 123456, [1], "text", None, -1.5e30, True, 1.25]
    assert list(RecordFile(_file(tmp_path, json.dumps(values)))) == values
    assert list(RecordFile(_file(tmp_path, _lines(values)))) == values


def test_an_empty_list_has_no_records(tmp_path: Path) -> None:
    assert len(RecordFile(_file(tmp_path, " [ \n ] "))) == 0


def test_white_space_before_a_list_may_be_long(tmp_path: Path) -> None:
    assert list(RecordFile(_file(tmp_path, " " * 10_000 + '[{"a": 1}]'))) == [{"a": 1}]


@pytest.mark.parametrize("content", [b"", b"  \n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_says_so(tmp_path: Path, content: bytes) -> None:
    assert "is empty" in _refusal(tmp_path, content)


def test_a_list_cut_off_names_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 5)
    whole = json.dumps(_RECORDS, ensure_ascii=False).encode()
    begins = [whole.index(start) for start in (b'{"id": "a"', b'{"id": 2', b"{}, {", b'{"float"')]
    for length in range(1, len(whole)):
        message = _refusal(tmp_path, whole[:length])
        inside = [begin for begin in begins if begin < length]
        # Either inside a record, whose first byte is named, or between records, where the end of the file is.
        named = {f"byte {begin} " for begin in inside[-1:]} | {f"byte {length},", f"near byte {length}"}
        assert any(place in message + " " for place in named) or "not UTF-8" in message, (length, message)


def test_characters_of_several_bytes_are_counted_in_bytes(tmp_path: Path) -> None:
    content = '[{"a": "图图图"}, {"a": }]'.encode()
    assert f"byte {content.rindex(b'{')} " in _refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"a": NaN}]', "NaN"),
        ('[{"a": -Infinity}]', "-Infinity"),
        ('{"a": 1}\n{"a": NaN}\n', "NaN"),
        ('{"a": 1}\n{"a": NaN}', "NaN"),  # whole, though without line end: damage, no torn line
        ('[{"a": 1, "b": 2, "a": 3}]', "'a' stands there twice"),
        ('{"b": {"a": 1, "a": 3}}\n', "'a' stands there twice"),
        ('[{"a": 1} {"a": 2}]', "expected ','"),
        ('[{"a": 1},]', "not JSON"),
        ('[{"a": 1}] []', "expected the end"),
        ('[{"a": 1}]\n{"a": 2}\n', "expected the end"),
        ("[] x", "expected the end"),
        ("<html>404</html>", "not JSON"),
        ('{"a": 1', "not JSON"),  # one torn line and nothing else is no data
        ('{"a": 1}\n{"a": \n{"a": 2}\n', "line 2"),
        ('{\n "a": 1\n}\n', "line 1"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: str, what: str) -> None:
    message = _refusal(tmp_path, content)
    assert what in message
    assert "byte" in message


@pytest.mark.parametrize("content", ['[{"a": "\xff"}]'.encode("latin-1"), '[{"a": 1}]'.encode("utf-16")])
def test_other_encodings_are_refused(tmp_path: Path, content: bytes) -> None:
    assert "byte" in _refusal(tmp_path, content)


@pytest.mark.parametrize("shape", ["[{deep}]", '[{{"a": {deep}}}]', '{{"a": {deep}}}\n', '{{"a": {deep}}}'])
def test_huge_nesting_is_refused(tmp_path: Path, shape: str) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    started = time.perf_counter()
    assert "byte" in _refusal(tmp_path, shape.format(deep=deep))
    assert time.perf_counter() - started < 5


def test_a_number_of_a_hundred_thousand_digits_is_refused(tmp_path: Path) -> None:
    assert "byte 1 " in _refusal(tmp_path, '[{"a": ' + "9" * 100_000 + "}]")


def test_a_torn_last_line_is_reported_and_left_out(tmp_path: Path) -> None:
    whole = _lines(_RECORDS)
    begin = len(_lines(_RECORDS[:3]).encode())
    for cut in range(begin + 1, len(whole.encode()) - 1):
        file = RecordFile(_file(tmp_path, whole.encode()[:cut]))
        assert list(file) == _RECORDS[:3]
        assert file.torn is not None
        assert "line 4" in file.torn
        assert f"byte {begin}" in file.torn


def test_one_endless_line_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RECORD", 1000)
    assert "longer than" in _refusal(tmp_path, '{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n')
    assert "byte 1 " in _refusal(tmp_path, '[{"a": "' + "x" * (9 << 20) + '"')


def test_no_file_folder_fifo_and_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, what in (
        (tmp_path / "absent.json", "No such file"),
        (tmp_path, "not a file"),
        (tmp_path / "fifo", "not a file"),
        (Path("/dev/zero"), "not a file"),
    ):
        with pytest.raises(UserError, match=what):
            RecordFile(path)


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    first, second = _file(tmp_path, '[{"a": 1}]', "1.json"), _file(tmp_path, '[{"a": 2}]', "2.json")
    assert RecordFile(first).digest() == subprocess.check_output(["sha256sum", first], text=True).split()[0]
    assert RecordFile(first).digest() != RecordFile(second).digest()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_changes_while_it_is_read_stops_the_reader(tmp_path: Path, replaced: bool) -> None:
    path = _file(tmp_path, _lines(_RECORDS))
    file = RecordFile(path)
    other = _file(tmp_path, _lines(_RECORDS[::-1] * 2), "other.json")
    other.replace(path) if replaced else path.write_bytes(other.read_bytes())
    with pytest.raises(UserError, match="changed"):
        file[3]
    with pytest.raises(UserError, match="changed"):
        list(file)


@pytest.mark.parametrize("shape", ["list", "lines"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, shape: str) -> None:
    rng = random.Random(0)
    turn = {"from": "gpt", "value": " ".join(str(rng.random()) for _ in range(300))}
    record = json.dumps({"id": "x", "image": "a/b.jpg", "conversations": [turn] * 4})
    num = (30 << 20) // len(record)
    text = "[" + ",\n".join([record] * num) + "]" if shape == "list" else (record + "\n") * num
    path = _file(tmp_path, text)
    tracemalloc.start()
    file = RecordFile(path)
    assert file[num - 1] == json.loads(record)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(file) == num
    assert peak < 20 << 20  # a few windows of 4 MB and the places of the records


def test_a_gap_of_records_is_found_without_reading_the_rest(tmp_path: Path) -> None:
    """Reading one record opens the file once and parses that record alone."""
    path = _file(tmp_path, _lines([{"n": n} for n in range(1000)]))
    file = RecordFile(path)
    assert [file[n]["n"] for n in range(999, -1, -111)] == list(range(999, -1, -111))
    with pytest.raises(IndexError):
        file[1000]


def test_reading_is_safe_from_threads(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    file = RecordFile(_file(tmp_path, json.dumps([{"n": n} for n in range(500)])))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: file[n]["n"], range(500))) == list(range(500))
