"""Stage-1 files, and models put together from separate parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
import transformers

from chiasm import checkpoints
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from tests.checkpoints import tiny


def _language_folder(path: Path) -> Path:
    torch.manual_seed(1)
    settings = {key: value for key, value in tiny.language().items() if key != "model_type"}
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings)).save_pretrained(path)
    tiny.tokenizer().save(str(path / "tokenizer.json"))
    return path


def _clip_folder(path: Path) -> Path:
    """A whole CLIP, text half included, as openai/clip-vit-large-patch14-336 is published."""
    torch.manual_seed(2)
    vision = {key: value for key, value in tiny.VISION.items() if key != "model_type"}
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = transformers.CLIPConfig(vision_config=vision, text_config={**text, "vocab_size": 50}, projection_dim=16)
    transformers.CLIPModel(config).save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps(tiny.processor("square").images.to_preprocessor_config()))
    return path


def test_backbones_are_joined_by_a_fresh_connector(tmp_path: Path) -> None:
    tower, language = _clip_folder(tmp_path / "clip"), _language_folder(tmp_path / "llama")
    made = checkpoints.load_backbones(tower, language, "mlp2x_gelu", template="plain", seed=5)
    assert made.model.config.image_token_id == -200
    assert made.model.config.language["vocab_size"] == tiny.NUM_WORDS
    tower_tensors = checkpoints.read_tower(tower)[1]
    assert all(torch.equal(p, tower_tensors[name]) for name, p in made.model.vision_tower.named_parameters())
    language_tensors = checkpoints.read_language(language)[1]
    assert all(torch.equal(p, language_tensors[name]) for name, p in made.model.language_model.named_parameters())
    again = checkpoints.load_backbones(tower, language, seed=5).model.connector
    other = checkpoints.load_backbones(tower, language, seed=6).model.connector
    assert torch.equal(again.get_parameter("0.weight"), made.model.connector.get_parameter("0.weight"))
    assert not torch.equal(other.get_parameter("0.weight"), made.model.connector.get_parameter("0.weight"))
    example = made.processor.encode(Conversation((user("?", [torch.zeros(9, 9, 3).byte().numpy()]),)))
    assert torch.isfinite(made.model(**example.batch()).logits).all()
    checkpoints.save(tmp_path / "saved", made.model, made.processor)
    assert checkpoints.load(tmp_path / "saved").processor.template_name == "plain"


@pytest.mark.parametrize("prefix", ["model.", "base_model.model.model.", ""])
def test_published_projector_files_are_read(prefix: str, tmp_path: Path) -> None:
    connector = tiny.model().connector
    tensors = {f"{prefix}mm_projector.{name}": tensor for name, tensor in connector.state_dict().items()}
    torch.save(tensors, tmp_path / "mm_projector.bin")
    for source in (tmp_path / "mm_projector.bin", tmp_path):
        read = checkpoints.read_connector(source)
        assert read.keys() == connector.state_dict().keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in connector.state_dict().items())


@pytest.mark.parametrize("connector", ["linear", "mlp2x_gelu"])
def test_a_written_connector_is_read_again(connector: str, tmp_path: Path) -> None:
    model = tiny.model(connector)
    checkpoints.write_connector(tmp_path / "mm_projector.safetensors", model)
    read = checkpoints.read_connector(tmp_path)
    model.connector.load_state_dict(read)
    tower, language = _clip_folder(tmp_path / "clip"), _language_folder(tmp_path / "llama")
    made = checkpoints.load_backbones(tower, language, connector, connector_weights=tmp_path).model
    assert torch.equal(made.connector.get_parameter("0.weight"), read["0.weight"])


def test_a_connector_of_another_shape_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    tower, language = _clip_folder(tmp_path / "clip"), _language_folder(tmp_path / "llama")
    torch.save({"model.mm_projector.0.weight": torch.zeros(48, 31)}, tmp_path / "mm_projector.bin")
    with pytest.raises(UserError, match=r"missing 0\.bias; missing 2\.weight.*\(48, 31\), expected \(48, 32\)"):
        checkpoints.load_backbones(tower, language, connector_weights=tmp_path / "mm_projector.bin")


def test_embeddings_beside_a_connector_are_not_dropped_without_a_word(tmp_path: Path) -> None:
    torch.save(
        {"model.mm_projector.0.weight": torch.zeros(1), "model.embed_tokens.weight": torch.zeros(1)},
        tmp_path / "mm_projector.bin",
    )
    with pytest.raises(UserError, match=r"model\.embed_tokens\.weight"):
        checkpoints.read_connector(tmp_path)


def test_a_tower_that_is_nowhere(original_without_tower: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.edit(original_without_tower / "config.json", mm_vision_tower="nowhere")
    with pytest.raises(UserError, match=r"nowhere.*looked for the vision tower at .*given-original/nowhere"):
        checkpoints.load(original_without_tower)
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    tiny.edit(original_without_tower / "config.json", mm_vision_tower="openai/clip-vit-large-patch14-336")
    with pytest.raises(UserError, match=r"openai/clip-vit-large-patch14-336.*no route to host.*put its files into"):
        checkpoints.load(original_without_tower)


@pytest.mark.parametrize("layout", ["hf", "original"])
def test_a_connector_of_another_build_is_saved_under_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Literal["hf", "original"]
) -> None:
    (tmp_path / "gated_connector.py").write_text(
        "import torch\n"
        "class Gated(torch.nn.Linear):\n"
        "    def __init__(self, a, b):\n"
        "        super().__init__(a, b)\n"
        "        self.gate = torch.nn.Parameter(torch.rand(1))\n"
        "    def forward(self, x):\n"
        "        return self.gate * super().forward(x)\n"
        "build = Gated\n"
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    (tmp_path / "gated_connector.py").rename(tmp_path / "mine" / "gated.py")
    monkeypatch.syspath_prepend(tmp_path)
    model = tiny.model(connector="mine.gated")
    checkpoints.save(tmp_path / "saved", model, tiny.processor("pad"), layout=layout)
    back = checkpoints.load(tmp_path / "saved", template="vicuna_v1").model
    assert {name for name, _ in back.connector.named_parameters()} == {"weight", "bias", "gate"}
    for name, parameter in model.connector.named_parameters():
        assert torch.equal(parameter, back.connector.get_parameter(name))
