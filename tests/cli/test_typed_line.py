"""Which pictures a typed line names."""

from __future__ import annotations

from pathlib import Path

import pytest

from chiasm.cli.typed_line import TypedLine, read_line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("cat.jpg", "my cat.PNG", "it's.png", "a.b.jpeg"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "text", "pictures"),
    [
        ("What is this? cat.jpg", "What is this?", ["cat.jpg"]),
        ("cat.jpg what is this?", "what is this?", ["cat.jpg"]),
        ("What is in cat.jpg?", "What is in?", ["cat.jpg"]),
        ("cat.jpg", "", ["cat.jpg"]),
        ("compare 'cat.jpg' and \"my cat.PNG\"", "compare and", ["cat.jpg", "my cat.PNG"]),
        ("'my cat.PNG' who?", "who?", ["my cat.PNG"]),
        ("my\\ cat.PNG who?", "who?", ["my cat.PNG"]),
        ("who is my cat.PNG", "who is", ["my cat.PNG"]),
        ("it's.png, please", ", please", ["it's.png"]),
        ("it's a dog. a.b.jpeg", "it's a dog.", ["a.b.jpeg"]),
        ('./cat.jpg "cat.jpg"', "", ["cat.jpg", "cat.jpg"]),
        ("no picture at all", "no picture at all", []),
        ("is jpg better than .png?", "is jpg better than .png?", []),
    ],
)
@pytest.mark.usefixtures("folder")
def test_paths_are_taken_out_of_the_text(line: str, text: str, pictures: list[str]) -> None:
    found = read_line(line)
    assert (found.text, list(found.pictures)) == (text, pictures)


def test_home_and_file_addresses(folder: Path) -> None:
    assert read_line("~/cat.jpg hm").pictures == (str(folder / "cat.jpg"),)
    assert read_line(f"file://{folder}/my%20cat.PNG hm").pictures == (str(folder / "my cat.PNG"),)


@pytest.mark.usefixtures("folder")
def test_dropped_files_as_terminals_write_them(folder: Path) -> None:
    assert read_line(f"'{folder}/it'\\''s.png' who?") == TypedLine("who?", (f"{folder}/it's.png",), ())
    assert read_line(f"file://localhost{folder}/cat.jpg").pictures == (f"{folder}/cat.jpg",)
    dropped = f"'{folder}/cat.jpg' file://{folder}/my%20cat.PNG {folder}/my\\ cat.PNG "
    assert read_line(dropped).pictures == (f"{folder}/cat.jpg", *(f"{folder}/my cat.PNG",) * 2)


@pytest.mark.parametrize(
    ("line", "text", "pictures"),
    [
        ("what is https://a.b/c.jpg?", "what is?", ["https://a.b/c.jpg"]),
        ("https://a.b/c.jpg?w=1&h=2 this?", "this?", ["https://a.b/c.jpg?w=1&h=2"]),
        ("'https://a.b/c.PNG' and cat.jpg", "and", ["https://a.b/c.PNG", "cat.jpg"]),
        ("cat.jpg (https://a.b/c.webp), hm", "( ), hm", ["cat.jpg", "https://a.b/c.webp"]),
        ("see https://a.b/page and http://a.b/c.jpg", "see https://a.b/page and http://a.b/c.jpg", []),
        ("https://a.b/c.jpg/page?x=d.png", "https://a.b/c.jpg/page?x=d.png", []),
        ("https://no.no/c.jpg cat.jpg", "https://no.no/c.jpg", ["cat.jpg"]),
        ("https://a.b/cat.jpg.html x", "https://a.b/cat.jpg.html x", []),
    ],
)
@pytest.mark.usefixtures("folder")
def test_addresses_of_pictures(line: str, text: str, pictures: list[str]) -> None:
    found = read_line(line, lambda address: "no.no" not in address)
    assert (found.text, list(found.pictures), found.missing) == (text, pictures, ())
    assert not [each for each in read_line(line).pictures if "://" in each]


@pytest.mark.usefixtures("folder")
def test_what_only_looks_like_a_picture_stays_text_and_is_named() -> None:
    assert read_line("who is in 'dog.jpg'?") == TypedLine("who is in 'dog.jpg'?", (), ("dog.jpg",))
    assert read_line("cat.jpg or dog.jpg") == TypedLine("or dog.jpg", ("cat.jpg",), ("dog.jpg",))
    assert read_line("cat.jpgs and x.jpg/y") == TypedLine("cat.jpgs and x.jpg/y", (), ())
    long = "a" * 5000 + ".jpg"
    assert read_line(long).missing == (long,)
    assert read_line("zero\0byte.jpg").pictures == ()
