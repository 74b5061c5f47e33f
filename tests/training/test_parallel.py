"""Several processes learn what one would: the same samples, the same losses, from any number to any other."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from chiasm import checkpoints
from chiasm.data import order
from chiasm.errors import UserError
from chiasm.training import state
from chiasm.training.config import Recipe
from chiasm.training.features import CacheSettings
from chiasm.training.run import run
from tests.training import micro
from tests.training.processes import Job, start

pytestmark = pytest.mark.timeout(300)  # the first test pays for all the runs


class Place:
    """Recipes of this file, each with the folder of the run of one process that did it, and what several said."""

    def __init__(self, world: Path, folder: Path) -> None:
        self._world, self.folder = world, folder
        self.recipes: dict[str, Recipe] = {}
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.errors: dict[str, str] = {}

    def alone(self, name: str, *changes: str, stages: tuple[str, ...] = ("align", "instruct"), **how: Any) -> None:
        recipe = micro.recipe(self._world, *changes, stages=stages)
        (self.folder / f"{name}.yaml").write_text(recipe.to_yaml())
        self.recipes[name] = recipe
        run(recipe, self.folder / name, **how)

    def job(self, recipe: str, run: str, **how: Any) -> Job:
        return Job(str(self.folder / f"{recipe}.yaml"), str(self.folder / run), **how)

    def do(self, *groups: tuple[int, dict[str, Job]]) -> None:
        told = start([(size, list(jobs.values())) for size, jobs in groups], self.folder / "jobs")
        for (_, jobs), said in zip(groups, told, strict=True):
            self.told |= dict(zip(jobs, said, strict=True))

    def resume(self, recipe: str, run_: str) -> micro.Recorder:
        """Go on with a copy of a run, in this process alone."""
        copied = shutil.copytree(self.folder / run_, self.folder / f"{run_} alone")
        recorder = micro.Recorder()
        run(self.recipes[recipe], copied, resume=True, reporter=recorder)
        return recorder


def _micro(size: int) -> tuple[str, ...]:
    return tuple(f"stages.{stage}.micro_batch_size={size}" for stage in ("align", "instruct"))


def _mixed(world: Path, folder: Path) -> Path:
    """Records of which some have no picture, some cannot be used."""
    records = micro.records(world)
    for index in _TEXT:
        turns = [{**turn, "value": turn["value"].replace("<image>", "").strip()} for turn in _turns(records[index])]
        records[index] = {"id": f"text{index}", "conversations": turns}
    for index in _ABSENT:
        records[index] = {**records[index], "image": "absent.png"}
    path = folder / "mixed.json"
    path.write_text(json.dumps(records))
    return path


def _turns(record: dict[str, Any]) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = record["conversations"]
    return turns


_TEXT, _ABSENT = range(8, 28), (1, 30)


@pytest.fixture(scope="module")
def place(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """All runs of this file. Processes take seconds to start: few starts, many runs."""
    folder = tmp_path_factory.mktemp("parallel")
    place = Place(micro_world, folder)
    place.alone("halves", *_micro(2), "precision=bfloat16", "save_every=2")
    short = "stages.align.steps=1"
    place.alone("quarters", *_micro(1), short)
    mixed = (
        short,
        f"stages.instruct.data.records={_mixed(micro_world, folder)}",
        "stages.instruct.data.max_dropped=0.5",
        "stages.instruct.batch_size=2",
        "stages.instruct.steps=18",
        "stages.instruct.optim.weight_decay=0.5",
    )
    place.alone("mixed", *mixed)
    with pytest.raises(UserError) as stopped:
        place.alone("few", *mixed, "stages.instruct.data.max_dropped=0.04")
    place.errors["few"] = str(stopped.value)
    packed = [f"stages.{s}.{f}" for s in ("align", "instruct") for f in ("pack=true", "features=cache")]
    place.alone("packed", short, *packed, cache=CacheSettings(folder / "cache of one"))
    twice = ("stages.instruct.gradient_checkpointing=true", "stages.instruct.lora={rank: 3, alpha: 6, dropout: 0}")
    place.alone("adapters", short, *twice, "model.dtype=float32")
    every = "stages.instruct.trains=[vision, connector, language]"
    place.alone("seeing", short, "stages.see.steps=2", every, stages=("see", "align", "instruct"))
    # What one process began and several shall end.
    with pytest.raises(micro.Killed):
        run(place.recipes["halves"], folder / "begun", reporter=micro.Recorder(fail_at=("instruct", 3)))
    cache = str(folder / "cache of many")
    four = {
        "basics": Job(),
        "quarters": place.job("quarters", "quarters by 4"),
        "hybrid": place.job("quarters", "quarters hybrid", layout="hybrid", per_node=2),
        "stopped_by_4": place.job("adapters", "adapters by 4", layout="shard", ask=(3, 2)),
    }
    two = {
        "halves": place.job("halves", "halves by 2"),
        "stopped": place.job("halves", "stopped", ask=(6, 1)),
        "divided": place.job("halves", "divided", layout="shard", ask=(6, 1)),
        "begun": place.job("halves", "begun", layout="shard", resume=True),
        "mixed": place.job("mixed", "mixed by 2"),
        "mixed_divided": place.job("mixed", "mixed divided", layout="shard"),
        "packed": place.job("packed", "packed by 2", layout="shard", cache=cache),
        "warm": place.job("packed", "packed warm", cache=cache),
        "adapters": place.job("adapters", "adapters by 4", layout="shard", resume=True),
        "seeing": place.job("seeing", "seeing divided", layout="shard"),
        "few": place.job("few", "few by 2"),
        "failed": place.job("halves", "failed", die=(3, 1)),
    }
    place.do((4, four), (2, two))
    return place


def _like(place: Place, one: str, other: str, tolerance: float = 2e-5) -> None:
    """The same samples, losses, norms and weights, up to rounding."""
    for mine, theirs in zip(micro.metrics(place.folder / one), micro.metrics(place.folder / other), strict=True):
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            rounded = key == "loss" or key.startswith("grad_norm")
            assert theirs[key] == (pytest.approx(value, rel=10 * tolerance, abs=tolerance) if rounded else value), key
    found, expected = (
        checkpoints.load(place.folder / name / "final", progress=False).model.state_dict() for name in (other, one)
    )
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=20 * tolerance), name


@pytest.mark.parametrize(("recipe", "size"), [("halves", 2), ("quarters", 4)])
def test_a_micro_batch_for_each_process_gives_the_same_bits(place: Place, recipe: str, size: int) -> None:
    """Gradients are added up in the order of the processes, as one process adds up those of its micro-batches."""
    several = place.folder / f"{recipe} by {size}"
    assert micro.metrics(several) == micro.metrics(place.folder / recipe)
    assert micro.weights(several) == micro.weights(place.folder / recipe)
    first, *others = place.told[recipe]
    assert first["begun"] == [["align", 0], ["instruct", 0]]
    assert all(not other["begun"] and not other["notes"] for other in others)
    names = {path.name for path in several.iterdir()}
    assert names == {path.name for path in (place.folder / recipe).iterdir()}


@pytest.mark.parametrize(
    ("recipe", "run_"),
    [
        ("quarters", "quarters hybrid"),
        ("mixed", "mixed by 2"),
        ("mixed", "mixed divided"),
        ("packed", "packed by 2"),
        ("packed", "packed warm"),
        ("seeing", "seeing divided"),
    ],
)
def test_any_layout_learns_what_one_process_does(place: Place, recipe: str, run_: str) -> None:
    _like(place, recipe, run_)


def test_bfloat16_is_gathered_and_computed_in_it(place: Place) -> None:
    """Alone it is computed so, too, but added up in another order."""
    _like(place, "halves", "begun", tolerance=2e-3)


def test_steps_of_text_and_of_both_kinds_were_there(place: Place) -> None:
    """Else the test above shows nothing: some processes had no picture, and some steps."""
    seen = [index for epoch in (0,) for index in order.shuffled(40, place.recipes["mixed"].seed, epoch)][:36]
    kinds = [tuple(index in _TEXT for index in seen[i : i + 2]) for i in range(0, 36, 2)]
    assert {(True, True), (False, False)} <= set(kinds)
    assert {(True, False), (False, True)} & set(kinds)


def test_what_is_dropped_is_counted_once_and_in_order(place: Place) -> None:
    for other in ("mixed by 2", "mixed divided"):
        assert micro.dropped(place.folder / other) == micro.dropped(place.folder / "mixed")
    first, second = place.told["mixed"]
    assert first["ended"]["instruct"] == "2 missing"
    assert second["ended"] == {}


def test_too_many_dropped_stop_all(place: Place) -> None:
    first, second = place.told["few"]
    assert first["error"] == second["error"] == place.errors["few"]
    assert "2 of 40 samples" in first["error"]
    assert micro.dropped(place.folder / "few by 2") == micro.dropped(place.folder / "few")


def test_a_signal_to_one_stops_all_at_the_same_step_and_one_goes_on(place: Place) -> None:
    assert [each["stopped"] for each in place.told["stopped"]] == [signal.SIGTERM, signal.SIGTERM]
    saved = state.newest_first(place.folder / "stopped" / "checkpoints", "instruct")
    assert [path.name for path in saved] == ["instruct-0000002"]
    recorder = place.resume("halves", "stopped")
    assert recorder.begun == [("instruct", 2)]
    assert any("began with 2 processes and goes on with 1 processes" in note for note in recorder.notes)
    assert micro.weights(place.folder / "stopped alone") == micro.weights(place.folder / "halves")
    assert micro.metrics(place.folder / "stopped alone") == micro.metrics(place.folder / "halves")


def test_what_several_divided_one_goes_on_with(place: Place) -> None:
    assert [each["stopped"] for each in place.told["divided"]] == [signal.SIGTERM, signal.SIGTERM]
    (saved,) = state.newest_first(place.folder / "divided" / "checkpoints", "instruct")
    files = {path.name for path in saved.iterdir()}
    shards = {f"shard-0000{rank}-model-00001-of-00001.safetensors" for rank in (1, 2)}
    assert files == {*shards, "position.json", "complete.json"}
    place.resume("halves", "divided")
    _like(place, "halves", "divided alone", tolerance=2e-3)


def test_what_one_began_several_end(place: Place) -> None:
    first = place.told["begun"][0]
    assert first["begun"] == [["instruct", 2]]


def test_four_that_divided_are_followed_by_two(place: Place) -> None:
    assert [each["stopped"] for each in place.told["stopped_by_4"]] == [signal.SIGTERM] * 4
    assert place.told["adapters"][0]["begun"] == [["instruct", 2]]
    _like(place, "adapters", "adapters by 4")


def test_a_damaged_part_of_a_divided_checkpoint_is_passed_over(place: Place) -> None:
    (saved,) = state.newest_first(place.folder / "divided" / "checkpoints", "instruct")
    hurt = shutil.copytree(place.folder / "divided", place.folder / "hurt") / "checkpoints" / saved.name
    path = hurt / "shard-00002-model-00001-of-00001.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    recorder = place.resume("halves", "hurt")
    assert any("passed over" in note and path.name in note for note in recorder.notes)
    assert recorder.begun == [("instruct", 0)]


def test_the_cache_is_filled_by_all_and_read_by_all(place: Place) -> None:
    notes = place.told["packed"][0]["notes"]
    assert any("40 pictures take" in note for note in notes)
    assert any("20 of 20 pictures (the share of one of 2 processes)" in note for note in notes)
    (folder,) = (place.folder / "cache of many").iterdir()
    assert len(list(folder.glob("*.features"))) == 2
    assert any("all 40 pictures" in note for note in place.told["warm"][0]["notes"])


def test_a_process_that_fails_ends_the_others_with_its_reason(place: Place) -> None:
    first, second = place.told["failed"]
    assert first["error"] == "process 1 of 2: this process fails alone"
    assert second["error"] == "this process fails alone"
    assert first["kind"] == second["kind"] == "Told"


def test_an_objective_that_goes_past_the_model_is_replicated(place: Place) -> None:
    notes = place.told["seeing"][0]["notes"]
    assert [note for note in notes if "replicated" in note] == [
        "stage see: objective 'patches' is replicated, it cannot be divided"
    ]


def test_what_processes_tell_each_other_and_add_up(place: Place) -> None:
    assert len(place.told["basics"]) == 4
    for told in place.told["basics"]:
        assert told["short"] == [{"from": rank} for rank in range(4)]
        assert told["long"] == [0, 30_000, 60_000, 90_000]
        assert told["first"] == "made by 0"
        assert told["sums"] == [[1111.0], [1111.0], [1111.0], [], [1111.0]]
        # In float32 1e8 + 1 is 1e8: in the order of ranks ((1e8 + 1) - 1e8) + 1 is 1, in others 2 or 0.
        assert told["in order"] == 1.0
