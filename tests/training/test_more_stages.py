"""A run goes on with stages added behind its last, as if it had been begun with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.training.config import Recipe
from chiasm.training.history import RunHistory
from chiasm.training.run import run
from tests.training import micro

FEWER = ("talk", "align")


def _recipe(world: Path, *changes: str, stages: tuple[str, ...] = (*FEWER, "instruct")) -> Recipe:
    return micro.recipe(world, "save_every=2", *changes, stages=stages)


@pytest.fixture(scope="module")
def unbroken(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that had all stages from the beginning."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(_recipe(micro_world), folder)
    return folder


@pytest.fixture
def finished(micro_world: Path, tmp_path: Path) -> Path:
    """A finished run of the first two stages."""
    run(_recipe(micro_world, stages=FEWER), tmp_path / "run")
    return tmp_path / "run"


def _is_whole(folder: Path, unbroken: Path) -> None:
    assert micro.weights(folder) == micro.weights(unbroken)
    assert micro.metrics(folder) == micro.metrics(unbroken)


def test_a_finished_run_goes_on(micro_world: Path, unbroken: Path, finished: Path) -> None:
    """The model of before is kept, and who watches sees the new stage."""
    history, before = RunHistory(finished), micro.weights(finished)
    assert history.read()
    run(_recipe(micro_world), finished, resume=True)
    _is_whole(finished, unbroken)
    kept = {path.name: path.read_bytes() for path in (finished / "after_align").glob("*.safetensors")}
    assert kept == before
    assert history.read()
    assert [(name, stage.step) for name, stage in history.stages.items()] == [
        ("talk", 4),
        ("align", 4),
        ("instruct", 4),
    ]
    run(Recipe.from_yaml(finished / "recipe.yaml"), finished, resume=True)  # finished: nothing to do
    assert len(micro.metrics(finished)) == 12


def test_a_stopped_run_goes_on(micro_world: Path, unbroken: Path, tmp_path: Path) -> None:
    with pytest.raises(micro.Killed):
        run(_recipe(micro_world, stages=FEWER), tmp_path / "run", reporter=micro.Recorder(fail_at=("align", 3)))
    run(_recipe(micro_world), tmp_path / "run", resume=True)
    _is_whole(tmp_path / "run", unbroken)
    assert not list((tmp_path / "run").glob("after_*"))


def test_a_new_stage_that_cannot_begin_may_be_mended_or_left_out(
    micro_world: Path, unbroken: Path, finished: Path, tmp_path: Path
) -> None:
    """Until it has begun nothing of it is fixed: neither its settings nor its data."""
    before, records = micro.weights(finished), tmp_path / "records.json"
    records.write_text((micro_world / "instruct_train.json").read_text().replace("train/", "nowhere/"))
    with pytest.raises(UserError, match=r"max_dropped|cannot be used|left out"):
        run(_recipe(micro_world, f"stages.instruct.data.records={records}"), finished, resume=True)
    run(_recipe(micro_world, stages=FEWER), finished, resume=True)
    assert micro.weights(finished) == before
    (finished / "after_align").rename(tmp_path / "first")
    run(_recipe(micro_world), finished, resume=True)
    _is_whole(finished, unbroken)


def test_a_run_that_was_cleared_up_is_finished_and_takes_no_more_stages(micro_world: Path, finished: Path) -> None:
    shutil.rmtree(finished / "stages")
    before = micro.weights(finished)
    run(_recipe(micro_world, stages=FEWER), finished, resume=True)
    for stages in ((*FEWER, "instruct"), FEWER[:1]):
        with pytest.raises(UserError, match=r"stages was cleared away, .* model\.start"):
            run(_recipe(micro_world, stages=stages), finished, resume=True)
    assert micro.weights(finished) == before


def test_killed_while_the_model_made_room(micro_world: Path, unbroken: Path, finished: Path) -> None:
    """The recipe was written already: the model that is there is not that of all stages."""
    recipe = _recipe(micro_world)
    (finished / "recipe.yaml").write_text(recipe.to_yaml())
    run(recipe, finished, resume=True)
    _is_whole(finished, unbroken)
    assert (finished / "after_align").is_dir()


def test_what_has_begun_stays_as_it_was(micro_world: Path, finished: Path) -> None:
    """And what differs is named, beside a stage that is new."""
    for changes, message in (
        (["save_every=3"], r"another recipe: 'save_every: 2' then, 'save_every: 3' now"),
        (["stages.talk.optim.lr=1e-4"], r"another recipe: 'lr: 0\.002' then, 'lr: 0\.0001' now"),
    ):
        with pytest.raises(UserError, match=message):
            run(_recipe(micro_world).with_changes(changes), finished, resume=True)
    with pytest.raises(UserError, match=r"begun with stages talk, align, and this recipe with align, instruct\. Only"):
        run(_recipe(micro_world, stages=("align", "instruct")), finished, resume=True)
    run(_recipe(micro_world, stages=FEWER), finished, resume=True)


def test_two_models_of_the_same_stage_are_told(micro_world: Path, finished: Path) -> None:
    (finished / "after_align").mkdir()
    with pytest.raises(UserError, match=r"final should become .*after_align, which is there already"):
        run(_recipe(micro_world), finished, resume=True)
    assert Recipe.from_yaml(finished / "recipe.yaml") == _recipe(micro_world, stages=FEWER)
