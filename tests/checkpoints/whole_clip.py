"""A CLIP of random weights as transformers saves it, with a tokenizer of the manner of OpenAI's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

WORDS = "a photo of dog cat red car the and two one on in with sky"
START, END = "<|startoftext|>", "<|endoftext|>"


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.BPE(unk_token=END))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([WORDS] * 3, trainer)
    made.add_special_tokens([START, END])
    start, end = made.token_to_id(START), made.token_to_id(END)
    made.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, start), (END, end)]
    )
    return made


def write(folder: Path, *, legacy_end: bool = False, seed: int = 0) -> Path:
    """A CLIP of 32 pixels in 4 x 4 patches. `legacy_end`: its configuration gives 2 for the end, as the oldest do."""
    from transformers import CLIPConfig, CLIPModel

    words = tokenizer()
    config = CLIPConfig(
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2,
            "image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu",
        },
        text_config={
            "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3,
            "vocab_size": words.get_vocab_size(), "max_position_embeddings": 32,
            "bos_token_id": words.token_to_id(START), "pad_token_id": words.token_to_id(END),
            "eos_token_id": 2 if legacy_end else words.token_to_id(END),
        },
        projection_dim=20,
    )  # fmt: skip
    torch.manual_seed(seed)
    cast(Any, CLIPModel(config)).save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    names = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    about = {**names, "model_max_length": 32, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": 32}, "resample": 3,
        "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "do_rescale": True,
        "do_normalize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "do_convert_rgb": True,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file; dots lead into objects."""
    content = json.loads(path.read_text())
    for key, value in values.items():
        at = content
        *way, last = key.split("__")
        for step in way:
            at = at[step]
        at[last] = value
    path.write_text(json.dumps(content))
