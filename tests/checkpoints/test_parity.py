"""Our folders in plain transformers, and transformers' folders here: the same logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from chiasm import checkpoints
from chiasm.conversation import Conversation, user
from chiasm.models.llava import Llava
from chiasm.processing.processor import Example
from tests.checkpoints import tiny


def _picture() -> Image.Image:
    return Image.effect_noise((50, 31), 90).convert("RGB")


def _transformers_logits(folder: Path, example: Example) -> torch.Tensor:
    theirs: Any = transformers.LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits: torch.Tensor = theirs(input_ids=example.input_ids[None], pixel_values=example.pixels).logits
    return logits


def _our_logits(model: Llava, example: Example) -> torch.Tensor:
    with torch.no_grad():
        return model(**example.batch()).logits


@pytest.mark.parametrize(
    ("vision", "policy", "resize", "processor"),
    [
        (tiny.VISION, "pad", "shortest_edge", "LlavaImageProcessor"),
        (tiny.VISION, "square", "shortest_edge", "CLIPImageProcessor"),
        (tiny.SIGLIP, "square", "exact", "SiglipImageProcessor"),
    ],
    ids=["clip-pad", "clip-square", "siglip"],
)
def test_what_we_write_transformers_reads(
    tmp_path: Path, vision: dict[str, Any], policy: str, resize: str, processor: str
) -> None:
    model = tiny.model(vision=vision)
    checkpoints.save(tmp_path / "hf", model, tiny.processor(policy, resize=resize))
    ours = checkpoints.load(tmp_path / "hf")
    picture = _picture()
    example = ours.processor.encode(Conversation((user("What is this?", [picture]),)))

    theirs: Any = transformers.AutoProcessor.from_pretrained(tmp_path / "hf")
    content = [{"type": "image"}, {"type": "text", "text": "What is this?"}]
    text = theirs.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = theirs(images=[picture], text=text, return_tensors="pt")

    assert type(theirs.image_processor).__name__.startswith(processor)
    assert inputs["input_ids"][0].tolist() == example.input_ids.tolist()
    assert torch.equal(inputs["pixel_values"], example.pixels)
    assert (_transformers_logits(tmp_path / "hf", example) - _our_logits(ours.model, example)).abs().max() < 1e-4


def test_the_tokens_added_for_the_layout_change_no_logit(hf: Path) -> None:
    before = tiny.model()
    after = checkpoints.load(hf)
    assert before.config.language["vocab_size"] == tiny.NUM_WORDS == 354
    assert after.model.config.language["vocab_size"] == 384  # 354 + 2, up to a multiple of 64
    assert after.processor.image_token_id == 354
    conversation = Conversation((user("What?", [_picture()]),))
    old = _our_logits(before, tiny.processor().encode(conversation))
    new = _our_logits(after.model, after.processor.encode(conversation))
    assert (old - new[..., :354]).abs().max() < 1e-5
    rows = after.model.language_model.get_parameter("model.embed_tokens.weight")
    assert torch.allclose(rows[354:], rows[:354].mean(0).expand(30, -1), atol=1e-6)


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("tower", ["vision_tower.", "vision_tower.vision_model."])
def test_all_names_transformers_has_ever_written_are_read(tmp_path: Path, hf: Path, prefix: str, tower: str) -> None:
    wanted = load_file(hf / "model.safetensors")
    renamed = {}
    for name, tensor in wanted.items():
        new = name.replace("vision_tower.vision_model.", tower)
        if prefix:
            new = new.replace("language_model.model.", "language_model.").replace("language_model.lm_head", "lm_head")
            new = new if new.startswith("lm_head") else prefix + new
        renamed[new] = tensor
    tiny.without_manifest(hf)
    save_file(renamed, hf / "model.safetensors", {"format": "pt"})
    checkpoints.convert(hf, tmp_path / "again", to="hf")
    again = load_file(tmp_path / "again" / "model.safetensors")
    assert again.keys() == wanted.keys()
    assert all(torch.equal(again[name], wanted[name]) for name in wanted)


def test_what_transformers_writes_we_read(tmp_path: Path, hf: Path) -> None:
    vision = transformers.CLIPVisionConfig(**{k: v for k, v in tiny.VISION.items() if k != "model_type"})
    text = transformers.LlamaConfig(**{**tiny.language(vocab_size=384)})
    config = transformers.LlavaConfig(vision_config=vision, text_config=text, image_token_index=354, image_seq_length=4)
    torch.manual_seed(3)
    theirs: Any = transformers.LlavaForConditionalGeneration(config).eval()
    for name in ("model.safetensors", "config.json", "generation_config.json"):
        (hf / name).unlink()
    tiny.without_manifest(hf)
    processor: Any = transformers.AutoProcessor.from_pretrained(hf)
    for name in ("processor.json", "preprocessor_config.json", "processor_config.json"):
        (hf / name).unlink()
    theirs.save_pretrained(hf)
    processor.save_pretrained(hf)
    loaded = checkpoints.load(hf)
    assert (loaded.layout, loaded.processor.template_name, loaded.processor.images.policy) == ("hf", "vicuna_v1", "pad")
    example = loaded.processor.encode(Conversation((user("What is this?", [_picture()]),)))
    assert (_transformers_logits(hf, example) - _our_logits(loaded.model, example)).abs().max() < 1e-4


def test_both_layouts_give_the_same_model(hf: Path, original: Path) -> None:
    conversation = Conversation((user("What is this?", [_picture()]),))
    one, other = checkpoints.load(hf), checkpoints.load(original)
    assert (one.layout, other.layout) == ("chiasm", "original")
    logits = _our_logits(one.model, one.processor.encode(conversation))
    assert torch.equal(logits[..., :354], _our_logits(other.model, other.processor.encode(conversation)))
    assert (_transformers_logits(hf, one.processor.encode(conversation)) - logits).abs().max() < 1e-4


def test_tied_embeddings_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "hf", tiny.model(tie_word_embeddings=True), tiny.processor())
    assert "language_model.lm_head.weight" not in load_file(tmp_path / "hf" / "model.safetensors")
    loaded = checkpoints.load(tmp_path / "hf")
    language = loaded.model.language_model
    assert language.get_parameter("lm_head.weight") is language.get_parameter("model.embed_tokens.weight")
    example = loaded.processor.encode(Conversation((user("What is this?", [_picture()]),)))
    theirs = _transformers_logits(tmp_path / "hf", example)
    assert (theirs - _our_logits(loaded.model, example)).abs().max() < 1e-4
