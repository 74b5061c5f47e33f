"""Recipes as YAML: written and read without loss, refused with the field and the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chiasm import recipes
from chiasm.errors import UserError
from chiasm.training.config import Augment, Recipe

_DATA = {"records": "r.json", "images": "photos"}
_STAGE: dict[str, Any] = {"trains": ["connector"], "data": _DATA, "batch_size": 8, "optim": {"lr": 1e-3}}
_SMALL: dict[str, Any] = {
    "name": "mine",
    "model": {"vision": "tower", "language": "words"},
    "stages": {"align": _STAGE},
}


def _with(path: str, value: Any) -> dict[str, Any]:
    """The small recipe with one more or another value at `path`."""
    tree: dict[str, Any] = yaml.safe_load(yaml.safe_dump(_SMALL))
    node = tree
    *way, last = path.split(".")
    for key in way:
        node = node.setdefault(key, {})
    node[last] = value
    return tree


def _refusal(value: object) -> str:
    with pytest.raises(UserError) as refused:
        Recipe.parse(value, "my.yaml")
    assert str(refused.value).startswith("my.yaml: ")
    return str(refused.value)


@pytest.mark.parametrize("name", recipes.REGISTRY.names())
def test_every_recipe_goes_through_yaml_without_loss(name: str, tmp_path: Path) -> None:
    recipe = recipes.find(name)
    (tmp_path / "r.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert recipes.find(str(tmp_path / "r.yaml")) == recipe
    assert Recipe.from_yaml(tmp_path / "r.yaml").to_yaml() == recipe.to_yaml()


def test_the_smallest_recipe_is_enough() -> None:
    recipe = Recipe.parse(_SMALL, "here")
    assert recipe.stages["align"].trains == ("connector",)
    assert recipe.stages["align"].optim.lr == 1e-3


@pytest.mark.parametrize("number", ["2e-3", "2.0e-3", "0.002"])
def test_numbers_as_people_write_them(number: str, tmp_path: Path) -> None:
    text = yaml.safe_dump(_with("stages.align.optim.lr", "HERE")).replace("HERE", number)
    (tmp_path / "r.yaml").write_text(text)
    assert Recipe.from_yaml(tmp_path / "r.yaml").stages["align"].optim.lr == 2e-3


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("precison", "precision"),
        ("model.visoin", "vision"),
        ("model.vocabulary", None),
        ("stages.align.batch_sise", "batch_size"),
        ("stages.align.data.image", "images"),
        ("stages.align.optim.learning_rat", None),
        ("stages.align.optim.warm_up", "warmup"),
        ("stages.align.augment", None),
        ("sample_time_out", "sample_timeout"),
    ],
)
def test_an_unknown_key_is_refused_at_every_level(path: str, nearest: str | None) -> None:
    wrong = {"model.vocabulary": {"records": ["r.json"], "sise": 400}, "stages.align.augment": {"brightnes": 0.1}}
    message = _refusal(_with(path, wrong.get(path, 1)))
    if path == "model.vocabulary":
        path, nearest = "model.vocabulary.Vocabulary.sise", "size"
    if path == "stages.align.augment":
        path, nearest = "stages.align.augment.brightnes", "brightness"
    assert f"{path}: unknown key" in message
    if nearest:
        assert f"did you mean '{nearest}'" in message


def test_all_wrong_fields_are_named_at_once() -> None:
    tree = _with("stages.align.batch_size", 0)
    tree["seed"], tree["stages"]["align"]["optim"]["lr"] = -1, "fast"
    message = _refusal(tree)
    assert all(field in message for field in ("seed", "stages.align.batch_size", "stages.align.optim.lr"))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("stages.align.batch_size", 0, "greater than or equal to 1"),
        ("stages.align.batch_size", -1, "greater than or equal to 1"),
        ("stages.align.batch_size", 10**9, "less than or equal to"),
        ("stages.align.batch_size", "many", "integer"),
        ("stages.align.batch_size", True, "number"),
        ("stages.align.batch_size", 1.5, "integer"),
        ("stages.align.micro_batch_size", 3, "batch_size 8 is not divisible by micro_batch_size 3"),
        ("stages.align.micro_batch_size", 0, "greater than or equal to 1"),
        ("stages.align.micro_batch_size", 16, "batch_size 8 is not divisible by micro_batch_size 16"),
        ("stages.align.epochs", -1, "greater than or equal to 0"),
        ("stages.align.epochs", float("inf"), "finite"),
        ("stages.align.steps", -1, "greater than or equal to 0"),
        ("stages.align.max_length", 1, "greater than or equal to 2"),
        ("stages.align.max_length", 10**8, "less than or equal to"),
        ("stages.align.max_length", float("nan"), "finite number"),
        ("stages.align.trains", [], "at least 1 item"),
        ("stages.align.trains", ["projector"], "'vision', 'connector' or 'language'"),
        ("stages.align.trains", "connector", "tuple"),
        ("stages.align.gradient_checkpointing", "perhaps", "boolean"),
        ("stages.align.data.order", "sorted", "'shuffled', 'modality_length' or 'short_first'"),
        ("stages.align.data.max_dropped", 1.5, "less than or equal to 1"),
        ("stages.align.data", "r.json", "data"),
        ("stages.align.optim.lr", 0, "greater than 0"),
        ("stages.align.optim.lr", float("nan"), "finite"),
        ("stages.align.optim.lr", float("inf"), "finite"),
        ("stages.align.optim.lr", True, "number"),
        ("stages.align.optim.lr_by_part", {"connector": -1}, "greater than 0"),
        ("stages.align.optim.lr_by_part", {"projector": 1}, "'vision', 'connector' or 'language'"),
        ("stages.align.optim.lr_by_part", {"language": 1e-5}, "language"),  # it does not train here
        ("stages.align.optim.betas", [0.9, 1.0], "less than 1"),
        ("stages.align.optim.betas", [0.9], "betas"),
        ("stages.align.optim.eps", 0, "greater than 0"),
        ("stages.align.optim.clip_norm", 0, "greater than 0"),
        ("stages.align.optim.warmup", 2, "less than or equal to 1"),
        ("stages.align.reset_connector", None, "boolean"),
        ("save_every", 0, "greater than or equal to 1"),
        ("keep_checkpoints", 0, "greater than or equal to 1"),
        ("workers", 0, "greater than or equal to 1"),
        ("sample_timeout", 0, "greater than 0"),
        ("sample_timeout", 7200, "less than or equal to 3600"),
        ("stages.align.augment.brightness", 1.5, "less than or equal to 1"),
        ("stages.align.augment.contrast", -0.1, "greater than or equal to 0"),
        ("stages.align.augment.saturation", True, "number"),
        ("stages.align.augment.crop", 0.3, "less than or equal to 0.25"),
        ("seed", 1 << 64, "less than"),
        ("precision", "float8", "'float32' or 'bfloat16'"),
        ("stages", {}, "at least 1 item"),
        ("stages", {"../align": _STAGE}, "stages"),
        ("stages", {"a/b": _STAGE}, "stages"),
        ("stages", {"": _STAGE}, "stages"),
        ("stages", {1: _STAGE}, "stages"),
        ("name", "../mine", "name"),
        ("name", 5, "string"),
        ("model", {"vision": "tower"}, "either 'start'"),
        ("model", {}, "either 'start'"),
        ("model", {"start": "a", "vision": "b", "language": "c"}, "either 'start'"),
        ("model", {"start": "a", "vision": "b"}, "either 'start'"),
        ("model", {"vision": {}, "language": {}}, "needs 'vocabulary'"),
        ("model", {"vision": "a", "language": "b", "vocabulary": "c"}, "vocabulary"),
        ("model.dtype", "int8", "'float32', 'bfloat16' or 'float16'"),
    ],
)
def test_values_out_of_bounds_are_refused_with_the_rule(path: str, value: Any, says: str) -> None:
    message = _refusal(_with(path, value))
    assert says in message
    assert path.rpartition(".")[2].partition("_by")[0] in message


def test_a_rule_between_fields_does_not_repeat_the_whole_stage() -> None:
    assert "got {" not in _refusal(_with("stages.align.micro_batch_size", 3))


def test_an_objective_with_an_order_of_its_own_takes_no_other() -> None:
    tree = _with("stages.align.data.order", "short_first")
    assert Recipe.parse(tree, "here").stages["align"].data.order == "short_first"
    tree["stages"]["align"]["objective"] = "patches"
    assert "data.order" in _refusal(tree)


def test_augmented_pictures_go_where_they_can() -> None:
    augment = {"brightness": 0.2, "contrast": 0.3, "saturation": 0.4, "crop": 0.1}
    tree = _with("stages.align.augment", augment)
    recipe = Recipe.parse(tree, "here")
    assert recipe.stages["align"].augment == Augment(**augment)
    assert Recipe.parse(yaml.safe_load(recipe.to_yaml()), "here") == recipe
    stage = tree["stages"]["align"]
    stage["features"] = "cache"
    assert "other pixels each time: leave 'features: cache' out" in _refusal(tree)
    del stage["features"]
    stage["objective"] = "patches"
    assert "objective 'patches' changes no pictures: leave 'augment' out" in _refusal(tree)
    stage |= {"objective": "clip", "contrast": {"instances": "boxes.json"}}
    assert "augment.crop would move what the boxes" in _refusal(tree)
    stage["augment"] = {**augment, "crop": 0}
    assert Recipe.parse(tree, "here").stages["align"].augment == Augment(**{**augment, "crop": 0})
    stage |= {"augment": augment, "contrast": {}}
    assert Recipe.parse(tree, "here").stages["align"].augment == Augment(**augment)


def test_a_connector_can_only_be_reset_where_it_trains() -> None:
    tree = _with("stages.align.reset_connector", True)
    assert Recipe.parse(tree, "here").stages["align"].reset_connector
    tree["stages"]["align"]["trains"] = ["language"]
    assert "reset_connector" in _refusal(tree)


@pytest.mark.parametrize("key", ["name", "model", "stages"])
def test_what_is_missing_is_named(key: str) -> None:
    assert f"{key}: Field required" in _refusal({k: v for k, v in _SMALL.items() if k != key})


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_a_recipe_is_a_mapping(value: object) -> None:
    assert "must be a mapping" in _refusal(value)


# ---- files -----------------------------------------------------------------------------------------------------------


def _file_refusal(folder: Path, text: bytes) -> str:
    (folder / "r.yaml").write_bytes(text)
    with pytest.raises(UserError) as refused:
        recipes.find(str(folder / "r.yaml"))
    assert "r.yaml" in str(refused.value)
    return str(refused.value)


_BOMB = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (c + 1, c + 1, c, c) for c in range(97, 120))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_BOMB, "aliases"),
        (b"name: !!python/object/apply:os.system ['touch canary']\n", "python/object"),
        (b"name: a\nseed: 1\nname: b\n", "'name' stands there twice (line 1)"),
        (b"stages:\n  a: {optim: {lr: 1, lr: 2}}\n", "'lr' stands there twice (line 2)"),
        (b"name:\ta\n\tseed: 1\n", "not a plain YAML file"),
        (b"name: [\n", "not a plain YAML file"),
        (b"name: 2024-13-45\n", "not a plain YAML file"),
        (b"a: 1\n---\nb: 2\n", "not a plain YAML file"),
        (b"\x00\x01", "not a plain YAML file"),
        (b"name: \xff\n", "cannot read"),
        (b"[" * 100_000, "not a plain YAML file"),
        (b"", "must be a mapping"),
    ],
)
def test_files_that_are_no_plain_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in _file_refusal(tmp_path, text)
    assert not (tmp_path / "canary").exists()


def test_absent_files_folders_and_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the recipe .*absent.yaml"):
        recipes.find(str(tmp_path / "absent.yaml"))
    with pytest.raises(UserError, match="is a folder"):
        recipes.find(str(tmp_path))
    with pytest.raises(UserError, match="did you mean 'llava_v15_7b'"):
        recipes.find("llava_v15_7")
