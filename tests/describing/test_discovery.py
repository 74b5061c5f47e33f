"""Which pictures are found, and where text files beside them go."""

from __future__ import annotations

from pathlib import Path

import pytest

from chiasm.describing.discovery import Sidecars, find_pictures
from chiasm.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.jpg",
        "a.PNG",
        "z/c.webp",
        "m/n/d.tif",
        ".hidden/e.jpg",
        ".f.jpg",
        "notes.txt",
        "a.txt",
        "x[1].jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


ALL = ["a.PNG", "b.jpg", "x[1].jpg", "m/n/d.tif", "z/c.webp"]


@pytest.mark.parametrize(
    ("named", "pictures"),
    [
        (["."], ALL),
        (["z", "."], ["z/c.webp", *ALL[:4]]),
        (["./b.jpg", "b.jpg", "z/../b.jpg"], ["b.jpg", "z/../b.jpg"]),
        (["**/*.jpg"], ["b.jpg", "x[1].jpg"]),
        (["m*"], ["m/n/d.tif"]),
        (["x[1].jpg"], ["x[1].jpg"]),
        (["b.jpg", "a.txt", "a.PNG", "notes.txt"], ["b.jpg", "a.PNG", "notes.txt"]),
        ([".f.jpg", ".hidden"], [".f.jpg", ".hidden/e.jpg"]),
    ],
)
@pytest.mark.usefixtures("folder")
def test_pictures_are_found_in_order_and_once(named: list[str], pictures: list[str]) -> None:
    assert find_pictures(named).pictures == pictures


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jpg", "*.bmp"])
@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(UserError, match=r"no such file|nothing matches"):
        find_pictures(["b.jpg", name])


def test_a_folder_without_pictures_is_an_error_and_beside_others_a_note(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=r"no pictures in empty .*\.jpeg"):
        find_pictures(["empty"])
    assert "no pictures in empty" in find_pictures(["b.jpg", "empty"]).notes[0]


def test_links_are_followed_and_loops_end(folder: Path) -> None:
    (folder / "m" / "up").symlink_to("..")
    (folder / "other").symlink_to("z")
    (folder / "dangling.jpg").symlink_to("nowhere")
    found = find_pictures(["."]).pictures
    # Each folder once: `up` is the folder itself, `other` comes before `z` by name and so is the one that is entered.
    assert found == ["a.PNG", "b.jpg", "dangling.jpg", "x[1].jpg", "m/n/d.tif", "other/c.webp"]


def test_a_deep_chain_of_folders(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep = deep / "d"
        deep.mkdir()
    (deep / "a.jpg").write_bytes(b"")
    assert len(find_pictures([str(tmp_path)]).pictures) == 1


@pytest.mark.usefixtures("folder")
def test_a_text_file_has_the_pictures_name_whole_where_two_share_a_stem() -> None:
    Path("b.gif").write_bytes(b"")
    Path("plain").write_bytes(b"")
    sidecars = Sidecars()
    names = {name: str(sidecars.path(name)) for name in ("a.PNG", "b.jpg", "b.gif", "m/n/d.tif", "plain", "x.raw")}
    assert names == {
        "a.PNG": "a.txt",
        "b.jpg": "b.jpg.txt",
        "b.gif": "b.gif.txt",
        "m/n/d.tif": "m/n/d.txt",
        "plain": "plain.txt",
        "x.raw": "x.txt",
    }
