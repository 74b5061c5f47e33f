"""Parts as they come with chiasm, at micro size and knowing nothing: a tower for 140 pixels, a language model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from chiasm import bundled
from chiasm.chat import Sampling
from chiasm.demo import asking, story
from chiasm.processing.images import ImageProcessing
from chiasm.training.config import Vocabulary
from chiasm.training.vocabulary import learn

_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
STEPS = [f"stages.{stage}.steps=2" for stage in ("align", "instruct")]
NUM_TRAIN = 12


def write_parts(folder: Path, world: Path) -> None:
    """The folders `clip` and `language`; the vocabulary is of the words of `world`."""
    torch.manual_seed(0)
    tower = CLIPVisionModel(CLIPVisionConfig(image_size=140, patch_size=28, **_SIZES))
    tower.save_pretrained(folder / "clip")
    images = ImageProcessing(size=140, patch_size=28)
    (folder / "clip" / "preprocessor_config.json").write_text(json.dumps(images.to_preprocessor_config()))
    tokenizer = learn(Vocabulary(records=(f"{world}/text_train.json", f"{world}/instruct_train.json"), size=300))
    config = LlamaConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=2048, **_SIZES)
    config.bos_token_id, config.eos_token_id, config.pad_token_id = (
        tokenizer.token_to_id(token) for token in ("<s>", "</s>", "<pad>")
    )
    LlamaForCausalLM(config).save_pretrained(folder / "language")
    tokenizer.save(str(folder / "language" / "tokenizer.json"))


@contextmanager
def small_demo(parts: Path) -> Iterator[None]:
    """Within the block a demo begins from `parts`, draws a handful of pictures, and asks and answers little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundled, "folder", lambda part: parts / part)
        patch.setattr(story, "NUM_PICTURES", 8)
        patch.setattr(asking, "A_KIND", 1)
        patch.setattr(asking, "NUM_SETS", 2)
        patch.setattr(story, "_SHORT", Sampling(max_tokens=3))
        patch.setattr(story, "_LONG", Sampling(max_tokens=8))
        yield
