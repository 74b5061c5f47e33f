"""Packed stages learn what padded ones do, from the same samples, and are resumed to the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import _dynamo as dynamo

from chiasm.errors import UserError
from chiasm.training.run import run
from tests.training import micro

_PACKED = tuple(
    f"stages.{stage}.{field}"
    for stage in ("align", "instruct")
    for field in ("pack=true", "max_length=200", "row_length=400", "row_pictures=3")
)


def _curve(run: Path) -> list[tuple[str, int, float, int, int]]:
    return [(m["stage"], m["step"], m["loss"], m["num_trained"], m["num_samples"]) for m in micro.metrics(run)]


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("stages.instruct.gradient_checkpointing=true",),
        ("stages.instruct.logits_at_once=5",),
        ("stages.align.row_length=200", "stages.instruct.row_length=200"),
    ],
    ids=str,
)
def test_the_loss_curve_is_that_of_padded_batches(micro_world: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    run(micro.recipe(micro_world, "stages.instruct.max_length=200", "stages.align.max_length=200"), tmp_path / "padded")
    run(micro.recipe(micro_world, *_PACKED, *more), tmp_path / "packed")
    padded, packed = _curve(tmp_path / "padded"), _curve(tmp_path / "packed")
    assert len(padded) == 8
    for one, other in zip(padded, packed, strict=True):
        assert one[:2] + one[3:] == other[:2] + other[3:]
        assert one[2] == pytest.approx(other[2], abs=2e-5)


# Dynamo looks at `.grad` of whatever it meets.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_packing_with_compiled_blocks(micro_world: Path, tmp_path: Path) -> None:
    """Through dynamo without its code generator, which needs a compiler: the graphs must hold together."""
    recipe = micro.recipe(micro_world, *_PACKED, "stages.instruct.steps=2", stages=("align", "instruct"))
    run(recipe, tmp_path / "eager")
    compiled = recipe.with_changes(["stages.align.compile=true", "stages.instruct.compile=true"])
    with torch.compiler.set_stance("default"), pytest.MonkeyPatch.context() as patch:
        original = torch.compile
        patch.setattr(torch, "compile", lambda *a, **k: original(*a, **{**k, "backend": "aot_eager"}))
        dynamo.utils.counters.clear()
        run(compiled, tmp_path / "compiled")
    assert not dynamo.utils.counters["graph_break"]
    for one, other in zip(_curve(tmp_path / "eager"), _curve(tmp_path / "compiled"), strict=True):
        assert one[2] == pytest.approx(other[2], abs=2e-5)


def test_a_killed_packed_run_ends_in_the_same_bits(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, *_PACKED, "precision=bfloat16", "save_every=2", "stages.instruct.steps=6")
    run(recipe, tmp_path / "unbroken")
    for number, at in enumerate((("align", 3), ("instruct", 1), ("instruct", 5))):
        with pytest.raises(micro.Killed):
            run(recipe, tmp_path / "run", resume=number > 0, reporter=micro.Recorder(fail_at=at))
    run(recipe, tmp_path / "run", resume=True)
    assert micro.metrics(tmp_path / "run") == micro.metrics(tmp_path / "unbroken")
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "unbroken")


def test_what_makes_no_sense_is_refused(micro_world: Path) -> None:
    with pytest.raises(UserError, match="row_length 100 holds no sample of max_length 512"):
        micro.recipe(micro_world, "stages.align.pack=true", "stages.align.row_length=100")
    with pytest.raises(UserError, match="add 'pack: true'"):
        micro.recipe(micro_world, "stages.align.row_pictures=2")
    with pytest.raises(UserError, match="'patches' knows neither"):
        micro.recipe(micro_world, "stages.see.pack=true", stages=("see", "align"))
    with pytest.raises(UserError, match="this stage trains 'vision'"):
        micro.recipe(micro_world, "stages.align.trains=[vision,connector]", "stages.align.features=cache")
