"""The published flow on real photographs: both stages on tiny random backbones, and an answer at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml
from tokenizers import Tokenizer

import chiasm
from chiasm.chat import Sampling
from chiasm.cli import main
from chiasm.conversation import Conversation, user
from tests.tokenizers import MAKERS
from tests.training import micro

_QUESTION = "What animal is in the picture?"


def _exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def _tower(folder: Path) -> Path:
    """A tiny CLIP tower as transformers saves it, with the settings of its image processor."""
    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, image_size=112, patch_size=14
    )
    transformers.CLIPVisionModel(config).save_pretrained(folder)
    size = {"crop_size": {"height": 112, "width": 112}, "size": {"shortest_edge": 112}}
    # Sizes as a CLIP of 112 pixels has them; everything else as published.
    settings = {
        **size,
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "do_center_crop": True,
        "do_normalize": True,
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def _language(folder: Path) -> Path:
    """A tiny Llama as transformers saves it, with a tokenizer in Llama's layout."""
    torch.manual_seed(1)
    tokenizer: Tokenizer = MAKERS["llama_prepend"]().raw
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(with_added_tokens=True),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    return folder


def _recipe(data: Path, model: dict[str, Any]) -> dict[str, Any]:
    """Stage 1 on LLaVA's own pairs, stage 2 on COCO questions; as published but for size and length."""
    return {
        "name": "real",
        "seed": 1,
        "precision": "float32",
        "workers": 2,
        "model": {**model, "dtype": "float32"},
        "stages": {
            "align": {
                "trains": ["connector"],
                "template": "plain",
                "images": "square",
                "data": {
                    "records": str(data / "llava_pretrain" / "blip_laion_cc_sbu_500.json"),
                    "images": str(data / "llava_pretrain" / "images"),
                },
                "batch_size": 16,
                "steps": 8,
                "optim": {"lr": 2e-3},
            },
            "instruct": {
                "trains": ["connector", "language"],
                "data": {
                    "records": str(data / "coco" / "llava_cocoqa.json"),
                    "images": str(data),
                    "order": "modality_length",
                },
                "batch_size": 16,
                "micro_batch_size": 8,
                "steps": 16,
                "optim": {"lr": 4e-3},
            },
        },
    }


def _train(recipe: dict[str, Any], folder: Path, data: Path) -> None:
    (folder / "real.yaml").write_text(yaml.safe_dump(recipe))
    assert _exit_code("train", folder / "real.yaml", "--out", folder / "run") == 0
    for stage, most in (("align", 0.999), ("instruct", 0.85)):
        losses = [line["loss"] for line in micro.metrics(folder / "run") if line["stage"] == stage]
        assert sum(losses[-4:]) < most * sum(losses[:4]), (stage, losses)
    assert not (folder / "run" / "dropped.jsonl").exists()
    photographs = sorted((data / "coco" / "images").glob("*.jpg"))[:2]
    model = chiasm.load(folder / "run" / "final")
    assert model.processor.template_name == "vicuna_v1"
    asked = [Conversation((user(_QUESTION, [photograph]),)) for photograph in photographs]
    answers = sorted(model.answer_all(asked, Sampling(max_tokens=8)), key=lambda answer: answer.index)
    assert [answer.usage.num_answer > 0 for answer in answers] == [True, True]
    assert all(answer.usage.num_prompt > 64 for answer in answers)  # (112 / 14)² places of the picture


def test_random_backbones_from_configurations(shared_data: Path, tmp_path: Path) -> None:
    tower = {"model_type": "clip_vision_model", "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3}
    language = {"model_type": "llama", "hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4}
    records = [
        shared_data / "llava_pretrain" / "blip_laion_cc_sbu_500.json",
        shared_data / "coco" / "llava_cocoqa.json",
    ]
    model = {
        "vision": {**tower, **heads, "image_size": 112, "patch_size": 14},
        "language": {**language, **heads, "num_key_value_heads": 4, "max_position_embeddings": 2048},
        "vocabulary": {"records": [str(path) for path in records], "size": 1000},
    }
    _train(_recipe(shared_data, model), tmp_path, shared_data)


def test_random_backbones_from_folders(shared_data: Path, tmp_path: Path) -> None:
    model = {"vision": str(_tower(tmp_path / "tower")), "language": str(_language(tmp_path / "language"))}
    _train(_recipe(shared_data, model), tmp_path, shared_data)
    saved = chiasm.load(tmp_path / "run" / "final").model
    before = transformers.CLIPVisionModel.from_pretrained(tmp_path / "tower").state_dict()
    after = dict(saved.vision_tower.named_parameters())
    frozen = [name for name in before if name.removeprefix("vision_model.") in after]
    assert len(frozen) > 20
    assert all(torch.equal(before[name], after[name.removeprefix("vision_model.")]) for name in frozen)


def test_a_folder_and_a_configuration_make_a_model_together(shared_data: Path, tmp_path: Path) -> None:
    """The tower's folder says how pictures are normalised, the language model's which token ends a text."""
    from chiasm.training.config import Recipe
    from chiasm.training.origin import build_model

    tower, language = _tower(tmp_path / "tower"), _language(tmp_path / "language")
    settings = json.loads((tower / "preprocessor_config.json").read_text())
    settings |= {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (tower / "preprocessor_config.json").write_text(json.dumps(settings))
    config = transformers.LlamaConfig.from_pretrained(language).to_dict()
    words = {key: config[key] for key in ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads")}
    recipe = _recipe(shared_data, {"vision": str(tower), "language": words, "vocabulary": str(language)})
    model, processor = build_model(Recipe.parse(recipe, "here"))
    assert processor.images.mean == (0.5,) * 3
    assert processor.images.std == (0.25,) * 3
    assert model.language_model.config.vocab_size == len(processor.tokenizer)
    vision = transformers.CLIPVisionConfig.from_pretrained(tower).to_dict()
    sizes = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size")
    recipe = _recipe(shared_data, {"vision": {key: vision[key] for key in sizes}, "language": str(language)})
    model, processor = build_model(Recipe.parse(recipe, "here"))
    assert processor.eos_token == "</s>"
    theirs = transformers.LlamaForCausalLM.from_pretrained(language).state_dict()
    ours = model.language_model.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
