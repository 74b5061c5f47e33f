"""`--set a.b=value`: values as people type them, paths that exist."""

from __future__ import annotations

from typing import Any

import pytest

from chiasm import recipes
from chiasm.errors import UserError
from chiasm.training.config import Recipe


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return recipes.find("llava_v15_7b")


def _value(recipe: Recipe, path: str) -> Any:
    node: Any = recipe.model_dump()
    for key in path.split("."):
        node = node[key]
    return node


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("stages.align.optim.lr", "2e-3", 2e-3),
        ("stages.align.optim.lr", "2E-3", 2e-3),
        ("stages.align.optim.lr", "1", 1.0),
        ("stages.align.gradient_checkpointing", "False", False),
        ("stages.align.gradient_checkpointing", "false", False),
        ("stages.align.gradient_checkpointing", "no", False),
        ("stages.align.gradient_checkpointing", "0", False),
        ("stages.align.gradient_checkpointing", "true", True),
        ("stages.align.micro_batch_size", "null", None),
        ("stages.align.micro_batch_size", "", None),
        ("stages.align.optim.clip_norm", "null", None),
        ("stages.align.steps", "100", 100),
        ("stages.align.data.records", "a=b.json", "a=b.json"),
        ("stages.align.trains", "[connector, vision]", ("connector", "vision")),
        ("stages.align.optim.lr_by_part.connector", "2e-5", 2e-5),
        ("stages.align.optim.betas", "[0.9, 9.5e-1]", (0.9, 0.95)),
        ("model.vision", "my/tower", "my/tower"),
        ("name", "1e5x", "1e5x"),
        ("seed", "7", 7),
    ],
)
def test_one_change(recipe: Recipe, path: str, text: str, value: Any) -> None:
    changed = recipe.with_changes([f"{path}={text}"])
    assert _value(changed, path) == value
    assert type(_value(changed, path)) is type(value)
    # Nothing else moved.
    back = (
        [f"{path}={_yaml(_value(recipe, path))}"] if "lr_by_part" not in path else ["stages.align.optim.lr_by_part={}"]
    )
    assert changed.with_changes(back) == recipe


def _yaml(value: Any) -> str:
    return "null" if value is None else str(list(value) if isinstance(value, tuple) else value)


def test_later_changes_win_and_the_recipe_itself_stays(recipe: Recipe) -> None:
    before = recipe.to_yaml()
    assert recipe.with_changes(["seed=1", "seed=2"]).seed == 2
    assert recipe.to_yaml() == before


def test_a_star_is_every_stage(recipe: Recipe) -> None:
    changed = recipe.with_changes(["stages.*.optim.lr=3e-4", "stages.instruct.optim.lr=1e-5"])
    rates = {name: stage.optim.lr for name, stage in changed.stages.items()}
    assert rates == {**dict.fromkeys(recipe.stages, 3e-4), "instruct": 1e-5}


def test_a_configuration_can_be_changed_key_by_key() -> None:
    changed = recipes.find("tiny").with_changes(["model.vision.hidden_size=64"])
    assert isinstance(changed.model.vision, dict)
    assert changed.model.vision["hidden_size"] == 64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stages.algn.optim.lr=1", "did you mean 'align'"),
        ("stages.align.optm.lr=1", "did you mean 'optim'"),
        ("stages.align.optim.learn=1", "stages.align.optim.learn: unknown key"),
        ("stages.align.optim.wamup=1", "did you mean 'warmup'"),
        ("stages.*.optm.lr=1", "did you mean 'optim'"),
        ("stages.*=1", "stages"),
        ("sed=1", "did you mean 'seed'"),
        ("name.first=1", "nothing called 'name'"),
        ("stages.align.batch_size=0", "greater than or equal to 1"),
        ("stages.align.batch_size=lots", "integer"),
        ("stages.align.micro_batch_size=7", "not divisible"),
        ("stages.align.gradient_checkpointing=nope", "boolean"),
        ("seed", "expected a.b=value"),
        ("=1", "expected a.b=value"),
        ("seed=[", "not YAML"),
        ("seed=*a", "aliases"),
        ("seed=!!python/name:os.system", "not YAML"),
        ("seed=2024-13-45", "not YAML"),
        ("seed=" + "[" * 100_000, "not YAML"),
        ("seed={a: 1, a: 2}", "twice"),
        ("stages..optim=1", "nothing called 'stages.'"),
    ],
)
def test_what_is_refused(recipe: Recipe, change: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        recipe.with_changes([change])
    assert says in str(refused.value)
    assert "--set" in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_a_recipe_may_end_with_any_of_its_stages(recipe: Recipe) -> None:
    first, *_, last = recipe.stages
    assert recipe.until(last) == recipe
    assert recipe.until(first).stages == {first: recipe.stages[first]}
    with pytest.raises(UserError, match=rf"--until '{first}s': no stage of '{recipe.name}', did you mean '{first}'"):
        recipe.until(f"{first}s")
