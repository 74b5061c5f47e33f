"""From one layout to the other and back: nothing is lost, nothing is added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from chiasm import checkpoints
from chiasm.checkpoints.tensors import read_folder
from chiasm.errors import UserError
from tests.checkpoints import tiny


def _same_tensors(one: Path, other: Path) -> None:
    first, second = read_folder(one), read_folder(other)
    assert sorted(first) == sorted(second)
    assert all(torch.equal(first[name].read(), second[name].read()) for name in first)
    assert all(first[name].dtype == second[name].dtype for name in first)


def test_original_with_its_tower_inside(original: Path, tmp_path: Path) -> None:
    checkpoints.convert(original, tmp_path / "hf", to="hf")
    checkpoints.convert(tmp_path / "hf", tmp_path / "back", to="original")
    _same_tensors(original, tmp_path / "back")
    assert json.loads((original / "config.json").read_text()) == json.loads((tmp_path / "back/config.json").read_text())
    checkpoints.load(tmp_path / "back")


def test_original_with_its_tower_beside(
    original_without_tower: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = original_without_tower
    checkpoints.convert(given, tmp_path / "hf", to="hf")
    assert "assuming template vicuna_v1" in capsys.readouterr().err
    away = tmp_path / "elsewhere"
    checkpoints.convert(tmp_path / "hf", away / "back", to="original")
    _same_tensors(given, away / "back")
    assert not any("vision_tower" in name for name in load_file(away / "back" / "model.safetensors"))
    for name in ("config.json", "generation_config.json"):
        assert json.loads((given / name).read_text()) == json.loads((away / "back" / name).read_text())
    one, other = checkpoints.load(given).model, checkpoints.load(away / "back").model  # the tower went along
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def test_hf_there_and_back(hf: Path, tmp_path: Path) -> None:
    checkpoints.convert(hf, tmp_path / "original", to="original")
    checkpoints.convert(tmp_path / "original", tmp_path / "back", to="hf")
    _same_tensors(hf, tmp_path / "back")
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json", "processor_config.json"):
        assert json.loads((hf / name).read_text()) == json.loads((tmp_path / "back" / name).read_text()), name


def test_names_of_the_original_layout(original: Path) -> None:
    names = set(load_file(original / "model.safetensors"))
    assert {
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.norm.weight",
        "model.layers.1.self_attn.q_proj.weight",
        "model.mm_projector.0.weight",
        "model.mm_projector.2.bias",
        "model.vision_tower.vision_tower.vision_model.embeddings.class_embedding",
        "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
    } <= names
    assert all(name.startswith(("model.", "lm_head.")) for name in names)


def test_names_of_the_hub(hf: Path) -> None:
    names = set(load_file(hf / "model.safetensors"))
    assert {
        "language_model.model.embed_tokens.weight",
        "language_model.lm_head.weight",
        "language_model.model.layers.0.mlp.gate_proj.weight",
        "multi_modal_projector.linear_1.weight",
        "multi_modal_projector.linear_2.bias",
        "vision_tower.vision_model.pre_layrnorm.weight",
        "vision_tower.vision_model.encoder.layers.2.self_attn.out_proj.bias",
    } <= names
    assert all(n.startswith(("language_model.", "multi_modal_projector.", "vision_tower.vision_model.")) for n in names)


@pytest.mark.parametrize("connector", ["linear", "mlp1x_gelu", "mlp3x_gelu"])
def test_connectors_transformers_does_not_know(
    connector: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny.model(connector)
    checkpoints.save(tmp_path / "original", model, tiny.processor(), layout="original")
    checkpoints.convert(tmp_path / "original", tmp_path / "hf", to="hf")
    assert f"transformers knows no connector '{connector}'" in capsys.readouterr().err
    checkpoints.convert(tmp_path / "hf", tmp_path / "back", to="original")
    _same_tensors(tmp_path / "original", tmp_path / "back")
    loaded = checkpoints.load(tmp_path / "hf").model
    assert all(
        torch.equal(p, q) for p, q in zip(loaded.connector.parameters(), model.connector.parameters(), strict=True)
    )
    name = "model.mm_projector.weight" if connector == "linear" else "model.mm_projector.0.weight"
    assert name in load_file(tmp_path / "original" / "model.safetensors")


def test_shards_hold_what_one_file_holds(tmp_path: Path) -> None:
    model, processor = tiny.model(), tiny.processor()
    checkpoints.save(tmp_path / "one", model, processor)
    checkpoints.save(tmp_path / "many", model, processor, max_shard_bytes=100_000)
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    shards = sorted(path.name for path in (tmp_path / "many").glob("*.safetensors"))
    assert len(shards) > 2
    assert shards[0] == f"model-00001-of-{len(shards):05}.safetensors"
    assert sorted(set(index["weight_map"].values())) == shards
    tensors = {name: t for shard in shards for name, t in load_file(tmp_path / "many" / shard).items()}
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors.values())
    _same_tensors(tmp_path / "one", tmp_path / "many")
    checkpoints.load(tmp_path / "many")


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "gpt2", "n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 512},
        {"model_type": "qwen2", "tie_word_embeddings": True},
        {"model_type": "mistral"},
        {"model_type": "qwen2", "vocab_size": 400},  # rows to spare: nothing need be added
    ],
    ids=["gpt2", "qwen2 tied", "mistral", "spare rows"],
)
def test_other_families_of_language_models(changes: dict[str, object], tmp_path: Path) -> None:
    model, processor = tiny.model(**changes), tiny.processor()
    checkpoints.save(tmp_path / "hf", model, processor)
    loaded = checkpoints.load(tmp_path / "hf").model
    rows = changes.get("vocab_size", 384)
    assert loaded.config.language["vocab_size"] == rows
    theirs = dict(model.named_parameters())
    assert all(torch.equal(p[: len(theirs[n])], theirs[n]) for n, p in loaded.named_parameters())
    if changes["model_type"] == "gpt2":
        with pytest.raises(UserError, match="no gpt2 models"):
            checkpoints.convert(tmp_path / "hf", tmp_path / "original", to="original")
        assert not (tmp_path / "original").exists()
        return
    checkpoints.convert(tmp_path / "hf", tmp_path / "original", to="original")
    again = checkpoints.load(tmp_path / "original").model
    assert all(torch.equal(p, q) for p, q in zip(loaded.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_by_writing_and_converting(dtype: torch.dtype, tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "hf", tiny.model().to(dtype), tiny.processor())
    checkpoints.convert(tmp_path / "hf", tmp_path / "original", to="original")
    assert {t.dtype for t in load_file(tmp_path / "original" / "model.safetensors").values()} == {dtype}
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["torch_dtype"] == str(dtype).removeprefix("torch.")
    assert checkpoints.load(tmp_path / "hf", dtype=dtype).model.dtype == dtype
    assert checkpoints.load(tmp_path / "hf").model.dtype == torch.bfloat16  # float16 is slow on a CPU
    rotary = dict(checkpoints.load(tmp_path / "hf").model.named_buffers())
    assert rotary["language_model.model.rotary_emb.inv_freq"].dtype == torch.float32


def test_pytorch_files_and_their_shards_are_read(original: Path, tmp_path: Path) -> None:
    wanted = load_file(original / "model.safetensors")
    (original / "model.safetensors").unlink()
    tiny.without_manifest(original)
    half = dict(list(wanted.items())[: len(wanted) // 2])
    rest = {name: tensor for name, tensor in wanted.items() if name not in half}
    rest["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)  # older files carry it; it is made anew
    torch.save(half, original / "pytorch_model-00001-of-00002.bin")
    torch.save(rest, original / "pytorch_model-00002-of-00002.bin", _use_new_zipfile_serialization=False)
    weight_map = {name: f"pytorch_model-0000{1 if name in half else 2}-of-00002.bin" for name in {**half, **rest}}
    (original / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    model, expected = checkpoints.load(original).model, tiny.model()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), expected.parameters(), strict=True))
