"""A tiny model, tokenizer and processor of the tests' own making."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer

VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
SIGLIP = {**VISION, "model_type": "siglip_vision_model"}
NUM_WORDS = 3 + 256 + 95  # special tokens, bytes, letters


def tokenizer() -> Tokenizer:
    """A byte-fallback BPE in Llama's layout: three special tokens, 256 bytes, printable ASCII with Llama's space."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    pieces += ["\u2581", *(chr(i) for i in range(33, 127))]
    model = models.BPE({p: i for i, p in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


def language(**changes: Any) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": NUM_WORDS,
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.3,
        **changes,
    }


def model(connector: str = "mlp2x_gelu", vision: dict[str, Any] | None = None, **changes: Any) -> Llava:
    torch.manual_seed(7)
    config = LlavaConfig(vision={**(vision or VISION)}, language=language(**changes), connector=connector)
    return Llava(config).eval()


def processor(policy: str = "pad", template: str = "vicuna_v1", resize: str = "shortest_edge") -> Processor:
    images = ImageProcessing.model_validate({"policy": policy, "size": 28, "patch_size": 14, "resize": resize})
    return Processor(PieceTokenizer(tokenizer()), template, images, max_length=512, eos_token="</s>")


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None takes a key away. The manifest goes, as it would no longer be right."""
    values = json.loads(path.read_text())
    for key, value in changes.items():
        values.pop(key, None)
        if value is not None:
            values[key] = value
    path.write_text(json.dumps(values))
    (path.parent / "manifest.json").unlink(missing_ok=True)


def without_manifest(folder: Path) -> Path:
    (folder / "manifest.json").unlink()
    return folder
