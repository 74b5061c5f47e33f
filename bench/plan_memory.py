"""Peak memory of real training runs on the CPU against what `chiasm train --plan` says of them.

Usage: python bench/plan_memory.py WORLD [NAME ...]

WORLD is a drawn world (`chiasm data scenes --out WORLD`). Each run trains two steps in a process of its own, whose
peak resident memory the system reports; models are made from configurations, large enough to stand out from the
interpreter. Each runs twice: with the C library told to give freed memory back (MALLOC_MMAP_THRESHOLD_), which shows
what the run uses, and as `chiasm train` has it, which keeps what it frees.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from chiasm.recipes import tiny
from chiasm.training.config import Recipe
from chiasm.training.plan import GIB, Machine, plan

_SIZES = [
    "model.vision.hidden_size=512",
    "model.vision.intermediate_size=2048",
    "model.vision.num_hidden_layers=6",
    "model.vision.num_attention_heads=8",
    "model.vision.image_size=224",
    "model.vision.patch_size=14",
    "model.language.hidden_size=768",
    "model.language.intermediate_size=2048",
    "model.language.num_hidden_layers=10",
    "model.language.num_attention_heads=12",
    "model.language.num_key_value_heads=12",
    "model.language.tie_word_embeddings=false",
    "model.vocabulary.size=2000",
]
_LORA = "stages.instruct.lora={rank: 64, alpha: 64}"
RUNS: dict[str, tuple[str, list[str]]] = {
    "connector alone": ("align", []),
    "connector alone, checkpointing": ("align", ["stages.align.gradient_checkpointing=true"]),
    "language": ("instruct", []),
    "language, checkpointing": ("instruct", ["stages.instruct.gradient_checkpointing=true"]),
    "language, bfloat16": ("instruct", ["precision=bfloat16"]),
    "adapters": ("instruct", [_LORA]),
    "adapters, checkpointing": ("instruct", [_LORA, "stages.instruct.gradient_checkpointing=true"]),
    "language, packed": ("instruct", ["stages.instruct.pack=true", "stages.instruct.row_length=1024"]),
    "language, packed, cached": (
        "instruct",
        ["stages.instruct.pack=true", "stages.instruct.row_length=2048", "stages.instruct.features=cache"],
    ),
    "connector alone, packed, cached": (
        "align",
        ["stages.align.pack=true", "stages.align.row_length=2048", "stages.align.features=cache"],
    ),
    "tower and language": ("instruct", ["stages.instruct.trains=[vision, connector, language]"]),
}


def recipe(world: Path, name: str, batch_size: int = 8) -> Recipe:
    """The recipe of a run: one stage, two steps."""
    stage, changes = RUNS[name]
    plain = [f"stages.{stage}.{each}" for each in ("row_length=null", "pack=false", "features=computed")]
    every = tiny.recipe(str(world))
    # Only the last stage may train adapters.
    few = every.model_copy(update={"stages": {name: every.stages[name] for name in dict.fromkeys(("align", stage))}})
    whole = few.with_changes([*_SIZES, "workers=1", *plain, *changes])
    chosen = whole.stages[stage].model_copy(update={"steps": 2, "batch_size": batch_size})
    untrained = {"align": whole.stages["align"].model_copy(update={"steps": 0}), stage: chosen}
    return whole.model_copy(update={"stages": untrained})


def measured(run: Recipe, folder: Path, keeps: bool) -> int:
    """Peak resident bytes of `chiasm train` on the recipe."""
    (folder / "recipe.yaml").write_text(run.to_yaml())
    command = [sys.executable, "-m", "chiasm", "train", str(folder / "recipe.yaml"), "--out", str(folder / "run")]
    process = subprocess.Popen(
        [*command, "--device", "cpu"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **({} if keeps else {"MALLOC_MMAP_THRESHOLD_": "1000000"})},
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        assert process.stderr is not None
        raise SystemExit(process.stderr.read().decode())
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def planned(run: Recipe) -> int:
    """What the plan says its largest stage takes."""
    return max(stage.memory[stage.chosen].total for stage in plan(run, Machine(cpu=True)).stages if stage.steps)


def main() -> None:
    world, names = Path(sys.argv[1]), sys.argv[2:] or list(RUNS)
    print(f"{'run':<34}{'planned':>10}{'used':>14}{'ratio':>8}{'kept':>14}{'ratio':>8}")
    for name in names:
        run = recipe(world, name)
        said = planned(run)
        line = f"{name:<34}{said / GIB:>6.2f} GiB"
        for keeps in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                real = measured(run, Path(folder), keeps)
            line += f"{real / GIB:>10.2f} GiB{said / real:>8.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
