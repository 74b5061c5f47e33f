"""Adapters in the layout of the published LLaVA code: found, merged, converted, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from chiasm import checkpoints
from chiasm.errors import UserError
from tests.checkpoints import tiny

RANK, ALPHA = 4, 6


def _language_and_tower(original: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """The tiny model taken apart: a language model's folder as the hub has Vicuna's, and all tensors."""
    tensors = load_file(original / "model.safetensors")
    words = original.parent / "tiny-words"
    words.mkdir()
    for path in original.iterdir():
        if path.name.startswith(("tokenizer", "special", "generation")):
            path.rename(words / path.name)
    config = json.loads((original / "config.json").read_text())
    plain = {k: v for k, v in config.items() if not k.startswith(("mm_", "use_mm", "image_", "tokenizer_"))}
    (words / "config.json").write_text(json.dumps({**plain, "model_type": "llama"}))
    own = {n: t for n, t in tensors.items() if "mm_projector" not in n and "vision_tower" not in n}
    save_file(own, words / "model.safetensors", {"format": "pt"})
    return words, tensors


@pytest.fixture
def adapters(original: Path) -> Path:
    """What scripts/v1_5/finetune_lora.sh leaves: no tokenizer, no tower, adapters and one file of other weights."""
    words, tensors = _language_and_tower(original)
    prefix = "model.vision_tower.vision_tower."
    beside = original.parent / "tiny-clip"
    (original / "vision_tower").rename(beside)
    tower = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    save_file(tower, beside / "model.safetensors", {"format": "pt"})
    tiny.edit(original / "config.json", mm_vision_tower="tiny-clip")
    for name in ("model.safetensors", "processor.json", "manifest.json"):
        (original / name).unlink(missing_ok=True)
    generator = torch.Generator().manual_seed(0)
    pairs = {}
    for name, tensor in tensors.items():
        if name.endswith(("q_proj.weight", "up_proj.weight")) and name.startswith("model.layers."):
            layer = "base_model.model." + name.removesuffix(".weight")
            pairs[f"{layer}.lora_A.weight"] = torch.randn(RANK, tensor.shape[1], generator=generator)
            pairs[f"{layer}.lora_B.weight"] = torch.randn(tensor.shape[0], RANK, generator=generator)
    torch.save(pairs, original / "adapter_model.bin")
    other = {f"base_model.model.{n}": t + 1 for n, t in tensors.items() if "mm_projector" in n}
    torch.save(other, original / "non_lora_trainables.bin")
    config = {
        "base_model_name_or_path": str(words),
        "bias": "none",
        "lora_alpha": ALPHA,
        "peft_type": "LORA",
        "r": RANK,
        "target_modules": ["q_proj", "up_proj"],
        "task_type": "CAUSAL_LM",
    }
    (original / "adapter_config.json").write_text(json.dumps(config))
    torch.save({"all": tensors, "pairs": pairs}, original.parent / "expected.pt")
    return original


def _expected(folder: Path) -> dict[str, torch.Tensor]:
    """W + alpha / r * B A by hand, under the original layout's names; the connector as trained."""
    held = torch.load(folder.parent / "expected.pt", weights_only=True)
    tensors, pairs = held["all"], held["pairs"]
    for name in list(tensors):
        layer = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{layer}.lora_A.weight" in pairs:
            delta = (pairs[f"{layer}.lora_B.weight"] @ pairs[f"{layer}.lora_A.weight"]) * (ALPHA / RANK)
            tensors[name] = (tensors[name].float() + delta).to(tensors[name].dtype)
        elif "mm_projector" in name:
            tensors[name] = tensors[name] + 1
    return dict(tensors)


def _original_names(folder: Path) -> dict[str, torch.Tensor]:
    model = checkpoints.load(folder, progress=False).model
    swaps = {"language_model.": "", "connector.": "model.mm_projector."}
    tower = "model.vision_tower.vision_tower.vision_model."
    found = {}
    for name, parameter in model.named_parameters():
        start = next((s for s in swaps if name.startswith(s)), None)
        bare = swaps[start] + name.removeprefix(start) if start else tower + name.removeprefix("vision_tower.")
        found[bare] = parameter.detach()
    return found


def test_adapters_are_merged_into_the_base_their_folder_names(adapters: Path) -> None:
    expected, found = _expected(adapters), _original_names(adapters)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_converted_the_original_layout_holds_the_merged_model(adapters: Path, tmp_path: Path) -> None:
    checkpoints.convert(adapters, tmp_path / "merged", to="original", progress=False)
    assert not {path.name for path in (tmp_path / "merged").iterdir()} & {"adapter_config.json", "base.json"}
    written = load_file(tmp_path / "merged" / "model.safetensors")
    for name, tensor in _expected(adapters).items():
        if "vision_tower" not in name:
            assert torch.equal(written[name], tensor), name
    checkpoints.convert(adapters, tmp_path / "hf", to="hf", progress=False)
    assert (tmp_path / "hf" / "tokenizer.json").is_file()
    checkpoints.load(tmp_path / "hf", progress=False)


def test_the_base_may_be_a_whole_llava(adapters: Path, tmp_path: Path) -> None:
    """`finetune_task_lora.sh` begins with liuhaotian/llava-v1.5-13b. Its connector gives way to the one trained."""
    tiny.edit(adapters / "adapter_config.json", base_model_name_or_path="nowhere")
    checkpoints.save(tmp_path / "whole", tiny.model(), tiny.processor(), layout="original")
    expected = _expected(adapters)
    model = checkpoints.load(adapters, base=str(tmp_path / "whole"), progress=False).model
    for name, tensor in model.language_model.named_parameters():
        assert torch.equal(tensor, expected[name]), name
    assert torch.equal(model.connector.get_parameter("0.weight"), expected["model.mm_projector.0.weight"])


def test_a_base_that_changed_since_it_was_written_is_refused(adapters: Path, tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "whole", tiny.model(), tiny.processor(), layout="original")
    path = tmp_path / "whole" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"whole.model\.safetensors is not what was written"):
        checkpoints.load(adapters, base=str(tmp_path / "whole"), progress=False)


def test_rank_stabilised_scales_are_known(adapters: Path) -> None:
    plain = _original_names(adapters)["model.layers.0.mlp.up_proj.weight"].float()
    held = torch.load(adapters.parent / "expected.pt", weights_only=True)["all"]["model.layers.0.mlp.up_proj.weight"]
    tiny.edit(adapters / "adapter_config.json", use_rslora=True)
    other = _original_names(adapters)["model.layers.0.mlp.up_proj.weight"].float()
    assert torch.allclose(other - held.float(), (plain - held.float()) * 2, rtol=2e-2, atol=2e-2)  # sqrt(4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"use_dora": True}, r"use_dora: True; only plain LoRA"),
        ({"peft_type": "IA3"}, r"peft_type: 'IA3'"),
        ({"init_lora_weights": "pissa"}, r"init_lora_weights: 'pissa'"),
        ({"r": 5}, r"rank 5"),
        ({"r": True}, r"r: True; expected the adapters' rank"),
        ({"lora_alpha": "many"}, r"lora_alpha: 'many'"),
        ({"base_model_name_or_path": None}, r"names no base.*--base"),
        ({"base_model_name_or_path": "/not/here"}, r"no folder /not/here: looked for the base of the adapters"),
    ],
)
def test_what_is_no_plain_lora_is_refused(adapters: Path, changes: dict[str, object], says: str) -> None:
    tiny.edit(adapters / "adapter_config.json", **changes)
    with pytest.raises(UserError, match=says):
        checkpoints.load(adapters, progress=False)


def _drop_half(pairs: dict[str, torch.Tensor]) -> None:
    pairs.pop(next(iter(pairs)))


def _add_bias(pairs: dict[str, torch.Tensor]) -> None:
    pairs["base_model.model.lm_head.weight"] = torch.zeros(2, 2)


def _unknown_layer(pairs: dict[str, torch.Tensor]) -> None:
    for factor in "AB":
        old = f"base_model.model.model.layers.0.mlp.up_proj.lora_{factor}.weight"
        pairs[old.replace("layers.0", "layers.7")] = pairs.pop(old)


def _wrong_width(pairs: dict[str, torch.Tensor]) -> None:
    pairs["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"] = torch.zeros(RANK, 3)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_drop_half, r"half an adapter: model\.layers"),
        (_add_bias, r"tensors that are none: base_model\.model\.lm_head\.weight"),
        (_unknown_layer, r"adapts model\.layers\.7\.mlp\.up_proj, which the base does not have"),
        (_wrong_width, r"for a weight of \d+ x 3, the base's is .*--base"),
        (dict.clear, r"no adapters"),
    ],
)
def test_damaged_adapters_are_refused(adapters: Path, damage: object, says: str) -> None:
    pairs = torch.load(adapters / "adapter_model.bin", weights_only=True)
    damage(pairs)  # type: ignore[operator]
    torch.save(pairs, adapters / "adapter_model.bin")
    with pytest.raises(UserError, match=says):
        checkpoints.load(adapters, progress=False)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


@pytest.mark.parametrize("name", ["adapter_model.bin", "non_lora_trainables.bin"])
def test_no_code_is_run(adapters: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": _Evil()}, adapters / name)
    with pytest.raises(UserError, match=rf"{name} is refused"):
        checkpoints.load(adapters, progress=False)
    assert "code ran" not in capsys.readouterr().out


def test_missing_pieces_are_named(adapters: Path, hf: Path) -> None:
    (adapters / "non_lora_trainables.bin").unlink()
    with pytest.raises(UserError, match=r"no non_lora_trainables\.bin: the connector"):
        checkpoints.load(adapters, progress=False)
    (adapters / "adapter_model.bin").unlink()
    with pytest.raises(UserError, match=r"no adapters: expected adapter_model\.safetensors or adapter_model\.bin"):
        checkpoints.load(adapters, progress=False)
    (hf / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"both whole weights \(model\.safetensors\) and adapters"):
        checkpoints.load(hf, progress=False)


def test_a_whole_model_stands_on_nothing(hf: Path) -> None:
    with pytest.raises(UserError, match="not adapters"):
        checkpoints.load(hf, base=str(hf), progress=False)


def test_adapters_stand_on_no_adapters(adapters: Path) -> None:
    tiny.edit(adapters / "adapter_config.json", base_model_name_or_path=str(adapters))
    with pytest.raises(UserError, match=r"a base must be a whole model"):
        checkpoints.load(adapters, progress=False)
