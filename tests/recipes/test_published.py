"""The published recipes against a table of their own, typed from the papers and the published scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chiasm import recipes
from chiasm.training.config import Lora, Recipe, Stage
from chiasm.training.samples import Plan

GOLDEN = Path(__file__).parents[1] / "golden" / "recipes"

# LLaVA v1: arXiv 2304.08485, section 5 and its README's table; scripts/pretrain.sh, scripts/finetune_full_schedule.sh.
# LLaVA-1.5: arXiv 2310.03744, table 9; scripts/v1_5/pretrain.sh, scripts/v1_5/finetune.sh.
_EVERY_STAGE: dict[str, Any] = {
    "objective": "answers",
    "max_length": 2048,
    "gradient_checkpointing": True,
    "optim.schedule": "cosine",
    "optim.warmup": 0.03,
    "optim.weight_decay": 0.0,
    "optim.betas": (0.9, 0.999),  # AdamW's defaults in transformers' Trainer
    "optim.eps": 1e-8,
    "optim.lr_by_part": {},
    "steps": None,
    "reset_connector": False,
    "lora": None,
}
_V1_5_ALIGN = {
    "trains": ("connector",),
    "template": "plain",
    "images": "square",  # pretrain.sh does not set image_aspect_ratio
    "batch_size": 256,
    "epochs": 1.0,
    "optim.lr": 1e-3,
    "data.order": "shuffled",
    "records": "blip_laion_cc_sbu_558k.json",
}
_V1_5_INSTRUCT = {
    "trains": ("connector", "language"),
    "template": "vicuna_v1",
    "images": "pad",
    "batch_size": 128,
    "epochs": 1.0,
    "optim.lr": 2e-5,
    "data.order": "modality_length",
    "records": "llava_v1_5_mix665k.json",
}
_TABLE: dict[str, dict[str, dict[str, Any]]] = {
    "llava_v1_7b": {
        "model": {
            "vision": "openai/clip-vit-large-patch14",
            "language": "lmsys/vicuna-7b-v1.3",
            "connector": "linear",
        },
        "align": {**_V1_5_ALIGN, "batch_size": 128, "optim.lr": 2e-3, "records": "chat.json"},
        "instruct": {
            **_V1_5_INSTRUCT,
            "images": "square",
            "batch_size": 32,  # the paper's; the script has 128
            "epochs": 3.0,
            "data.order": "shuffled",
            "records": "llava_instruct_150k.json",
        },
    },
    "llava_v15_7b": {
        "model": {
            "vision": "openai/clip-vit-large-patch14-336",
            "language": "lmsys/vicuna-7b-v1.5",
            "connector": "mlp2x_gelu",
        },
        "align": _V1_5_ALIGN,
        "instruct": _V1_5_INSTRUCT,
    },
    "llava_v15_13b": {
        "model": {
            "vision": "openai/clip-vit-large-patch14-336",
            "language": "lmsys/vicuna-13b-v1.5",
            "connector": "mlp2x_gelu",
        },
        "align": _V1_5_ALIGN,
        "instruct": _V1_5_INSTRUCT,
    },
}


_TABLE["llava_v1_13b"] = {
    **_TABLE["llava_v1_7b"],
    "model": {**_TABLE["llava_v1_7b"]["model"], "language": "lmsys/vicuna-13b-v1.3"},
}
for _size in ("7b", "13b"):
    # scripts/v1_5/finetune_lora.sh: --lora_r 128 --lora_alpha 256 --mm_projector_lr 2e-5 --learning_rate 2e-4
    _TABLE[f"llava_v15_{_size}_lora"] = {
        **_TABLE[f"llava_v15_{_size}"],
        "instruct": {
            **_V1_5_INSTRUCT,
            "optim.lr": 2e-4,
            "optim.lr_by_part": {"connector": 2e-5},
            "lora": Lora(rank=128, alpha=256, dropout=0.05, bits=16),
        },
    }
    # scripts/finetune_lora.sh, which leaves rank and alpha at train.py's 64 and 16
    _TABLE[f"llava_v1_{_size}_lora"] = {
        **_TABLE[f"llava_v1_{_size}"],
        "instruct": {
            **_TABLE[f"llava_v1_{_size}"]["instruct"],
            "batch_size": 128,
            "epochs": 1.0,
            "records": "llava_instruct_80k.json",
            "lora": Lora(rank=64, alpha=16, dropout=0.05, bits=16),
        },
    }
    # arXiv 2304.08485, section 5.2; scripts/finetune_sqa.sh
    _TABLE[f"llava_v1_{_size}_scienceqa"] = {
        **_TABLE[f"llava_v1_{_size}"],
        "instruct": {
            **_TABLE[f"llava_v1_{_size}"]["instruct"],
            "epochs": 12.0,
            "records": "llava_train_QCM-LEA.json",
        },
    }


def _value(stage: Stage, path: str) -> Any:
    if path == "records":
        return stage.data.records.rpartition("/")[2]
    node: Any = stage
    for key in path.split("."):
        node = getattr(node, key)
    return node


@pytest.mark.parametrize("name", _TABLE)
def test_every_number_is_the_published_one(name: str) -> None:
    recipe = recipes.find(name)
    assert recipe.name == name
    assert list(recipe.stages) == ["align", "instruct"]
    assert recipe.precision == "bfloat16"
    assert recipe.workers == 4
    model = {**_TABLE[name]["model"], "feature_layer": -2, "class_token": False}
    assert {key: getattr(recipe.model, key) for key in model} == model
    for stage in ("align", "instruct"):
        expected = {**_EVERY_STAGE, **_TABLE[name][stage]}
        assert {path: _value(recipe.stages[stage], path) for path in expected} == expected


@pytest.mark.parametrize("name", _TABLE)
def test_each_pass_at_once_is_that_of_one_published_gpu(name: str) -> None:
    # Eight GPUs of 32 or 16 samples; one of ours takes as much at a time and accumulates the rest.
    stages = recipes.find(name).stages
    micro = {"align": 32 if "v15" in name else 16, "instruct": 16}
    assert {stage: value.micro_batch_size for stage, value in stages.items()} == micro


@pytest.mark.parametrize("name", _TABLE)
def test_resolved_it_is_what_the_golden_file_says(name: str, request: pytest.FixtureRequest) -> None:
    """Every value, whoever set it: a default that changes shows, and so does a field that is new."""
    golden = GOLDEN / f"{name}.yaml"
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(recipes.find(name).to_yaml())
    assert golden.read_text() == recipes.find(name).to_yaml()
    assert Recipe.from_yaml(golden) == recipes.find(name)


def test_there_is_no_golden_file_without_a_recipe() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(_TABLE)


def test_steps_of_the_published_run() -> None:
    """5,198 steps of 128 for the 665,298 samples of the mixture; about 2.18 thousand of 256 for 558,128."""
    stages = recipes.find("llava_v15_7b").stages
    assert Plan.of(stages["instruct"], 665_298).num_steps == 5198
    assert Plan.of(stages["align"], 558_128).num_steps == 2181
    assert Plan.of(recipes.find("llava_v1_7b").stages["align"], 595_375).num_steps == 4652
    assert Plan.of(recipes.find("llava_v1_13b_scienceqa").stages["instruct"], 12_726).num_steps == 4773  # 12 x 12,726


def test_every_recipe_is_listed_and_whole() -> None:
    assert {"tiny", *_TABLE} <= set(recipes.REGISTRY.names())
    for name in recipes.REGISTRY.names():
        recipe = recipes.find(name)
        assert isinstance(recipe, Recipe)
        assert recipe.name == name
        assert recipe is not recipes.find(name)  # nobody can change another's


def test_a_module_from_outside_must_return_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    parent, module = ModuleType("somebody"), ModuleType("somebody.else_")
    module.recipe = lambda: {"name": "no recipe"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody", parent)
    monkeypatch.setitem(sys.modules, "somebody.else_", module)
    with pytest.raises(TypeError, match=r"somebody\.else_"):
        recipes.find("somebody.else_")
