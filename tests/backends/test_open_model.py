"""Opening a model by name says what it looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import chiasm
from chiasm import bundled
from chiasm.backends import open_model
from chiasm.errors import UserError


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_name_the_bundled_assistant_is_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UserError, match=r"no weights in .*assistant.*-m FOLDER"):
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


# ---- whoever is asked elsewhere ----------------------------------------------------------------------------------


def test_a_server_and_a_batch_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked = open_model("openai:some/name", base_url="http://127.0.0.1:8000/v1")
    assert repr(asked) == "OpenAIChatModel('some/name', base_url='http://127.0.0.1:8000/v1')"
    Path("key").write_text("sk-test\n")
    assert "api.openai.com" in repr(open_model("openai:gpt-x", api_key_file="key"))
    assert repr(open_model("batchfile:Some/Name")) == "BatchFileChatModel('runs/batches/Some--Name', 'Some/Name')"
    assert repr(open_model("batchfile:m", folder="job/batch")) == "BatchFileChatModel('job/batch', 'm')"
    assert not Path("job").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("openai:", {"base_url": "http://127.0.0.1/v1"}, "openai:NAME"),
        ("openai:gpt-x", {"dtype": "float32"}, "--dtype cannot be used here: openai:gpt-x is no local model"),
        ("batchfile:m", {"template": "plain", "device": "cpu"}, "--device, --template cannot be used"),
        ("batchfile:m", {"base_url": "http://127.0.0.1/v1"}, "--base-url cannot be used here"),
        ("some/folder", {"api_key_file": "key"}, "--api-key-file cannot be used here: some/folder is no openai:NAME"),
        ("rulebook:big", {}, "'rulebook' has no models"),
        ("opena1:gpt-x", {}, "no backend called 'opena1': did you mean 'openai'"),
    ],
)
def test_names_and_options_that_do_not_go_together(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_model(name, **options)  # type: ignore[arg-type]


def test_load_is_for_local_models() -> None:
    with pytest.raises(UserError, match="openai:gpt-x is no local model"):
        chiasm.load("openai:gpt-x")


def test_a_folder_may_have_a_colon_in_its_name() -> None:
    Path("run:3").mkdir()
    with pytest.raises(UserError, match=r"run:3"):  # it is looked into; it holds no checkpoint
        open_model("run:3")


def test_a_small_model_is_float32_on_a_cpu_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from chiasm.backends import open_local
    from chiasm.checkpoints import folder

    assert open_local(device="cpu").model.dtype == torch.float32
    assert open_local(device="cpu", dtype="bfloat16").model.dtype == torch.bfloat16
    monkeypatch.setattr(folder, "_SMALL", 1_000_000)
    assert open_local(device="cpu").model.dtype == torch.bfloat16  # as it is stored
