"""Damaged and hostile folders: one line that names the file, and nothing of theirs is run."""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from chiasm import checkpoints
from chiasm.checkpoints import tokenizer_files
from chiasm.checkpoints.tensors import MAX_HEADER_BYTES, read_files
from chiasm.errors import UserError
from tests.checkpoints import tiny


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "manifest.json").unlink(missing_ok=True)


def test_everything_that_does_not_fit_is_one_error(hf: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["language_model.model.norm.weight"], tensors["vision_tower.vision_model.pre_layrnorm.bias"]
        tensors["multi_modal_projector.linear_1.weight"] = torch.zeros(48, 31)
        tensors["image_newline"] = torch.zeros(48)
        tensors["language_model.model.layers.9.mlp.up_proj.weight"] = torch.zeros(1)

    _rewrite(hf, change)
    with pytest.raises(UserError) as caught:
        checkpoints.load(hf)
    text = str(caught.value)
    assert "1 misshapen: connector.0.weight is 48 x 31 in the file, 48 x 32 in the model" in text
    assert "2 missing: " in text
    assert "language_model.model.norm.weight" in text
    assert "vision_tower.pre_layrnorm.bias" in text
    assert "2 unexpected: " in text
    assert "image_newline" in text
    assert "model.layers.9.mlp.up_proj.weight" in text


@pytest.mark.parametrize(
    "changes",
    [{"mm_projector_type": "linear"}, {"mm_projector_type": "mlp3x_gelu"}, {"vocab_size": 320}, {"hidden_size": 64}],
    ids=str,
)
def test_another_architecture_is_refused(original: Path, changes: dict[str, Any]) -> None:
    tiny.edit(original / "config.json", **changes)
    with pytest.raises(UserError, match=r"do not fit|beyond the model's vocabulary"):
        checkpoints.load(original)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused_unless_forced(hf: Path, value: float) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["language_model.model.layers.0.mlp.up_proj.weight"][3, 4] = value

    _rewrite(hf, change)
    with pytest.raises(UserError, match=r"layers\.0\.mlp\.up_proj\.weight in .*model\.safetensors .*not finite"):
        checkpoints.load(hf)
    assert not torch.isfinite(
        checkpoints.load(hf, force=True).model.language_model.model.layers[0].mlp.up_proj.weight
    ).all()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "processor.json", "tokenizer.json"])
@pytest.mark.parametrize("position", [0.02, 0.5, 0.98])
def test_one_flipped_bit_is_noticed(hf: Path, name: str, position: float) -> None:
    data = bytearray((hf / name).read_bytes())
    data[int(len(data) * position)] ^= 1
    (hf / name).write_bytes(data)
    with pytest.raises(UserError, match=name):
        checkpoints.load(hf)
    with pytest.raises(UserError, match=name):
        checkpoints.convert(hf, hf.parent / "target", to="original")
    assert not (hf.parent / "target").exists()


def _header(entries: object, body: bytes = b"\0" * 16) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


_F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BROKEN = {
    "nothing": b"",
    "header of length 0": struct.pack("<Q", 0),
    "header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "header of 200 MB": struct.pack("<Q", 200_000_000) + b"{}",
    "header length beyond 63 bits": b"\xff" * 8 + b"{}",
    "not UTF-8": struct.pack("<Q", 4) + b'{"\xff"' + b"\0" * 8,
    "not JSON": struct.pack("<Q", 4) + b"abcd",
    "overlapping": _header({"a": _F32, "b": {**_F32, "data_offsets": [4, 12]}}),
    "gap": _header({"a": _F32, "b": {**_F32, "data_offsets": [12, 20]}}),
    "shape is not bytes": _header({"a": {**_F32, "shape": [3]}}),
    "beyond the end": _header({"a": {**_F32, "shape": [200], "data_offsets": [0, 800]}}),
    "cut short": _header({"a": _F32}, b"\0\0"),
    "shape overflows": _header({"a": {**_F32, "shape": [2**62, 2**62]}}),
    "pickle": pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_safetensors(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"model\.safetensors"):
        read_files([path])
    assert time.perf_counter() - start < 1


def test_a_million_tensors_cost_neither_time_nor_memory(tmp_path: Path) -> None:
    entry = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = ("{" + ",".join(entry % i for i in range(1_000_000)) + "}").encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(UserError, match=f"{MAX_HEADER_BYTES:,}"):
        read_files([path])
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


class _Canary:
    """Pickled, it makes a file when it is read by a reader that runs what it reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _poison(canary: Path, kind: str) -> bytes:
    if kind == "bare pickle":
        return pickle.dumps(_Canary(canary))
    stream = io.BytesIO()
    torch.save(
        {"a": torch.zeros(1), "b": _Canary(canary)}, stream, _use_new_zipfile_serialization=kind == "zip archive"
    )
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["bare pickle", "zip archive", "old archive"])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_poisoned_pickle_is_refused_and_does_nothing(original: Path, name: str, kind: str) -> None:
    canary = original.parent / "canary"
    (original / "model.safetensors").unlink()
    tiny.without_manifest(original)
    (original / name).write_bytes(_poison(canary, kind))
    with pytest.raises(UserError, match=name) as caught:
        checkpoints.load(original)
    assert "weights_only" not in str(caught.value)  # torch advises to switch the protection off
    (original / "mm_projector.bin").write_bytes(_poison(canary, kind))
    with pytest.raises(UserError, match=r"mm_projector\.bin"):
        checkpoints.read_connector(original)
    assert not canary.exists()


@pytest.mark.parametrize("layout", ["hf", "original"])
def test_code_in_a_folder_is_never_run(
    layout: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    folder: Path = request.getfixturevalue(layout)
    canary = folder.parent / "canary"
    (folder / "modeling_evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: pass\n")
    code = {"auto_map": {"AutoModel": "modeling_evil.Evil", "AutoConfig": "modeling_evil.Evil"}}
    tiny.edit(
        folder / "config.json", **code, trust_remote_code=True, custom_pipelines={"x": {"impl": "modeling_evil.E"}}
    )
    checkpoints.load(folder)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "auto_map, custom_pipelines, modeling_evil.py, trust_remote_code" in said
    assert not canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.safetensors",
        "/etc/passwd",
        "..",
        "sub/model.safetensors",
        "a\\b.safetensors",
        ".hidden",
        "",
        7,
        None,
    ],
)
def test_an_index_that_points_elsewhere_is_refused(hf: Path, name: object) -> None:
    (hf / "model.safetensors").rename(hf.parent / "outside.safetensors")
    tiny.without_manifest(hf)
    (hf / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(UserError, match=r"model\.safetensors\.index\.json names the file"):
        checkpoints.load(hf)


@pytest.mark.parametrize(
    ("weight_map", "said"),
    [
        ({"a": "gone.safetensors"}, r"not there: gone\.safetensors"),
        ({"a": "one.safetensors"}, "promises tensors that its files do not hold: a"),
        ({}, "no 'weight_map'"),
        ([], "no 'weight_map'"),
    ],
)
def test_an_index_that_promises_too_much(hf: Path, weight_map: object, said: str) -> None:
    (hf / "model.safetensors").rename(hf / "one.safetensors")
    tiny.without_manifest(hf)
    (hf / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(UserError, match=said):
        checkpoints.load(hf)


def test_tokens_without_an_embedding_are_refused(hf: Path) -> None:
    values = json.loads((hf / "tokenizer.json").read_text())
    values["model"]["vocab"]["zzz"] = 384
    (hf / "tokenizer.json").write_text(json.dumps(values))
    tiny.without_manifest(hf)
    with pytest.raises(UserError, match=r"1 tokens beyond the model's vocabulary of 384: 'zzz' is 384"):
        checkpoints.load(hf)


def test_an_oversized_tokenizer_is_refused_unread(hf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.without_manifest(hf)
    with (hf / "tokenizer.json").open("r+b") as file:
        file.truncate(tokenizer_files.MAX_TOKENIZER_BYTES + 1)
    with pytest.raises(UserError, match=r"tokenizer\.json has 134,217,729 bytes"):
        checkpoints.load(hf)


def test_an_end_token_the_tokenizer_does_not_have(hf: Path) -> None:
    tiny.edit(hf / "processor.json", eos_token="<|end|>")
    with pytest.raises(UserError, match=r"'<\|end\|>'"):
        checkpoints.load(hf)
    (hf / "processor.json").unlink()
    tiny.edit(hf / "tokenizer_config.json", eos_token="<|end|>")
    with pytest.raises(UserError, match=r"tokenizer_config\.json ends texts with '<\|end\|>'"):
        checkpoints.load(hf)


@pytest.mark.parametrize("name", ["processor.json", "manifest.json"])
def test_a_folder_of_a_newer_chiasm(hf: Path, name: str) -> None:
    values = json.loads((hf / name).read_text()) | {"format": 2, "novelty": True}
    tiny.without_manifest(hf)
    (hf / name).write_text(json.dumps(values))
    with pytest.raises(UserError, match=rf"{name} has format 2, written by a newer chiasm; this one reads up to 1"):
        checkpoints.load(hf)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("processor.json", {"tokens_per_tile": 9}, "says 9 tokens a tile but config.json gives 4"),
        ("processor.json", {"image_token_id": 3}, "says 3 as the picture's token id but config.json gives 354"),
        ("processor.json", {"template": "vicuna"}, "no template called 'vicuna'"),
        ("processor.json", {"templat": "vicuna_v1"}, "templat: Extra inputs"),
        ("config.json", {"vision_feature_select_strategy": "full"}, "says 4 tokens a tile but config.json gives 5"),
        ("config.json", {"vision_feature_layer": [1, 2]}, "vision_feature_layer"),
        ("config.json", {"vision_feature_layer": -9}, "feature layer -9"),
        ("config.json", {"text_config": None}, "not of a LLaVA"),
        ("config.json", {"text_config": 3}, "no object 'text_config'"),
        ("config.json", {"vision_config": {"model_type": "evil"}}, "model_type 'evil'"),
        ("config.json", {"mm_projector_type": "os.system"}, "os"),
        ("config.json", {"model_type": "llama"}, "'llama' model, not of a LLaVA"),
    ],
)
def test_files_that_contradict_each_other(hf: Path, name: str, changes: dict[str, Any], said: str) -> None:
    tiny.edit(hf / name, **changes)
    with pytest.raises(UserError, match=said):
        checkpoints.load(hf)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("preprocessor_config.json", {"size": {"shortest_edge": 42}, "crop_size": None}, "makes 42 pixels a side"),
        ("preprocessor_config.json", {"image_std": [0.5, 0, 0.5]}, r"std \(0\.5, 0\.0, 0\.5\)"),
        ("preprocessor_config.json", {"resample": 2}, "resample: 2"),
        ("config.json", {"image_aspect_ratio": "anyres_99"}, "anyres_99"),
        ("config.json", {"image_aspect_ratio": 5}, "policy"),
        ("config.json", {"mm_use_im_start_end": True}, "mm_use_im_start_end"),
        ("config.json", {"mm_vision_select_layer": "last"}, "mm_vision_select_layer"),
        ("config.json", {"mm_vision_tower": "../../etc"}, r"no folder \.\./\.\./etc"),
    ],
)
def test_an_original_that_contradicts_itself(
    original_without_tower: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    folder = original_without_tower if name == "config.json" else original_without_tower.parent / "tiny-clip"
    tiny.edit(folder / name, **changes)
    with pytest.raises(UserError, match=said):
        checkpoints.load(original_without_tower)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": NaN', "[" * 100_000, "\ufeff{}"])
def test_a_config_that_is_no_json_object(hf: Path, text: str) -> None:
    (hf / "config.json").write_text(text, encoding="utf-8")
    tiny.without_manifest(hf)
    with pytest.raises(UserError, match=r"config\.json"):
        checkpoints.load(hf)


def test_a_folder_without_weights_says_what_it_looked_for(original: Path) -> None:
    (original / "model.safetensors").unlink()
    tiny.without_manifest(original)
    with pytest.raises(UserError, match=r"holds no weights: expected one of model\.safetensors"):
        checkpoints.load(original)


@pytest.mark.parametrize("source", ["no/such/folder/here", "nowhere"])
def test_no_such_folder(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no folder"):
        checkpoints.load(source)


def test_nothing_is_imported_that_a_checkpoint_names(tmp_path: Path) -> None:
    """Importing the package must not already import transformers' models: `chiasm --help` would wait for it."""
    code = "import sys, chiasm.checkpoints; print('transformers.models.llama' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
