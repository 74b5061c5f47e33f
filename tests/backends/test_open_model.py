"""Opening a model by name says what it looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import chiasm
from chiasm.backends import open_model
from chiasm.errors import UserError


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_name_the_demo_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"runs/demo/final.*-m FOLDER.*chiasm demo"):
        chiasm.load()


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_said_to_be_empty(name: str) -> None:
    with pytest.raises(UserError, match="name of the model is empty"):
        chiasm.load(name)


@pytest.mark.parametrize("name", ["nowhere", "./no/such/folder", "/no/such/folder", "a/b/c"])
def test_no_such_folder(name: str) -> None:
    with pytest.raises(UserError, match=name):
        open_model(name)


def test_a_hub_name_that_cannot_be_had_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no route to host\nsecond line")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(UserError, match=r"someone/something.*no route to host"):
        open_model("someone/something")


def test_a_folder_is_taken_before_the_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[object] = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: asked.append(name))
    Path("someone/something").mkdir(parents=True)
    with pytest.raises(UserError, match=r"someone/something"):  # it holds no checkpoint
        open_model("someone/something")
    assert not asked


def test_misspelt_dtype_and_absent_device(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no dtype 'fp8'.*bfloat16"):
        open_model(str(tmp_path), dtype="fp8")
    with pytest.raises(UserError, match="device 'nonsense' cannot be used here"):
        open_model(str(tmp_path), device="nonsense")
