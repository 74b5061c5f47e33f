"""What holds of every recipe in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm import recipes, templates
from chiasm.models import connectors
from chiasm.processing.images import POLICIES
from chiasm.training import objectives
from chiasm.training.config import Recipe
from chiasm.training.optim import lr_factor
from chiasm.training.samples import Plan


@pytest.fixture(params=recipes.REGISTRY.names())
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return recipes.find(request.param)


def test_every_name_in_it_exists(recipe: Recipe) -> None:
    connectors.REGISTRY.find(recipe.model.connector)
    for stage in recipe.stages.values():
        templates.find(stage.template)
        POLICIES.find(stage.images)
        objectives.REGISTRY.find(stage.objective)


def test_it_survives_yaml_and_no_change(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert Recipe.from_yaml(tmp_path / "r.yaml") == recipe == recipe.with_changes([])


def test_every_value_can_be_set_to_itself(recipe: Recipe) -> None:
    def leaves(prefix: str, node: object) -> list[str]:
        if isinstance(node, dict) and node:
            return [leaf for key, value in node.items() for leaf in leaves(f"{prefix}.{key}", value)]
        return [f"{prefix[1:]}={'null' if node is None else node}"]

    changes = leaves("", recipe.model_dump(mode="json"))
    assert len(changes) > 40
    assert recipe.with_changes(changes) == recipe


def test_no_part_trains_at_a_rate_that_never_moves(recipe: Recipe) -> None:
    for stage in recipe.stages.values():
        plan = Plan.of(stage, 10_000)
        factors = [lr_factor(stage.optim, step, plan.num_steps) for step in range(plan.num_steps)]
        assert max(factors) == 1.0
        assert min(factors) >= 0


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 10_000),
    st.integers(1, 500),
    st.floats(0, 5) | st.none(),
    st.integers(0, 50),
)
def test_a_plan_sees_what_was_asked_for(num: int, batch: int, epochs: float | None, steps: int) -> None:
    stage = recipes.find("tiny").stages["language"]
    change = {"batch_size": batch, "steps": steps} if epochs is None else {"batch_size": batch, "epochs": epochs}
    plan = Plan.of(stage.model_copy(update={"steps": None, **change}), num)
    if epochs is None:
        assert (plan.num_steps, plan.length) == (steps, steps * batch)
    else:
        assert plan.length == round(epochs * num)
        assert (
            plan.num_steps - 1
        ) * batch < plan.length <= plan.num_steps * batch or plan.length == plan.num_steps == 0
