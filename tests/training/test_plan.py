"""What a run will take: published sizes by hand, activations counted by autograd, memory of a real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from chiasm import recipes
from chiasm.cli.plan_table import lines
from chiasm.errors import UserError
from chiasm.models import documents
from chiasm.models.language import build_language, decoder
from chiasm.models.norms import fused
from chiasm.training.activations import Blocks, attended_apart, decoder_block
from chiasm.training.lowering import lowered
from chiasm.training.plan import Machine, RunPlan, StagePlan, plan
from tests.training import micro

EIGHT = Machine(gpus=8, gpu_memory=80)


@pytest.fixture(scope="module")
def seven() -> RunPlan:
    return plan(recipes.find("llava_v15_7b"), EIGHT)


@pytest.mark.parametrize(
    ("name", "language", "connector", "vision"),
    [
        # 1,024 x D + D each first layer, D x D + D each second; LLaMA has 6.7B and 13.0B (arXiv 2302.13971, table 2).
        ("llava_v15_7b", 6_738_415_616, 20_979_712, 303_507_456),
        ("llava_v15_13b", 13_015_864_320, 31_467_520, 303_507_456),
        ("llava_v1_7b", 6_738_415_616, 4_198_400, 303_179_776),
        ("llava_v1_13b", 13_015_864_320, 5_248_000, 303_179_776),
    ],
)
def test_parameters_of_the_published_models(name: str, language: int, connector: int, vision: int) -> None:
    made = plan(recipes.find(name), EIGHT)
    assert made.parameters == {"vision": vision, "connector": connector, "language": language}


def test_steps_tokens_and_cache_of_the_published_run(seven: RunPlan) -> None:
    align, instruct = seven.stages
    assert (align.steps, instruct.steps) == (2181, 5198)
    assert align.picture_tokens == 576
    assert align.cache_bytes == 558_128 * 576 * 1024 * 2
    assert instruct.longest_sample == 2048
    assert seven.fits
    assert 2.5 < align.hours < 5  # published: 3.5 h and 10 h on eight A100
    assert 7 < instruct.hours < 13


def test_adapters_of_the_published_run() -> None:
    """r (in + out) of seven layers in each of 32 blocks: 4 of 4096 x 4096, 3 of 4096 x 11008."""
    instruct = plan(recipes.find("llava_v15_7b_lora"), EIGHT).stages[1]
    assert instruct.trained["language"] == 128 * 32 * (4 * (4096 + 4096) + 3 * (4096 + 11008))


def test_sixteen_bytes_a_trained_number_and_two_a_frozen_one(seven: RunPlan) -> None:
    memory = seven.stages[1].memory["replicated"]
    trained = 6_738_415_616 + 20_979_712
    assert memory.gradients == 4 * trained
    assert memory.optimizer == 8 * trained
    assert memory.weights == (4 + 2) * trained + 2 * 303_507_456  # and autocast's copies
    shared = seven.stages[1].memory["sharded"]
    assert shared.optimizer == memory.optimizer // 8


def test_where_weights_must_be_divided_the_option_is_named(seven: RunPlan) -> None:
    align, instruct = (line for line in lines(seven) if line.startswith("  fits"))
    assert "--parallel shard" in instruct
    assert "--parallel" not in align


def test_what_does_not_fit_is_told_what_to_do() -> None:
    made = plan(recipes.find("llava_v15_7b"), Machine(gpus=1, gpu_memory=24))
    assert not made.fits
    text = "\n".join(lines(made))
    assert "does not fit" in text
    assert "lora" in text
    small = plan(recipes.find("llava_v15_7b_lora"), Machine(gpus=1, gpu_memory=24)).stages[1]
    assert any("micro_batch_size" in advice for advice in small.advice)


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("how", ["trained", "frozen"])
@pytest.mark.parametrize("low", [torch.float32, torch.bfloat16])
def test_a_block_keeps_what_autograd_says_it_keeps(how: str, low: torch.dtype, packed: bool) -> None:
    """A stack of two against a stack of one; weights, and their copies in bfloat16, are counted elsewhere."""
    width, mlp, tokens, bounds = 64, 160, 300, documents.boundaries([300])
    kept = []
    for layers in (1, 2):
        config = {"model_type": "llama", "hidden_size": width, "intermediate_size": mlp, "num_hidden_layers": layers}
        config |= {"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 100}
        model = build_language(config).requires_grad_(how == "trained")
        model.to(torch.float32 if how == "trained" else low)
        x = torch.randn(1, tokens, width, requires_grad=True)
        seen: dict[int, torch.Tensor] = {}
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda t, seen=seen: seen.setdefault(t.untyped_storage().data_ptr(), t), lambda t: t
        )
        attending = documents.attending(model) if packed else nullcontext()
        boundaries = {documents.BOUNDARIES: bounds} if packed else {}
        with fused(model), lowered(model, low), attending, hooks:
            decoder(model)(inputs_embeds=x.to(low), use_cache=False, **boundaries)
        weights = {p.untyped_storage().nbytes() for p in model.parameters()} | {2 * width * width, 2 * width * mlp}
        kept.append(sum(n for n in (t.untyped_storage().nbytes() for t in seen.values()) if n not in weights))
    blocks = Blocks(width, mlp, 2, heads=4)
    expected = decoder_block(blocks, how, low.itemsize)  # type: ignore[arg-type]
    if packed:
        expected += round(attended_apart(blocks, how, tokens, low.itemsize))  # type: ignore[arg-type]
    assert (kept[1] - kept[0]) / tokens == pytest.approx(expected, rel=0.03)


def test_samples_that_are_here_are_counted(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.instruct.epochs=2", "stages.instruct.steps=null")
    stage = plan(recipe, Machine(cpu=True)).stages[1]
    assert stage.samples == len(micro.records(micro_world))
    assert stage.samples_from == "counted"
    assert stage.steps == -(-2 * stage.samples // 4)
    assert stage.picture_tokens == 64


def test_what_cannot_be_known_is_said(micro_world: Path) -> None:
    with pytest.raises(UserError, match=r"no file nowhere\.json.*data\.records"):
        plan(micro.recipe(micro_world, "stages.align.data.records=nowhere.json"), EIGHT)
    with pytest.raises(UserError, match=r"model\.start: the shape of someone/else is not known.*liuhaotian"):
        plan(micro.recipe(micro_world, start="someone/else"), EIGHT)


def test_the_command_line_plans_without_anything_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from chiasm.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["chiasm", "train", "llava_v15_7b", "--plan", "--gpus", "8", "--json"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    said = json.loads(capsys.readouterr().out)
    assert said["parameters"]["connector"] == 20_979_712
    assert said["stages"][1]["memory"]["sharded, checkpointing"]["total"] < 80 * 1024**3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is asked of Linux")
def test_memory_of_a_real_run_is_what_was_planned(micro_world: Path, tmp_path: Path) -> None:
    """`chiasm train` in a process of its own, within 20 %; bench/plan_memory.py does the same for larger models."""
    sizes = ["hidden_size=512", "intermediate_size=1536", "num_hidden_layers=8", "num_attention_heads=8"]
    changes = [f"model.language.{size}" for size in (*sizes, "num_key_value_heads=8")]
    recipe = micro.recipe(micro_world, *changes, "stages.align.steps=0")
    alike = [{**micro.records(micro_world)[0], "id": str(number)} for number in range(8)]  # every batch is the longest
    (tmp_path / "alike.json").write_text(json.dumps(alike))
    recipe = recipe.with_changes([f"stages.instruct.data.records={tmp_path / 'alike.json'}", "stages.instruct.steps=2"])
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    command = [sys.executable, "-m", "chiasm", "train", str(tmp_path / "recipe.yaml"), "--device", "cpu"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment["OMP_NUM_THREADS"] = "1"
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "src")
    # By way of a small process: the peak Linux tells of a child begins with the memory of whoever forked it.
    ask = "import os, subprocess, sys; run = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL); "
    ask += "_, status, usage = os.wait4(run.pid, 0); print(usage.ru_maxrss if status == 0 else -1)"
    asked = [sys.executable, "-c", ask, *command, "--out", str(tmp_path / "run")]
    told = subprocess.run(asked, env=environment, check=True, capture_output=True, text=True)
    peak = int(told.stdout) * 1024
    assert peak > 0, told.stderr
    stage = plan(recipe, Machine(cpu=True)).stages[1]
    assert stage.memory[stage.chosen].total == pytest.approx(peak, rel=0.2)


def _instruct(micro_world: Path, *changes: str, batch_size: int = 64) -> StagePlan:
    changed = micro.recipe(micro_world, f"stages.instruct.batch_size={batch_size}", *changes)
    return plan(changed, Machine(cpu=True)).stages[1]


def test_a_packed_row_is_what_goes_through_at_once(micro_world: Path) -> None:
    packed = ("stages.instruct.pack=true", "stages.instruct.max_length=200")
    padded = _instruct(micro_world, "stages.instruct.max_length=200").memory["replicated"]
    short, long = (
        _instruct(micro_world, *packed, f"stages.instruct.row_length={length}").memory["replicated"]
        for length in (400, 800)
    )
    assert short.weights == long.weights == padded.weights
    assert short.activations < long.activations < padded.activations
    # Twice the tokens keep twice as much, in a row of either length; pictures go with them.
    assert 1.8 < long.activations / short.activations < 2.2
    assert 1.7 < long.logits / short.logits < 2.4
    # A step of two samples fills no row.
    assert _instruct(micro_world, *packed, "stages.instruct.row_length=800", batch_size=2).micro_batch == 2


def test_cached_features_spare_the_tower_of_a_stage(micro_world: Path) -> None:
    # A tower so wide that what passes through it is the most that is there at once.
    align = ("stages.align.batch_size=64", "stages.align.micro_batch_size=64", "model.vision.intermediate_size=65536")
    computed, cached = (
        plan(micro.recipe(micro_world, *align, f"stages.align.features={way}"), Machine(cpu=True)).stages[0]
        for way in ("computed", "cache")
    )
    assert cached.cache_bytes == computed.cache_bytes > 0
    assert cached.memory["replicated"].total < computed.memory["replicated"].total


def test_a_packed_stage_that_does_not_fit_is_told_of_shorter_rows() -> None:
    changes = ("stages.instruct.pack=true", "stages.instruct.row_length=65536", "stages.instruct.lora={}")
    found = plan(recipes.find("llava_v15_7b").with_changes(changes), Machine(gpus=1, gpu_memory=40)).stages[1]
    assert not found.fits
    assert any("row_length=" in advice for advice in found.advice), found.advice
